"""Gradients, updates and compiled calls on PyTorch: `torch.autograd.grad`, nothing left in `.grad`."""

import contextlib

import keras
import torch
from keras import ops


class BackendTrainer:
    """Nothing to change: the PyTorch trainer of Keras calls `train_step(data)` as it stands."""


def value_and_gradients(loss_fn, variables, scale_loss):
    with torch.enable_grad():
        loss, extras = loss_fn()
        objective = scale_loss(loss)
    tensors = [variable.value for variable in variables]
    if objective.requires_grad and tensors:  # of a frozen player there are none
        gradients = torch.autograd.grad(objective, tensors, allow_unused=True, materialize_grads=True)
    else:  # a loss that depends on no variable
        gradients = [torch.zeros_like(tensor) for tensor in tensors]
    return loss.detach(), _detached(extras), list(gradients)


def _detached(extras):
    return {name: value.detach() for name, value in extras.items()}


def input_gradients(fn, inputs):
    outputs, pullback = value_and_input_pullback(fn, inputs)
    return pullback(torch.ones_like(outputs))


def value_and_input_pullback(fn, inputs):
    with torch.enable_grad():
        inputs = ops.convert_to_tensor(inputs)
        inputs = inputs if inputs.requires_grad else inputs.detach().requires_grad_(True)
        outputs = fn(inputs)

    def pullback(cotangents):
        how = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
        with torch.enable_grad():
            return torch.autograd.grad(outputs, inputs, cotangents, **how)[0]

    return outputs, pullback


def value_and_pullback(fn, inputs, variables):
    with torch.enable_grad():
        inputs = ops.convert_to_tensor(inputs).detach().requires_grad_(True)
        outputs = fn(inputs)
    tensors = [variable.value for variable in variables]

    def pullback(cotangents, wrt):
        gradients = torch.autograd.grad(
            outputs,
            {"inputs": [inputs], "variables": tensors, "both": [inputs, *tensors]}[wrt],
            grad_outputs=cotangents.to(outputs.dtype),
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        return (None, list(gradients)) if wrt == "variables" else (gradients[0], list(gradients[1:]))

    return outputs.detach(), pullback


def jacobian_product(losses, groups, vectors):
    tensors = [[variable.value for variable in group] for group in groups]
    flat = [tensor for group in tensors for tensor in group]
    with torch.enable_grad():
        total = torch.zeros(())
        for value, group, vector in zip(losses(), tensors, vectors, strict=True):
            if not value.requires_grad:  # a loss that depends on no variable
                continue
            gradients = torch.autograd.grad(value, group, create_graph=True, allow_unused=True, materialize_grads=True)
            total = total + sum((gradient * part).sum() for gradient, part in zip(gradients, vector, strict=True))
    if not total.requires_grad:  # losses that are linear in all variables
        return [torch.zeros_like(tensor) for tensor in flat]
    return list(torch.autograd.grad(total, flat, allow_unused=True, materialize_grads=True))


def gradients_of(fn, variables, like=None, differentiable=False):
    """See `keras_gans.engine.passes.gradients_of`."""
    del like
    watched = {}

    def watch(key, tensor):
        watched[key] = tensor.clone() if tensor.requires_grad else tensor.detach().clone().requires_grad_(True)
        return watched[key]

    with torch.enable_grad():
        loss, extras = fn(watch)
        sources = [variable.value for variable in variables()] if variables else []
        tensors = [*sources, *watched.values()]
        found = [None] * len(tensors)
        if loss.requires_grad and tensors:
            found = torch.autograd.grad(loss, tensors, create_graph=differentiable, allow_unused=True)
    if not differentiable:
        loss = loss.detach()
        extras = keras.tree.map_structure(_detached_with_mask, extras)
    return loss, extras, list(found[: len(sources)]), dict(zip(watched, found[len(sources) :], strict=True))


def _detached_with_mask(value):
    """Returns a tensor without its gradient and with its mask, which Keras's metrics read; anything else as it is."""
    if not torch.is_tensor(value):
        return value
    detached = value.detach()
    if getattr(value, "_keras_mask", None) is not None:
        detached._keras_mask = value._keras_mask
    return detached


def pullbacks(fn, variables):
    """See `keras_gans.engine.one_pass.OnePass`."""
    del variables
    with torch.enable_grad():
        outputs, extras = fn()

    def pullback(cotangents, wanted):
        pairs = [(each, c) for each, c in zip(outputs, cotangents, strict=True) if each.requires_grad]
        tensors, (reached, given) = [variable.value for variable in wanted], zip(*pairs, strict=True)
        return list(torch.autograd.grad(reached, tensors, given, retain_graph=True, allow_unused=True))

    return [each.detach() for each in outputs], keras.tree.map_structure(_detached_with_mask, extras), pullback


def stateful(model, step, training=True):
    """Returns what Keras's trainer calls as a `train_step` or `test_step`, from `step(data)` that writes variables."""
    del model, training
    return step


def value_at_step(model, variable, arguments):
    """Returns the value of a model's variable that is not trained when its train function is called."""
    del model, arguments
    return read(variable)


def apply_gradients(optimizer, gradients, variables):
    with torch.no_grad():
        optimizer.apply(gradients, variables)


def read(variable):
    return variable.value.detach().clone()


def mean(values):
    return ops.mean(ops.cast(values, "float32"))


def replicas():
    return 1


def replica_seed(seed):
    return seed


def compiled(model, fn):
    del model

    def run(*arguments):
        with torch.no_grad():
            return fn(*arguments)

    return run


def traced_once(key, fn):
    """Returns `fn`, which a step calls several times."""
    del key
    return fn


def replaced(pairs):
    """Returns a context in which variables have other values, for `[(variable, value), ...]`; they are not assigned."""
    return keras.StatelessScope(state_mapping=pairs)


def rows_per_call(count):
    """Returns the rows with which a compiled function is called for `count` rows: as many."""
    return count


def fed(dataset, **options):
    """Returns a dataset as Keras takes it: as it is."""
    del options
    return dataset


def end_epoch():
    """Called after the last step of an epoch that has fewer steps than Keras expects."""
    pass  # Keras sees for itself that there is no batch left


def after(data):
    """Returns an empty context: a step here begins with its batch."""
    del data
    return contextlib.nullcontext()


def outside_of_graphs():
    """Returns a context in which variables may be made while a step is traced."""
    return contextlib.nullcontext()


def sync(model):
    del model


def with_shape(tensor, shape):
    """Returns the tensor: its shape is always known here."""
    del shape
    return tensor


def accelerator():
    """Returns `(kind, capability)` of the device that computes; see `keras_gans.machine.precision`."""
    if torch.cuda.is_available():
        return "gpu", torch.cuda.get_device_capability()
    return "cpu", None


def step_then(model, step, arguments, then):
    """Returns what a stock model's `train_step(data)` returns, and runs `then()`, which writes variables, after it."""
    del model
    logs = step(*arguments)
    then()
    return logs


def lacks_derivative(error):
    """Returns whether an error says that some operation has no gradient."""
    sentences = ("once_differentiable", "derivative for", "does not require grad")
    return any(sentence in str(error) for sentence in sentences)
