"""Our batch norm is Keras's, number for number, whatever kernel computes it."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy

from keras_gans.engine import kernels
from keras_gans.layers import BatchNormalization

TENSORFLOW = keras.backend.backend() == "tensorflow"


def pair(shape, **options):
    """Our layer and Keras's with the same random weights and moving statistics."""
    random = np.random.default_rng(1)
    ours, theirs = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    for layer in (ours, theirs):
        layer.build(shape)
    weights = [random.uniform(0.5, 2.0, w.shape).astype("float32") for w in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def data(shape, seed=0):
    random = np.random.default_rng(seed)
    return (3.0 + 2.0 * random.normal(size=shape)).astype("float32"), random.normal(size=shape).astype("float32")


def assert_same(a, b, rtol=1e-5, atol=1e-5):
    for key in ("outputs", "input_gradient"):
        np.testing.assert_allclose(a[key], b[key], rtol=rtol, atol=atol, err_msg=key)
    for key in ("gradients", "state"):
        assert len(a[key]) == len(b[key])
        for left, right in zip(a[key], b[key], strict=True):
            np.testing.assert_allclose(left, right, rtol=rtol, atol=atol, err_msg=key)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}, {"momentum": 0.9, "epsilon": 1e-5}])
@pytest.mark.parametrize("shape", [(4, 3, 5, 2), (1, 4, 4, 3)])
def test_equals_the_layer_of_keras(differentiate, shape, options, training):
    ours, theirs = pair(shape, **options)
    x, cotangents = data(shape)
    for _ in range(2):  # twice: the second call starts from moved statistics
        a = differentiate(ours, x, cotangents, training=training)
        b = differentiate(theirs, x, cotangents, training=training)
        assert_same(a, b)
        x = 0.5 * x


def test_moving_variance_is_the_biased_one():
    layer = BatchNormalization(momentum=0.0)
    x, _ = data((2, 2, 2, 3))
    layer(x, training=True)
    np.testing.assert_allclose(convert_to_numpy(layer.moving_mean), x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(convert_to_numpy(layer.moving_variance), x.var((0, 1, 2)), rtol=1e-5)


def test_a_single_value_per_channel_has_zero_variance():
    layer = BatchNormalization(momentum=0.0)
    outputs = convert_to_numpy(layer(np.full((1, 1, 1, 3), 7.0, "float32"), training=True))
    np.testing.assert_allclose(outputs, np.zeros((1, 1, 1, 3)), atol=1e-6)
    np.testing.assert_allclose(convert_to_numpy(layer.moving_variance), np.zeros(3), atol=1e-6)


def test_large_mean_does_not_cancel(differentiate):
    ours, theirs = pair((4, 4, 4, 2))
    x, cotangents = data((4, 4, 4, 2))
    a, b = (differentiate(layer, x + 1000.0, cotangents) for layer in (ours, theirs))
    np.testing.assert_allclose(a["outputs"], b["outputs"], atol=2e-3)


@pytest.mark.parametrize("training", [True, False])
def test_second_order_gradients_equal_those_of_keras(differentiate, training):
    shape = (3, 2, 2, 2)
    ours, theirs = pair(shape)
    x, _ = data(shape)
    cotangents = np.random.default_rng(5).normal(size=shape).astype("float32")
    a, b = (differentiate(layer, x, cotangents, training, second_order=True) for layer in (ours, theirs))
    assert_same(a, b, rtol=1e-4, atol=1e-5)
    assert max(np.abs(g).max() for g in a["gradients"]) > 0.1  # the gamma gradient is not zero for lack of a path


@pytest.mark.parametrize("training", [True, False])
def test_bfloat16_differs_by_one_rounding(mixed_bfloat16, differentiate, training):
    shape = (4, 4, 4, 3)
    ours, theirs = pair(shape)
    assert ours.compute_dtype == "bfloat16" and ours.gamma.dtype == "float32"
    x, cotangents = data(shape)
    x = as_bfloat16(x)
    a, b = (differentiate(layer, x, as_bfloat16(cotangents), training) for layer in (ours, theirs))
    assert_same(a, b, rtol=2**-7, atol=2**-6)
    for left, right in zip(a["state"], b["state"], strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5)  # statistics are float32 in both


def as_bfloat16(array):
    """Rounds to numbers that bfloat16 holds, so that both layers get the same input."""
    return convert_to_numpy(ops.cast(ops.cast(array, "bfloat16"), "float32"))


def test_float16_keeps_float32_statistics():
    layer = BatchNormalization(momentum=0.0, dtype="mixed_float16")
    x = np.random.default_rng(0).normal(300.0, 20.0, (8, 4, 4, 2)).astype("float16")
    outputs = layer(x, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    # Squares of 300 overflow float16.
    np.testing.assert_allclose(convert_to_numpy(layer.moving_variance), x.astype("float64").var((0, 1, 2)), rtol=1e-3)


@pytest.mark.parametrize(
    "shape, options", [((6, 3), {}), ((4, 5, 3), {}), ((2, 2, 3, 3, 2), {}), ((4, 2, 3, 3), {"axis": 1})]
)
def test_other_ranks_and_axes_fall_back(differentiate, shape, options):
    ours, theirs = pair(shape, **options)
    x, cotangents = data(shape)
    assert kernels.fused_batch_normalization(ops.convert_to_tensor(x), None, None, 1e-3, axis=ours.axis) is None
    assert_same(*(differentiate(layer, x, cotangents) for layer in (ours, theirs)))


def test_a_mask_falls_back():
    ours, theirs = pair((2, 3, 4, 2))
    x, _ = data((2, 3, 4, 2))
    mask = np.arange(24).reshape(2, 3, 4) % 3 > 0
    a, b = (convert_to_numpy(layer(x, training=True, mask=mask)) for layer in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_frozen_layer_normalises_with_its_moving_statistics():
    ours, theirs = pair((4, 3, 3, 2))
    ours.trainable = theirs.trainable = False
    before = ours.get_weights()
    x, _ = data((4, 3, 3, 2))
    a, b = (convert_to_numpy(layer(x, training=True)) for layer in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    for old, new in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_symbolic_call_keeps_unknown_sizes():
    images = keras.Input((None, None, 3))
    assert BatchNormalization()(images).shape == (None, None, None, 3)


def test_saves_and_loads(save_and_load):
    model = keras.Sequential([keras.Input((4, 4, 2)), BatchNormalization(momentum=0.8, epsilon=1e-4)])
    x, _ = data((5, 4, 4, 2))
    model(x, training=True)
    loaded = save_and_load(model)
    assert type(loaded.layers[-1]) is BatchNormalization
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_allclose(convert_to_numpy(loaded(x)), convert_to_numpy(model(x)), rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_trains_compiled(jit_compile):
    ours, theirs = (
        keras.Sequential([keras.Input((4, 4, 2)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
        for layer in (BatchNormalization(), keras.layers.BatchNormalization())
    )
    theirs.set_weights(ours.get_weights())
    x, _ = data((8, 4, 4, 2))
    y = x.mean((1, 2, 3))[:, None]
    for model in (ours, theirs):
        compiled = jit_compile and keras.backend.backend() != "torch"
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=compiled)
        model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_fused_kernel_exists_on_tensorflow_only():
    x = ops.convert_to_tensor(data((2, 3, 3, 2))[0])
    fused = kernels.fused_batch_normalization(x, None, None, 1e-3)
    assert (fused is not None) == TENSORFLOW
    assert kernels.fused_batch_normalization(ops.cast(x, "int32"), None, None, 1e-3) is None
