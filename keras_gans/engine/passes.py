"""The passes of one train step: the clean one, and others at points beside it that leave the model's state alone.

A pass may be edited: what the model takes, what a layer computes or what a variable holds goes through a function.
An edit `watch`es a value, to have its gradient, or adds a perturbation to it. Nothing is written into the model: a
variable has its other value in a `keras.StatelessScope`, a layer's `call` is replaced while the pass is traced.
"""

import keras
from keras import ops

from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import called, data_loss, has_own_loss, is_seed, state_of, whole_loss
from keras_gans.engine.targets import edited, is_float, layers_edited, no_float_inputs


def gradients_of(fn, variables=None, like=None, differentiable=False):
    """Differentiates a scalar with respect to variables and to tensors that are met on the way.

    Args:
        fn: Callable that takes `watch` and returns `(scalar, extras)`, extras any structure of tensors. `watch(key,
            tensor)` returns the tensor, whose gradient is then found under the string `key`.
        variables: Callable that returns the list of variables, asked after `fn` where a first call may build them.
        like: Dict of tensors of the shapes of what is watched, where that is known before; else None.
        differentiable: Whether the gradients are differentiated again.

    Returns:
        `(scalar, extras, gradients, watched)`: the gradients of the variables, and a dict of those of what was
        watched; None for what the scalar does not depend on (zeros on JAX, which cannot tell).
    """
    return backend.gradients_of(fn, variables, like, differentiable)


def share():
    """Returns what a mean over this replica's rows counts in the loss of a step: 1 over the number of replicas."""
    return 1.0 / backend.replicas()


class _Scope(keras.StatelessScope):
    """A scope that begins with the values of the one around it; what is written inside is forgotten, or handed on."""

    def __init__(self, pairs, hands_on=False):
        super().__init__(state_mapping=pairs, collect_losses=True)
        self.written, self.hands_on = {}, hands_on

    def __enter__(self):
        super().__enter__()
        if self.original_scope is not None:
            self.state_mapping = {**self.original_scope.state_mapping, **self.state_mapping}
        return self

    def add_update(self, update):
        super().add_update(update)
        self.written[id(update[0])] = update

    def __exit__(self, *error):
        super().__exit__(*error)
        for variable, value in self.written.values() if self.hands_on else ():
            variable.assign(value)


