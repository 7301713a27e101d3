"""The Dirac-GAN: what losses, penalties, steps, momentum and averages do to the dynamics of a game of two points."""

from keras_gans.analysis.dynamics.dirac import DiracGAN, wedge
from keras_gans.analysis.dynamics.figures import (
    average_attenuation,
    eigenvalue_curves,
    phase_portrait,
    radii,
    stability_map,
    trajectories,
)
from keras_gans.analysis.dynamics.objectives import OBJECTIVES, Objective, Radial
from keras_gans.analysis.dynamics.points import objective_of, point_model, train_points
from keras_gans.analysis.dynamics.simulation import Path, Verdict, average_residual, simulate, step_radius, verdict

__all__ = [
    "OBJECTIVES",
    "DiracGAN",
    "Objective",
    "Path",
    "Radial",
    "Verdict",
    "average_attenuation",
    "average_residual",
    "eigenvalue_curves",
    "objective_of",
    "phase_portrait",
    "point_model",
    "radii",
    "simulate",
    "stability_map",
    "step_radius",
    "train_points",
    "trajectories",
    "verdict",
    "wedge",
]
