"""Gradients with respect to variables and to inputs, and one optimiser step of one player."""

import contextlib
import functools
import itertools

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.calls import collected
from keras_gans.engine.inspection import is_recording


def _loss_and_extras(result):
    return result if isinstance(result, tuple) else (result, {})


def value_and_gradients(loss_fn, variables, scale_loss=lambda loss: loss):
    """Differentiates a loss with respect to variables.

    Args:
        loss_fn: Callable without arguments that returns a scalar loss, or `(loss, extras)` with a dict of
            tensors. What it writes into variables (batch statistics, seeds) is kept on every backend.
        variables: List of `keras.Variable`.
        scale_loss: Callable applied to the loss before it is differentiated (loss scaling).

    Returns:
        `(loss, extras, gradients)`: the unscaled loss, `extras` (`{}` if none) and the gradients of the
        scaled loss, one per variable, zeros where the loss does not depend on it. Inside `tf.distribute`
        the gradients are divided by the number of replicas, since optimisers add them up.
    """
    return backend.value_and_gradients(lambda: _loss_and_extras(loss_fn()), list(variables), scale_loss)


def input_gradients(fn, inputs):
    """Returns the gradient of `sum(fn(inputs))` with respect to `inputs`, itself differentiable.

    For a `fn` that treats samples independently this is the per-sample gradient, shape as `inputs`.
    It may stand inside a loss given to `value_and_gradients` (gradient penalties). A `Score` that has seen these inputs
    gives the gradient of that pass, which costs no other.
    """
    gradients = getattr(fn, "gradients", None)
    return backend.input_gradients(fn, inputs) if gradients is None else gradients(inputs)


def value_and_input_pullback(fn, inputs):
    """Returns `(outputs, pullback)` of one pass `fn(inputs)`, inputs taken as constants.

    `pullback(cotangents)`, with a tensor of the shape of `outputs`, gives the gradient at `inputs`. Both can be
    differentiated by variables.
    """
    return backend.value_and_input_pullback(fn, inputs)


def value_and_pullback(fn, inputs, variables=()):
    """Returns `(outputs, pullback)` of one forward pass whose gradients can be asked for several times.

    `pullback(cotangents, wrt="both")` takes a tensor of the shape of `outputs` and returns `(input_gradients,
    variable_gradients)`: the vector-Jacobian products with respect to `inputs` (one tensor, treated as a
    leaf) and to the list `variables`. With `wrt="inputs"` or `"variables"` the other one is not computed, and is
    not to be used.
    """
    outputs, pullback = backend.value_and_pullback(fn, inputs, list(variables))
    return outputs, lambda cotangents, wrt="both": pullback(cotangents, wrt)


def jacobian_product(losses, groups, vectors):
    """Returns the transposed Jacobian of the losses' gradients times a vector, by differentiating twice.

    With g_i the gradient of loss i with respect to its own group of variables, and w_i the vector of that group, this
    is the gradient of sum_i <g_i, w_i> with respect to all variables. What the losses write into variables is kept on
    TensorFlow and PyTorch and not on JAX.

    Args:
        losses: Callable without arguments that returns one scalar per group.
        groups: List of lists of `keras.Variable`, one per player.
        vectors: Tensors of the shapes of `groups`.

    Returns:
        List of tensors, one per variable, in the order of the groups.
    """
    return backend.jacobian_product(losses, [list(group) for group in groups], vectors)


def mean(values):
    """Returns the float32 mean of all entries over the global batch, all replicas of `tf.distribute` included."""
    return backend.mean(values)


@contextlib.contextmanager
def preserved(networks):
    """Undoes what happens inside to the statistics (batch norm, spectral norm) of `networks`; seeds move on."""
    variables = [v for n in networks for v in n.non_trainable_variables if keras.backend.is_float_dtype(v.dtype)]
    before = [backend.read(variable) for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def _twice_differentiable(model, player):
    """Says in words that a player with penalties on its input gradient has an operation without second derivative."""
    try:
        yield
    except Exception as error:
        penalized = player == "discriminator" and "penalty" in model.all_logs()
        if not penalized or not backend.lacks_derivative(error):
            raise
        raise ValueError(
            "`penalties` need a discriminator that can be differentiated twice: the penalty holds the gradient of its "
            "score, and is itself differentiated. One of its operations has no such derivative on "
            f"{keras.backend.backend()}: {checks.first_line(error)}"
        ) from error


def descend(objective, model, player, *arguments):
    """Takes one optimiser step of one player and changes nothing of any other network.

    Args:
        objective: Callable that returns, for the arguments, a scalar loss or `(loss, extras)` with a dict of tensors.
        model: The model whose attribute `player` is the network that moves.
        player: Name of the network, for example `"discriminator"`; or a tuple of names, which move together by the
            gradient of one pass.
        *arguments: What the objective is called with, for example the images of the step.

    Returns:
        What the objective returned: the loss, or `(loss, extras)`. Part of the loss are the weight regularisers of the
        network, and, for every call of it, its activity regularisers and `add_loss`.
    """
    step = functools.partial(_descend, objective, model, player)
    if getattr(model, "critic_steps", 1) > 1 and not is_recording():  # what is watched must lie in one graph
        step = backend.traced_once((objective, player), step)
    return step(*arguments)


def _descend(objective, model, player, *arguments):
    moving = (player,) if isinstance(player, str) else player
    network, optimizers = getattr(model, moving[0]), [model.optimizer.of(name) for name in moving]
    groups, is_pair = [getattr(model, name).trainable_variables for name in moving], []
    variables = [variable for group in groups for variable in group]

    def regularised():
        with collected(network) as added:
            result = objective(*arguments)
        is_pair.append(isinstance(result, tuple))
        loss, extras = _loss_and_extras(result)
        for variable in variables:
            if variable.regularizer is not None:
                loss = loss + variable.regularizer(variable)
        for each in added:
            loss = loss + each
        return ops.cast(loss, "float32"), extras

    others = [getattr(model, name) for name in model.players if name not in moving]
    scale = optimizers[0].scale_loss
    with preserved(others), _twice_differentiable(model, player):
        loss, extras, gradients = value_and_gradients(regularised, variables, scale)
    gradients = iter(gradients)
    for place, (optimizer, group) in enumerate(zip(optimizers, groups, strict=True)):
        own = list(itertools.islice(gradients, len(group)))
        if place:  # each expects the loss scaled by its own factor
            own = [each * (optimizer.scale_loss(ops.ones(())) / scale(ops.ones(()))) for each in own]
        backend.apply_gradients(optimizer, own, group)
    return (loss, extras) if is_pair[-1] else loss