class Passes:
    """The passes of one train step of a model on a batch.

    Args:
        model: The `keras.Model`.
        x, y, sample_weight: The batch as Keras gives it to `train_step`.
        training: Whether the layers are called as in training.
        unlabelled: Inputs beside those of the batch, or None.
    """

    def __init__(self, model, x, y=None, sample_weight=None, training=True, unlabelled=None):
        self.model, self.training, self.unlabelled = model, training, unlabelled
        self.x, self.y, self.sample_weight = x, y, sample_weight
        # The other passes begin with the statistics and seeds of the clean one: the same dropout masks.
        self.state = [(variable, backend.read(variable)) for variable in state_of(model)]
        self.reached = []

    def rows(self):
        """Returns the number of examples of the batch."""
        return ops.shape(next(each for each in keras.tree.flatten(self.x) if each is not None))[0]

    def _regularised(self):
        """Returns the weights with a regulariser and their values: inside a scope Keras looks for them there alone."""
        trained = self.model.trainable_variables
        return [(each, ops.convert_to_tensor(each)) for each in trained if each.regularizer is not None]

    def _called(self, x, edits):
        """Returns the model's output at edited inputs and layers."""
        for target, edit in edits:
            if target.kind == "inputs":
                leaves = [leaf for leaf in keras.tree.flatten(x) if leaf is not None]
                if not any(map(is_float, leaves)):
                    raise ValueError(no_float_inputs(self.model, leaves))
                x = edited(edit, "inputs", x)
        with layers_edited([(target, edit) for target, edit in edits if target.kind == "layer"]):
            return called(self.model, x, self.training)

    def clean(self, objective, edits, targets, variables):
        """Runs the one pass whose statistics and seeds are kept.

        Args:
            objective: Callable that returns `(scalar, extras)` for the model's output.
            edits: Pairs of a target and a function `(key, tensor) -> tensor`.
            targets: Targets whose gradients are asked for; variables are among those of `variables`.
            variables: Callable that returns the variables to differentiate for.

        Returns:
            As `gradients_of`, its extras those of the objective.
        """

        def fn(watch):
            all_edits = [*edits, *((target, watch) for target in targets if target.kind != "variable")]
            pairs = _of_variables(edits)
            if not pairs:
                return objective(self._called(self.x, all_edits))
            with _Scope([*self._regularised(), *pairs], hands_on=True):
                return objective(self._called(self.x, all_edits))

        return gradients_of(fn, variables, self.like(targets))

    def like(self, targets):
        """Returns tensors of the shapes of what is watched, by key; None where only a pass can tell."""
        if any(target.kind == "layer" for target in targets):
            return None
        watched = self.x if any(target.kind == "inputs" for target in targets) else []
        leaves = {f"inputs/{i}": each for i, each in enumerate(keras.tree.flatten(watched))}
        return {key: each for key, each in leaves.items() if each is not None and is_float(each)}

    def at(self, edits=(), then=lambda outputs: outputs, x=None, fresh=False):
        """Returns `then(the model's output at an edited point)`, in the state of the clean pass; nothing is written.

        Args:
            edits: Pairs of a target and a function `(key, tensor) -> tensor`.
            then: Function of the output, called while what the layers add to the loss is that of this pass.
            x: Other inputs than those of the batch.
            fresh: Whether dropout draws masks of its own; as a default they are those of the clean pass.
        """
        state = _other_seeds(self.state) if fresh else self.state
        with _Scope([*self._regularised(), *state, *_of_variables(edits)]):
            return then(self._called(self.x if x is None else x, edits))

    def loss(self, y_pred, y=None):
        """Returns the loss of outputs against the labels of the batch: the compiled one, without regularisers.

        Of a model with a `compute_loss` of its own, or without a compiled loss, it is the whole loss.
        """
        y = self.y if y is None else y
        arguments = {"y": y, "y_pred": y_pred, "sample_weight": self.sample_weight}
        if has_own_loss(self.model) or self.model.loss is None:
            return self.whole_loss(y_pred, y)
        return ops.cast(data_loss(self.model, **arguments), "float32")

    def whole_loss(self, y_pred, y=None):
        """Returns the loss that the model would train on: the compiled one and all that layers and weights add."""
        y = self.y if y is None else y
        return ops.cast(whole_loss(self.model, self.x, y, y_pred, self.sample_weight, self.training), "float32")

    def reach(self, edits, then, x=None, fresh=False):
        """Returns what `at` does, numbers that are looked at when the step is over (`first_not_finite`)."""

        def seen(y_pred):
            found = then(y_pred)
            self.reached.append((y_pred, found))
            return found

        return self.at(edits, seen, x=x, fresh=fresh)

    def loss_at(self, edits, fresh=False, whole=False):
        """Returns the loss at an edited point, which is looked at when the step is over."""
        return self.reach(edits, self.whole_loss if whole else self.loss, fresh=fresh)


def frozen_call(model, x):
    """Returns a model's output as in inference; whatever the call would write is forgotten."""
    with _Scope([]):
        return called(model, x, training=False)


def compiled(model, fn):
    """Returns a function of tensors that calls a model but does not train it, compiled where the backend compiles."""
    return backend.compiled(model, fn)


def plus(deltas):
    """Returns the edit that adds perturbations to what it meets: `deltas` is a dict of tensors by key."""

    def edit(key, tensor):
        return tensor + ops.cast(deltas[key], tensor.dtype) if key in deltas else tensor

    return edit


def first_not_finite(reached):
    """Returns the first example of which a loss at a perturbed point is not finite, an int32 scalar.

    It is -1 where all losses are finite (outputs may be infinite on purpose, behind a mask), and -2 where a loss is
    not, but all outputs are.
    """
    found = ops.convert_to_tensor(-1, "int32")
    for y_pred, loss in reached:
        lost = ops.logical_and(found == -1, ops.logical_not(ops.all(ops.isfinite(loss))))
        which = ops.convert_to_tensor(-2, "int32")
        for outputs in keras.tree.flatten(y_pred):
            wrong = ops.logical_not(ops.isfinite(outputs))
            wrong = ops.any(ops.reshape(wrong, (ops.shape(wrong)[0], -1)), axis=1)
            first = ops.cast(ops.argmax(ops.cast(wrong, "int32")), "int32")
            which = ops.where(ops.logical_and(which < 0, ops.any(wrong)), first, which)
        found = ops.where(lost, which, found)
    return found


def _of_variables(edits):
    """Returns pairs of a variable and its edited value."""
    return [(t.owner, edit(t.name, ops.convert_to_tensor(t.owner))) for t, edit in edits if t.kind == "variable"]


def _other_seeds(state):
    """Returns the state with other seeds: a stream of its own, not the one that the next step goes on with."""
    return [
        (variable, value + ops.convert_to_tensor([104729, 0], value.dtype) if is_seed(variable) else value)
        for variable, value in state
    ]
