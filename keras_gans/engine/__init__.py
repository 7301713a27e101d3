"""The only part of the package that knows the backend: gradients, updates, the base models.

`value_and_gradients`, `input_gradients` and `value_and_pullback` behave the same on TensorFlow, JAX and
PyTorch; everything else in the package is written with `keras.ops` and these.
"""

from keras_gans.engine.adversarial import AdversarialModel
from keras_gans.engine.asking import Energy
from keras_gans.engine.attaching import attach
from keras_gans.engine.averaging import WeightAverage
from keras_gans.engine.blueprints import Part, two_players
from keras_gans.engine.building import (
    checked_network,
    given,
    output_shape,
    refuse_unsavable,
    warn_of_bounded_scores,
)
from keras_gans.engine.calls import called, collected
from keras_gans.engine.coded import Coded
from keras_gans.engine.codes import Codes, projected
from keras_gans.engine.differentiating import (
    captured,
    compiled_for,
    differentiable,
    injected,
    value_and_input_gradients,
)
from keras_gans.engine.encoder import Encoder
from keras_gans.engine.gradients import (
    descend,
    input_gradients,
    jacobian_product,
    mean,
    preserved,
    value_and_gradients,
    value_and_input_pullback,
    value_and_pullback,
)
from keras_gans.engine.implicit import Implicit
from keras_gans.engine.inference import standard_normal
from keras_gans.engine.inspection import Probe, layer_paths, tap
from keras_gans.engine.judging import judge, release
from keras_gans.engine.kernels import precision
from keras_gans.engine.model import GenerativeModel
from keras_gans.engine.one_pass import OnePass, image_key, last_kernel, on_one_replica
from keras_gans.engine.optimizers import PlayerOptimizers, player_optimizer
from keras_gans.engine.passes import Passes, compiled, frozen_call, gradients_of, plus, share
from keras_gans.engine.regularizing import LABELLED, UNLABELLED, Regularizer, StepSeed
from keras_gans.engine.score import Score
from keras_gans.engine.simultaneous import coupled_layers
from keras_gans.engine.staging import Staged
from keras_gans.engine.targets import Target, no_derivative
from keras_gans.engine.vitals import Vitals, restore, snapshot
from keras_gans.engine.wrapping import check_model, unwrap, wrap, wrapped_by

__all__ = [
    "LABELLED",
    "UNLABELLED",
    "AdversarialModel",
    "Coded",
    "Codes",
    "Encoder",
    "Energy",
    "GenerativeModel",
    "Implicit",
    "OnePass",
    "Part",
    "Passes",
    "PlayerOptimizers",
    "Probe",
    "Regularizer",
    "Score",
    "Staged",
    "StepSeed",
    "Target",
    "Vitals",
    "WeightAverage",
    "attach",
    "called",
    "captured",
    "check_model",
    "checked_network",
    "collected",
    "compiled",
    "compiled_for",
    "coupled_layers",
    "descend",
    "differentiable",
    "frozen_call",
    "given",
    "gradients_of",
    "image_key",
    "injected",
    "input_gradients",
    "jacobian_product",
    "judge",
    "last_kernel",
    "layer_paths",
    "mean",
    "no_derivative",
    "on_one_replica",
    "output_shape",
    "player_optimizer",
    "plus",
    "precision",
    "preserved",
    "projected",
    "refuse_unsavable",
    "release",
    "restore",
    "share",
    "snapshot",
    "standard_normal",
    "tap",
    "two_players",
    "unwrap",
    "value_and_gradients",
    "value_and_input_gradients",
    "value_and_input_pullback",
    "value_and_pullback",
    "warn_of_bounded_scores",
    "wrap",
    "wrapped_by",
]
