"""The public names of the package, which `import keras_gans` brings: the classes of the registry, and more."""

from keras_gans import (
    analysis,
    callbacks,
    data,
    layers,
    metrics,
    networks,
    penalties,
    registry,
    regularization,
    samplers,
    schedules,
    zoo,
)
from keras_gans.adversarial_loss import AdversarialLoss
from keras_gans.registry import create, list_models
from keras_gans.regularization import attack, robust_accuracy
from keras_gans.runs.loading import load
from keras_gans.zoo import from_preset, list_presets

globals().update(registry.classes())

__all__ = [
    *registry.classes(),
    "AdversarialLoss",
    "analysis",
    "attack",
    "callbacks",
    "create",
    "data",
    "from_preset",
    "layers",
    "load",
    "list_models",
    "list_presets",
    "metrics",
    "networks",
    "penalties",
    "regularization",
    "robust_accuracy",
    "samplers",
    "schedules",
    "zoo",
]
