"""Self-modulation: the worked example, parameter counts, labels mixed into latents."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import LabelledLatents, SelfModulatedBatchNormalization


def test_worked_example():
    layer = SelfModulatedBatchNormalization(hidden_units=2, epsilon=1e-3)
    layer.build([(None, 2), (None, 2)])
    layer.hidden.set_weights([np.array([[1, -0.5], [0.3, 0.8]]), np.array([0.1, -0.1])])
    layer.gamma.set_weights([np.array([[0.2, -0.4], [0.6, 0.1]]), np.ones(2)])
    layer.beta.set_weights([np.array([[-0.3, 0.5], [0.2, 0.7]]), np.zeros(2)])
    x = np.array([[1, -1], [3, 0]], "float32")
    z = np.array([[0.5, -1], [-0.2, 0.8]], "float32")
    expected = [[-1.14947040, -0.72824526], [1.49729453, 1.52399003]]
    np.testing.assert_allclose(convert_to_numpy(layer([x, z], training=True)), expected, rtol=1e-5)
    images = np.tile(x[:, None, None], (1, 2, 3, 1))  # the same statistics at every position
    mapped = SelfModulatedBatchNormalization(hidden_units=2, epsilon=1e-3)
    mapped.build([(None, None, None, 2), (None, 2)])
    mapped.set_weights(
        [w * 0 if "moving" in v.name else w for v, w in zip(layer.weights, layer.get_weights(), strict=True)]
    )
    outputs = convert_to_numpy(mapped([images, z], training=True))
    np.testing.assert_allclose(outputs, np.tile(np.array(expected)[:, None, None], (1, 2, 3, 1)), rtol=1e-4)


@pytest.mark.parametrize(
    "latents, hidden, channels, shared, count",
    [(128, 32, 256, True, 21_024), (128, 32, 256, False, 25_152), (128, 128, 1024, False, 297_216)],
)
def test_parameter_counts(latents, hidden, channels, shared, count):
    layer = SelfModulatedBatchNormalization(hidden, shared)
    layer.build([(None, 4, 4, channels), (None, latents)])
    assert sum(int(np.prod(w.shape)) for w in layer.trainable_weights) == count


def test_separate_hidden_layers_feed_gamma_and_beta(differentiate):
    layer = SelfModulatedBatchNormalization(4, shared=False)
    layer.build([(3, 2, 2, 2), (3, 5)])
    random = np.random.default_rng(0)
    inputs = [random.normal(size=s).astype("float32") for s in ((3, 2, 2, 2), (3, 5))]
    layer.hidden_beta.set_weights([np.zeros((5, 4)), np.zeros(4)])
    whole = convert_to_numpy(layer(inputs, training=True))
    gamma = convert_to_numpy(layer.gamma(layer.hidden(inputs[1])))
    normalized = convert_to_numpy(layer.normalization(inputs[0], training=True))
    np.testing.assert_allclose(whole, gamma[:, None, None] * normalized, rtol=1e-5, atol=1e-6)


def test_starts_around_plain_batch_norm():
    layer = SelfModulatedBatchNormalization(kernel_initializer="zeros", momentum=0.5)
    x = np.random.default_rng(0).normal(3.0, 2.0, (4, 2, 2, 3)).astype("float32")
    outputs = convert_to_numpy(layer([x, np.ones((4, 5), "float32")], training=True))
    expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    moving = convert_to_numpy(layer.normalization.moving_mean)
    np.testing.assert_allclose(moving, 0.5 * x.mean((0, 1, 2)), rtol=1e-5)


def test_two_kernels_never_start_equal():
    layer = SelfModulatedBatchNormalization(kernel_initializer=keras.initializers.RandomNormal(seed=None))
    layer.build([(None, 4), (None, 5)])
    gamma, beta = (convert_to_numpy(dense.kernel) for dense in (layer.gamma, layer.beta))
    assert np.abs(gamma - beta).max() > 0


def test_labelled_latents_are_the_written_formula():
    layer = LabelledLatents(3)
    z = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    labels = np.array([2, 0, 1, 2])
    outputs = convert_to_numpy(layer([z, labels]))
    e, factors = layer.get_weights()
    assert e.shape == factors.shape == (3, 5) and 0 < np.abs(e).max() < 0.2
    np.testing.assert_allclose(outputs, z + e[labels] + factors[labels] * z, rtol=1e-5)


@pytest.mark.parametrize("spectral", [False, True])
def test_saves_and_loads(save_and_load, spectral):
    features, latents, labels = keras.Input((4, 4, 2)), keras.Input((5,)), keras.Input((), dtype="int32")
    mixed = LabelledLatents(3)([latents, labels])
    outputs = SelfModulatedBatchNormalization(6, shared=False, spectral=spectral)([features, mixed])
    model = keras.Model([features, latents, labels], outputs)
    random = np.random.default_rng(0)
    inputs = [random.normal(size=s).astype("float32") for s in ((2, 4, 4, 2), (2, 5))] + [np.array([0, 2])]
    model(inputs, training=True)
    loaded = save_and_load(model)
    np.testing.assert_allclose(convert_to_numpy(loaded(inputs)), convert_to_numpy(model(inputs)), rtol=1e-5, atol=1e-6)
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    assert sum(w.name == "u" for w in loaded.weights) == 4 * spectral


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"\[features, latents\]"):
        SelfModulatedBatchNormalization()(np.zeros((2, 3), "float32"))
    with pytest.raises(ValueError, match="`hidden_units`"):
        SelfModulatedBatchNormalization(0)
    with pytest.raises(ValueError, match="`momentum`"):
        SelfModulatedBatchNormalization(momentum=1.0)
