"""Looking into trained models and their training: attributions, the dynamics of the game, which penalty damps it."""

from keras_gans.analysis import dynamics
from keras_gans.analysis.attribution import gradient, gradient_x_input, integrated_gradients, smooth_grad
from keras_gans.analysis.jacobian import GameJacobian, game_jacobian
from keras_gans.analysis.penalty_advice import PenaltyAdvice, suggest_penalty
from keras_gans.analysis.result import Attribution

__all__ = [
    "Attribution",
    "GameJacobian",
    "PenaltyAdvice",
    "dynamics",
    "game_jacobian",
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "smooth_grad",
    "suggest_penalty",
]
