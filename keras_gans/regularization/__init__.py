"""Regularisers in one line for any `keras.Model`: adversarial training, gradient penalties, noise, smooth predictions.

Each function changes how the model trains, on the object alone, and returns it; several may be stacked, `undo` takes
them off. What each costs, and what it adds to the loss, stands in docs/regularization.md.
"""

from keras_gans.engine import unwrap as _unwrap
from keras_gans.regularization.adversarial import adversarial_training
from keras_gans.regularization.attacking import Attack, attack, robust_accuracy
from keras_gans.regularization.noisy import noise
from keras_gans.regularization.penalty import gradient_penalty
from keras_gans.regularization.virtual import beside, virtual_adversarial_training

__all__ = [
    "Attack",
    "adversarial_training",
    "attack",
    "beside",
    "gradient_penalty",
    "noise",
    "robust_accuracy",
    "undo",
    "virtual_adversarial_training",
]


def undo(model):
    """Takes all wrappers off a model: it trains by Keras's own step again, and nothing of them is left. Returns it."""
    return _unwrap(model)
