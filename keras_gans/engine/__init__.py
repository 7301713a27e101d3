"""The only part of the package that knows the backend: gradients, updates, the base models.

`value_and_gradients`, `input_gradients` and `value_and_pullback` behave the same on TensorFlow, JAX and
PyTorch; everything else in the package is written with `keras.ops` and these.
"""

from keras_gans.engine.averaging import WeightAverage, attach
from keras_gans.engine.gradients import (
    descend,
    input_gradients,
    mean,
    value_and_gradients,
    value_and_pullback,
)
from keras_gans.engine.inspection import Probe, tap
from keras_gans.engine.kernels import precision
from keras_gans.engine.model import AdversarialModel, GenerativeModel, given, standard_normal
from keras_gans.engine.optimizers import PlayerOptimizers
from keras_gans.engine.vitals import Vitals, restore, snapshot

__all__ = [
    "AdversarialModel",
    "GenerativeModel",
    "PlayerOptimizers",
    "Probe",
    "Vitals",
    "WeightAverage",
    "attach",
    "descend",
    "given",
    "input_gradients",
    "mean",
    "precision",
    "restore",
    "snapshot",
    "standard_normal",
    "tap",
    "value_and_gradients",
    "value_and_pullback",
]
