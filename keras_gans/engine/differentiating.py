"""What an analysis asks of a trained model: compiled functions of any `keras.Model`, gradients, a layer's outputs.

Everything runs at inference and leaves the model as it is: a layer's `call` is replaced for the time of one trace.
"""

import contextlib
import operator

from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import layers_of, plain_setattr

FUNCTIONS = "_analysis_functions"  # attribute of a model, where its compiled functions are kept
MOST_FUNCTIONS = 32


def value_and_input_gradients(fn, inputs):
    """Returns `(fn(inputs), gradient of its sum)`, the gradient of the shape of `inputs`, not to be differentiated.

    `fn` gives a tensor (n,), row by row; the sum leaves every row its own gradient. Zeros where nothing depends on
    `inputs`.
    """
    outputs, pullback = backend.value_and_pullback(fn, inputs, [])
    gradients, _ = pullback(ops.ones_like(outputs), "inputs")
    return outputs, gradients


def compiled_for(model, key, fn):
    """Returns `fn` compiled for a model, kept with it until one of its layers or precision policies changes.

    Args:
        model: Any built `keras.Model`; the function reads its present weights at every call.
        key: Hashable name of the function.
        fn: Function of tensors that calls the model.
    """
    if not hasattr(model, FUNCTIONS):
        plain_setattr(model, FUNCTIONS, {})
    kept = getattr(model, FUNCTIONS)
    parts = [part for layer in layers_of(model) for part in (layer, layer.dtype_policy)]
    parts += list(model.variables)
    known, function = kept.pop(key, ((), None))
    if len(known) != len(parts) or not all(map(operator.is_, known, parts)):
        function = backend.compiled(model, fn)
    kept[key] = (parts, function)  # the last one used stands last
    while len(kept) > MOST_FUNCTIONS:
        del kept[next(iter(kept))]
    backend.sync(model)
    return function


@contextlib.contextmanager
def captured(layer):
    """Yields a list that receives what `layer` returns in every call inside the context."""
    found = []
    call = layer.call

    def recorded(*arguments, **options):
        found.append(call(*arguments, **options))
        return found[-1]

    with _replaced_call(layer, recorded):
        yield found


@contextlib.contextmanager
def injected(layer, value):
    """Inside the context `layer` returns `value`, whatever it is called on; what it masks, it masks as before.

    Raises:
        ValueError: At the end, if the layer was not called exactly once.
    """
    calls = []

    def given(*arguments, **options):
        del arguments, options
        calls.append(True)
        return value

    with _replaced_call(layer, given):
        yield
    if len(calls) != 1:
        raise ValueError(
            f"`on` must be a layer that the model calls once. Received: on={layer.name!r}, called {len(calls)} times."
        )


@contextlib.contextmanager
def _replaced_call(layer, call):
    before = vars(layer).get("call")  # None: that of the class
    plain_setattr(layer, "call", call)
    try:
        yield
    finally:
        if before is None:
            object.__delattr__(layer, "call")
        else:
            plain_setattr(layer, "call", before)


@contextlib.contextmanager
def differentiable(argument, value):
    """Says in words that a function holds an operation without a derivative."""
    try:
        yield
    except Exception as error:
        if not backend.lacks_derivative(error):
            raise
        raise ValueError(
            f"`{argument}` must be differentiable. {checks.received(**{argument: value})} "
            f"The backend says: {checks.first_line(error)}"
        ) from error
