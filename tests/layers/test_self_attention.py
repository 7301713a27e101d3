"""Self-attention: the worked example on a 2x2 map, parameter counts, the identity at the start."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import SelfAttention

POOLED = [[2, 1, 1, -0.25], [1, 1.5, 1, -0.25], [0, 0.5, 1, -0.25], [3, -0.5, 1, -0.25]]
WHOLE = [
    [1.88650618, 0.09312420, 0.88650618, -0.20343790],
    [0.55428993, 0.84209705, 0.55428993, -0.07895147],
    [-1.03435364, 0.28014876, -0.03435364, 0.14007438],
    [2.93426942, -1.44447860, 0.93426942, -0.22223930],
]


@pytest.mark.parametrize("pooled, expected", [(True, POOLED), (False, WHOLE)])
def test_worked_example(pooled, expected):
    layer = SelfAttention(pooled=pooled)
    layer.build((None, 2, 2, 8))
    q, k, v, o = np.zeros((8, 1)), np.zeros((8, 1)), np.zeros((8, 4)), np.zeros((4, 8))
    q[:2, 0] = 1, 0.5
    k[:2, 0] = 0.5, -1
    v[0], v[1] = [1, 0, 0.5, 0], [0, 1, 0, -0.5]
    o[0, 0], o[1, 1], o[2, 2], o[3, 3] = 1, 1, 2, -1
    sublayers = (layer.query, layer.key, layer.value, layer.output_projection)
    for sublayer, kernel in zip(sublayers, (q, k, v, o), strict=True):
        sublayer.set_weights([kernel[None, None]])
    layer.gamma.assign(0.5)
    x = np.zeros((1, 2, 2, 8), "float32")
    x[0, ..., 0], x[0, ..., 1] = [[1, 0], [-1, 2]], [[0.5, 1], [0, -1]]
    outputs = convert_to_numpy(layer(x)).reshape(4, 8)
    np.testing.assert_allclose(outputs[:, :4], expected, rtol=1e-5)
    np.testing.assert_array_equal(outputs[:, 4:], 0)


@pytest.mark.parametrize("channels, count", [(64, 5_121), (128, 20_481), (256, 81_921)])
def test_parameter_counts(channels, count):
    layer = SelfAttention()
    layer.build((None, 4, 4, channels))
    assert layer.count_params() == count


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("pooled", [False, True])
def test_is_the_identity_at_the_start(pooled, spectral):
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 8)).astype("float32")
    outputs = SelfAttention(pooled, spectral)(x, training=True)
    np.testing.assert_array_equal(convert_to_numpy(outputs), x)


def test_differentiable_twice(differentiate):
    layer = SelfAttention()
    layer.build((2, 4, 4, 8))
    layer.gamma.assign(0.5)
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    cotangents = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    gradients = differentiate(layer, x, cotangents, second_order=True)["gradients"]
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)
    # By differences: the squared input gradient as a function of the scalar gamma.
    values = []
    for step in (-1e-2, 1e-2):
        layer.gamma.assign(0.5 + step)
        values.append(np.sum(differentiate(layer, x, cotangents)["input_gradient"].astype("float64") ** 2))
    index = [w.name for w in layer.trainable_weights].index("gamma")
    np.testing.assert_allclose(gradients[index], (values[1] - values[0]) / 2e-2, rtol=2e-3)


def test_saves_and_loads(save_and_load):
    model = keras.Sequential([keras.Input((4, 4, 8)), SelfAttention(spectral=True, pooled=False)])
    model.layers[0].gamma.assign(0.7)
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    loaded = save_and_load(model)
    np.testing.assert_allclose(convert_to_numpy(loaded(x)), convert_to_numpy(model(x)), rtol=1e-5, atol=1e-6)
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert sum(w.name == "u" for w in loaded.weights) == 4


def test_mixed_precision_keeps_the_compute_dtype(mixed_bfloat16):
    layer = SelfAttention()
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    assert keras.backend.standardize_dtype(layer(x).dtype) == "bfloat16"


@pytest.mark.parametrize("shape", [(2, 4, 4, 12), (2, 4, 8)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="channels a multiple of 8. Received: input_shape="):
        SelfAttention()(np.zeros(shape, "float32"))
