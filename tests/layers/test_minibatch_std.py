"""Minibatch standard deviation and sum pooling against hand-computed values."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import GlobalSumPooling2D, MinibatchStandardDeviation

X = np.array([[1, 2], [3, 5], [-1, 0], [2, 4]], "float32").reshape(4, 1, 1, 2)


@pytest.mark.parametrize("group_size, expected", [(2, [1, 0.5, 1, 0.5]), (4, [1.69965319] * 4)])
def test_worked_values(group_size, expected):
    outputs = convert_to_numpy(MinibatchStandardDeviation(group_size)(X))
    assert outputs.shape == (4, 1, 1, 3)
    np.testing.assert_array_equal(outputs[..., :2], X)
    np.testing.assert_allclose(outputs[..., 2].ravel(), expected, atol=1e-6)


@pytest.mark.parametrize("count, group", [(8, 4), (6, 3), (2, 2), (5, 1), (1, 1)])
def test_groups_are_the_largest_divisor_of_the_batch(count, group):
    x = np.random.default_rng(0).normal(size=(count, 2, 3, 2)).astype("float32")
    deviations = np.sqrt(x.reshape(group, count // group, 2, 3, 2).var(0) + 1e-8).mean((1, 2, 3))
    model = keras.Sequential([keras.Input((2, 3, 2)), MinibatchStandardDeviation()])  # the batch size is not known here
    assert model.output_shape == (None, 2, 3, 3)
    for outputs in (convert_to_numpy(model(x)), model.predict(x, batch_size=count, verbose=0)):
        expected = np.broadcast_to(np.tile(deviations, group)[:, None, None], (count, 2, 3))
        np.testing.assert_allclose(outputs[..., 2], expected, rtol=1e-4, atol=1e-7)


def for_any_batch_size(layer, jit_compile):
    """One compiled function for all batch sizes, which exists on TensorFlow only; elsewhere the layer itself."""
    if keras.backend.backend() != "tensorflow":
        return layer
    import tensorflow as tf

    return tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, 2, 3, 2))], jit_compile=jit_compile)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_function_serves_every_batch_size(jit_compile):
    function = for_any_batch_size(MinibatchStandardDeviation(), jit_compile)
    for count, group in ((8, 4), (6, 3), (5, 1)):
        x = np.random.default_rng(0).normal(size=(count, 2, 3, 2)).astype("float32")
        deviations = np.sqrt(x.reshape(group, count // group, 2, 3, 2).var(0) + 1e-8).mean((1, 2, 3))
        outputs = convert_to_numpy(function(keras.ops.convert_to_tensor(x)))
        np.testing.assert_allclose(outputs[:, 1, 2, 2], np.tile(deviations, group), rtol=1e-4, atol=1e-7)


def test_equal_samples_have_a_finite_gradient(differentiate):
    layer = MinibatchStandardDeviation()
    layer.build((4, 2, 2, 3))
    result = differentiate(layer, np.ones((4, 2, 2, 3), "float32"), np.ones((4, 2, 2, 4), "float32"))
    np.testing.assert_allclose(result["outputs"][..., 3], 1e-4, rtol=1e-4)
    np.testing.assert_allclose(result["input_gradient"], 1.0, rtol=1e-5)


def test_config_and_errors(save_and_load):
    model = keras.Sequential([keras.Input((2, 2, 3)), MinibatchStandardDeviation(2), GlobalSumPooling2D()])
    assert save_and_load(model).layers[0].group_size == 2
    with pytest.raises(ValueError, match="`group_size` must be an integer of at least 2"):
        MinibatchStandardDeviation(1)


def test_sum_pooling_sums_positions():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    pooled = GlobalSumPooling2D()(x)
    np.testing.assert_allclose(convert_to_numpy(pooled), x.sum((1, 2)), rtol=1e-4, atol=1e-5)
    assert GlobalSumPooling2D()(keras.Input((3, 4, 5))).shape == (None, 5)
