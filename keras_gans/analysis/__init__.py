"""Looking into trained models and their training: attributions, the dynamics of the game, which penalty damps it."""

from keras_gans.analysis import dynamics
from keras_gans.analysis.attribution import gradient, gradient_x_input, integrated_gradients, smooth_grad
from keras_gans.analysis.result import Attribution

__all__ = [
    "Attribution",
    "dynamics",
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "smooth_grad",
]
