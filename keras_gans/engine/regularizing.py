"""The train step of any `keras.Model` with regularisers: one clean pass, then what each of them adds.

g, h, y_pred = gradients of the clean loss: by the weights, and by what the regularisers watch
prepared     = what each finds out before (a perturbation from h), a constant for the weights
g            = g + gradients by the weights of the sum of all terms
optimiser    <- g
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.passes import Passes, first_not_finite, gradients_of, share
from keras_gans.engine.private_keras import has_own_loss, raw_iterations, track_loss
from keras_gans.engine.targets import no_derivative

NOT_FINITE = "not_finite_example"  # in the logs of the step, for the function around it
LABELLED, UNLABELLED = "labelled", "unlabelled"


class Regularizer:
    """What a train step gets besides its loss. Every subclass is one method of a paper.

    The methods are called while the step is traced; tensors may be kept in their results only, not on `self`.
    """

    name = ""
    needs_labels = True

    def active(self):
        """Returns whether it changes anything; a step in which nothing does is Keras's own."""
        return True

    def begin(self):
        """Called before every step (of eager models) or trace."""

    def watched(self):
        """Returns the targets whose gradients at the clean pass `prepare` is given."""
        return []

    def clean_edits(self):
        """Returns pairs of a target and a function `(key, tensor) -> tensor` that change the clean pass itself."""
        return []

    def clean_weight(self):
        """Returns the factor of the clean loss."""
        return 1.0

    def labels(self, passes):
        """Returns the labels with which the step goes on."""
        return passes.y

    def prepare(self, passes, y_pred, gradients):
        """Returns constants for `term`, for example a perturbation; `gradients` by key are those of what is watched."""
        return None

    def term(self, passes, prepared):
        """Returns the scalar that is added to the loss, or None."""
        return None


class StepSeed(keras.random.SeedGenerator):
    """A stream of random numbers that depends on a seed and on the step alone: nothing to save, resumed exactly."""

    def __init__(self, model, seed):
        super().__init__(seed=seed)
        self.model, self.seed, self.draws = model, seed, 0

    def next(self, ordered=True):
        dtype = self.state.dtype
        step = ops.cast(raw_iterations(self.model.optimizer), dtype)
        self.draws += 1
        mixed = [step * 9973 % 2000003 + self.seed % 1000003, step * 31 % 1000003 + 7919 * self.draws]
        return backend.replica_seed(ops.stack([ops.cast(each, dtype) for each in mixed]))


def split(data):
    """Returns `(inputs, unlabelled inputs or None)` of a batch."""
    x = data[0] if isinstance(data, (list, tuple)) else data
    if isinstance(x, dict) and set(x) == {LABELLED, UNLABELLED}:
        return x[LABELLED], x[UNLABELLED]
    return x, None


def step(model, regularizers, data):
    """Takes one train step with regularisers, all of them active, and returns the logs."""
    check_batch(model, regularizers, data)
    data = keras.tree.map_structure(lambda each: None if each is None else ops.convert_to_tensor(each), data)
    (x, unlabelled), (_, y, sample_weight) = split(data), keras.utils.unpack_x_y_sample_weight(data)
    passes = Passes(model, x, y, sample_weight, unlabelled=unlabelled)
    for each in regularizers:
        each.begin()
        passes.y = each.labels(passes)
    clean_weight = min((each.clean_weight() for each in regularizers), default=1.0)
    scale = model.optimizer.scale_loss

    def clean_objective(y_pred):
        _check_loss(model, regularizers)
        whole = passes.whole_loss(y_pred)
        loss = whole
        if clean_weight not in (0.0, 1.0):  # what regularises weights counts once
            loss = whole + (clean_weight - 1.0) * passes.loss(y_pred)
        return scale(loss), (loss, whole, y_pred)

    edits = [edit for each in regularizers for edit in each.clean_edits()]
    targets = [target for each in regularizers for target in each.watched()]

    def variables():
        return model.trainable_variables

    _, (loss, whole, y_pred), gradients, watched = passes.clean(clean_objective, edits, targets, variables)
    found = _of_targets(model, targets, gradients, watched)
    if clean_weight == 0.0:
        loss, gradients = ops.zeros_like(loss), [None] * len(gradients)
    prepared = [
        each.prepare(passes, keras.tree.map_structure(ops.stop_gradient, y_pred), found) for each in regularizers
    ]

    def terms(watch):
        passes.reached = []
        values = [each.term(passes, constants) for each, constants in zip(regularizers, prepared, strict=True)]
        total = sum((value for value in values if value is not None), ops.zeros((), "float32"))
        return scale(total), (total, first_not_finite(passes.reached))

    _, (total, wrong), more, _ = gradients_of(terms, variables, {})
    wrong = ops.where(
        ops.isfinite(whole), wrong, -1
    )  # a clean loss that is not finite is no matter of the regularisers
    backend.apply_gradients(model.optimizer, _sum(gradients, more, wrong), model.trainable_variables)
    track_loss(model, (loss + total) / share(), passes.rows())
    return {**model.compute_metrics(x, y, y_pred, sample_weight=sample_weight), NOT_FINITE: wrong}


def _of_targets(model, targets, gradients, watched):
    """Returns the gradients by key of what the regularisers perturb; says which cannot be differentiated."""
    by_variable = {id(v): g for v, g in zip(model.trainable_variables, gradients, strict=True)}
    found = dict(watched)
    for target in targets:
        if target.kind == "variable":
            found[target.name] = by_variable[id(target.owner)]
    lost = [key for key, gradient in found.items() if gradient is None]
    if lost:
        raise ValueError(no_derivative(lost))
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        # Where the scale is too large the optimiser leaves the step out, and the perturbation may be anything finite.
        found = {key: ops.where(ops.isfinite(each), each, 0.0) for key, each in found.items()}
    return found


def _sum(first, second, wrong):
    """Returns the sums of gradients, None for nothing; all are 0 where an example is wrong: the weights stay finite."""
    result = []
    for each in zip(first, second, strict=True):
        parts = [part for part in each if part is not None]
        total = sum(parts[1:], parts[0]) if parts else None
        result.append(None if total is None else ops.where(wrong == -1, total, ops.zeros_like(total)))
    return result


def _check_loss(model, regularizers):
    if model.loss is None and not has_own_loss(model) and not model.losses:
        raise ValueError(
            f"The model must have a loss to be trained with {listed(regularizers)}: give `loss` to compile. "
            f"{checks.received(loss=model.loss)}"
        )


def check_batch(model, regularizers, data):
    """Refuses a batch without what regularisers, all of them active, need."""
    (_, unlabelled), (_, y, _) = split(data), keras.utils.unpack_x_y_sample_weight(data)
    needing = [each for each in regularizers if each.needs_labels]
    if regularizers and unlabelled is not None and len(needing) == len(regularizers):
        raise ValueError(
            f"Unlabelled examples beside the labelled ones are for virtual_adversarial_training; {listed(needing)} "
            "needs labels."
        )
    if y is None and model.loss is not None:
        raise ValueError(
            f"`y` is missing: the loss of the model needs labels, and so does {listed(regularizers)}. Give unlabelled "
            "examples beside labelled ones (kg.regularization.beside). Received: a batch of inputs alone."
        )


def listed(regularizers):
    """Returns the names of regularisers for a sentence."""
    return " and ".join(each.name for each in regularizers)
