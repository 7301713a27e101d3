"""One way to differentiate a layer on the three backends, for the tests of this folder."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops


def as_array(tensor):
    return np.asarray(ops.convert_to_numpy(ops.cast(ops.convert_to_tensor(tensor), "float32")))


def run_layer(layer, inputs, cotangents=None, training=True, second_order=False):
    """Calls a built layer and differentiates `sum(outputs * cotangents)`.

    `inputs` is an array or a list of arrays, of which the first is differentiated. With `second_order`, what is
    differentiated is the sum of the squared input gradients of that sum.

    Returns a dict: outputs, input_gradient, gradients (one per trainable weight), state (non-trainable values after).
    """
    several = isinstance(inputs, (list, tuple))
    first, *others = inputs if several else [inputs]

    def outputs_of(x, call):
        return call([x, *map(ops.convert_to_tensor, others)] if several else x)

    def scalar(outputs):
        outputs = ops.cast(outputs, "float32")
        return ops.sum(outputs) if cotangents is None else ops.sum(outputs * ops.convert_to_tensor(cotangents))

    flags = {"training": training} if "training" in inspect.signature(layer.call).parameters else {}
    run = {"tensorflow": _run_tensorflow, "jax": _run_jax, "torch": _run_torch}[keras.backend.backend()]
    outputs, input_gradient, gradients, state = run(layer, first, outputs_of, scalar, flags, second_order)
    return {
        "outputs": as_array(outputs),
        "input_gradient": as_array(input_gradient),
        "gradients": [as_array(g) for g in gradients],
        "state": [as_array(v) for v in state],
    }


def _run_tensorflow(layer, first, outputs_of, scalar, flags, second_order):
    import tensorflow as tf

    @tf.function
    def step(x):
        variables = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                outputs = outputs_of(x, lambda v: layer(v, **flags))
                value = scalar(outputs)
            if second_order:
                value = tf.reduce_sum(tf.square(inner.gradient(value, x)))
        gradients = outer.gradient(value, [x, *variables], unconnected_gradients="zero")
        return outputs, gradients[0], [tf.convert_to_tensor(g) for g in gradients[1:]]

    outputs, input_gradient, gradients = step(tf.constant(first))
    return outputs, input_gradient, gradients, [v.value for v in layer.non_trainable_variables]


def _run_jax(layer, first, outputs_of, scalar, flags, second_order):
    import jax

    @jax.jit
    def step(x, trainable, non_trainable):
        def value_of(x, trainable):
            state = []

            def call(v):
                outputs, new_state = layer.stateless_call(trainable, non_trainable, v, **flags)
                state.append(new_state)
                return outputs

            outputs = outputs_of(x, call)
            return scalar(outputs), (outputs, state[0])

        def objective(x, trainable):
            if not second_order:
                return value_of(x, trainable)
            gradient, aux = jax.grad(value_of, has_aux=True)(x, trainable)
            return ops.sum(ops.square(gradient)), aux

        (_, (outputs, state)), gradients = jax.value_and_grad(objective, argnums=(0, 1), has_aux=True)(x, trainable)
        return outputs, gradients[0], gradients[1], state

    outputs, input_gradient, gradients, state = step(
        jax.numpy.asarray(first),
        [v.value for v in layer.trainable_variables],
        [v.value for v in layer.non_trainable_variables],
    )
    for variable, value in zip(layer.non_trainable_variables, state, strict=True):
        variable.assign(value)
    return outputs, input_gradient, gradients, state


def _run_torch(layer, first, outputs_of, scalar, flags, second_order):
    import torch

    x = torch.tensor(first, requires_grad=True)
    variables = [v.value for v in layer.trainable_variables]
    outputs = outputs_of(x, lambda v: layer(v, **flags))
    value = scalar(outputs)
    if second_order:
        value = torch.sum(torch.autograd.grad(value, x, create_graph=True)[0] ** 2)
    found = torch.autograd.grad(value, [x, *variables], allow_unused=True)
    gradients = [torch.zeros_like(v) if g is None else g for g, v in zip(found, [x, *variables], strict=True)]
    return outputs.detach(), gradients[0], gradients[1:], [v.value.detach() for v in layer.non_trainable_variables]


@pytest.fixture
def differentiate():
    return run_layer


@pytest.fixture
def save_and_load(tmp_path):
    """Saves a model to a .keras file and returns what loads from it."""

    def round_trip(model):
        path = tmp_path / "model.keras"
        model.save(path)
        return keras.models.load_model(path)

    return round_trip


@pytest.fixture
def mixed_bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)
