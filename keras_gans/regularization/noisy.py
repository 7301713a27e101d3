"""Noise: train on, or agree with, a randomly changed copy of the inputs, weights, a layer's output or the targets.

With n of mean 0 and standard deviation 1 (normal, or uniform in -sqrt(3)..sqrt(3)) and f the model:

    gaussian, uniform   x + std n          multiplicative   x (1 + std n), n normal

    consistency None    L at the changed point, in place of L(x)              (Bishop, 1995: a Tikhonov regulariser)
    "mse", "kl"         L(x) + weight mean_b d(f(x_b), f at the changed point)  (Laine and Aila, 2016, arXiv:1610.02242)

In the second f(x) is a constant for the weights; for d = |.|^2 it is std^2 sum_i |grad_x f_i|^2 for small std. Every
step draws fresh numbers, functions of (seed, step). Padding is left alone.
"""

import math

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import Regularizer, StepSeed, Target, check_model, share, wrap
from keras_gans.regularization import divergences
from keras_gans.regularization.predictions import takes_logits

KINDS = ("gaussian", "uniform", "multiplicative")
CONSISTENCIES = (None, "mse", "kl")


class Noise(Regularizer):
    """The train step's part; see `noise`."""

    name = "noise"

    def __init__(self, targets, on_labels, std, kind, consistency, weight, seed):
        self.targets, self.on_labels, self.std, self.kind = targets, on_labels, std, kind
        self.consistency, self.weight, self.seed = consistency, weight, seed

    def active(self):
        return self.std > 0 and (self.consistency is None or self.weight > 0)

    def begin(self):
        self.seed.draws = 0

    def changed(self, key, tensor):
        """Returns a tensor with noise."""
        if self.kind == "uniform":
            noise = math.sqrt(3.0) * keras.random.uniform(ops.shape(tensor), -1.0, 1.0, "float32", seed=self.seed)
        else:
            noise = keras.random.normal(ops.shape(tensor), dtype="float32", seed=self.seed)
        noise = self.std * ops.cast(noise, "float32")
        if self.kind == "multiplicative":
            return tensor * ops.cast(1.0 + noise, tensor.dtype)
        return tensor + ops.cast(noise, tensor.dtype)

    def edits(self):
        return [(target, self.changed) for target in self.targets]

    def clean_edits(self):
        return self.edits() if self.consistency is None else []

    def labels(self, passes):
        if not self.on_labels:
            return passes.y
        kinds = {keras.backend.standardize_dtype(each.dtype) for each in keras.tree.flatten(passes.y)}
        if not all(keras.backend.is_float_dtype(kind) for kind in kinds):
            raise ValueError(
                "`on='targets'` needs targets of floats, for example one-hot ones: integers have no small change. "
                f"Received: targets of {', '.join(sorted(kinds))}."
            )
        return keras.tree.map_structure(lambda each: self.changed("targets", each), passes.y)

    def prepare(self, passes, y_pred, gradients):
        return y_pred

    def term(self, passes, prepared):
        if self.consistency is None:
            return None
        apart = divergences.kl if self.consistency == "kl" else divergences.squared_error
        logits = takes_logits(passes.model, prepared) if self.consistency == "kl" else None

        def distance(outputs):
            pairs = zip(keras.tree.flatten(prepared), keras.tree.flatten(outputs), strict=True)
            return sum(ops.mean(apart(clean, noisy, logits)) for clean, noisy in pairs)

        return share() * self.weight * passes.reach(self.edits(), distance)


def noise(model, on="inputs", std=0.1, kind="gaussian", consistency=None, weight=1.0, seed=0):
    """Makes a model train under noise; evaluation stays plain.

    Args:
        model: Any `keras.Model` that trains by Keras's own train step, compiled or not.
        on: `"inputs"` (default), `"weights"` (all trained variables), `"targets"`, a layer or its name (its output), a
            trained variable or its path.
        std: Standard deviation of the noise, at least 0, in the units of what is changed (of 1, where multiplicative);
            default 0.1.
        kind: `"gaussian"` (default), `"uniform"` or `"multiplicative"`.
        consistency: None (default): the loss at the changed point takes the place of the clean one, and metrics are
            those of the changed point. `"mse"` or `"kl"` (classifiers): the clean loss, and the distance between the
            outputs; needs two passes.
        weight: Factor of the consistency, at least 0, default 1.
        seed: Integer. The noise is a function of seed and step, so that a resumed training goes on with the same.

    Returns:
        The model itself. `kg.regularization.undo(model)` takes all wrappers off.

    Raises:
        TypeError, ValueError: As `adversarial_training`; also for noise on integer targets.

    Reference: Bishop, 1995, "Training with noise is equivalent to Tikhonov regularization"; Laine and Aila, 2016,
    arXiv:1610.02242.
    """
    check_model(model)
    std, kind = checks.number("std", std, minimum=0), checks.one_of("kind", kind, KINDS)
    consistency, weight = checks.one_of("consistency", consistency, CONSISTENCIES), checks.number("weight", weight, 0)
    on_labels = isinstance(on, str) and on == "targets"
    if on_labels and consistency is not None:
        raise ValueError(f"`consistency` must be None for on='targets'. {checks.received(consistency=consistency)}")
    if isinstance(on, str) and on == "weights":
        if not model.built:
            raise ValueError("`on='weights'` needs a built model: call model.build(input_shape), or it on a batch.")
        targets = [Target(model, variable) for variable in model.trainable_variables]
    else:
        targets = [] if on_labels else [Target(model, on)]
    seed = StepSeed(model, checks.positive_integer("seed", seed, minimum=0))
    return wrap(model, Noise(targets, on_labels, std, kind, consistency, weight, seed))
