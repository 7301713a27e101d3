"""Conditional batch norm, projection and label scaling against NumPy."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import ConditionalBatchNormalization, LabelProjection, LabelScaling


def randomised(layer, shapes):
    layer.build(shapes)
    random = np.random.default_rng(2)
    layer.set_weights([random.uniform(0.5, 2.0, w.shape) for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize("shape", [(5, 2, 3, 4), (6, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_conditional_batch_norm_is_that_of_numpy(shape, training):
    layer = randomised(ConditionalBatchNormalization(3, momentum=0.8, epsilon=1e-3), [shape, (shape[0],)])
    gamma, beta, mean, variance = layer.get_weights()
    assert gamma.shape == beta.shape == (3, 4)
    x = np.random.default_rng(0).normal(2.0, 3.0, shape)
    labels = np.arange(shape[0]) % 3
    axes = tuple(range(len(shape) - 1))
    used = (x.mean(axes), x.var(axes)) if training else (mean, variance)
    per_sample = (shape[0],) + (1,) * (len(shape) - 2) + (4,)
    expected = (x - used[0]) / np.sqrt(used[1] + 1e-3)
    expected = gamma[labels].reshape(per_sample) * expected + beta[labels].reshape(per_sample)

    outputs = layer([x.astype("float32"), labels], training=training)
    np.testing.assert_allclose(convert_to_numpy(outputs), expected, rtol=1e-4, atol=1e-5)
    if training:
        mean, variance = 0.8 * mean + 0.2 * used[0], 0.8 * variance + 0.2 * used[1]
    np.testing.assert_allclose(layer.get_weights()[2], mean, rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[3], variance, rtol=1e-5)


def test_only_the_rows_of_present_labels_have_a_gradient(differentiate):
    layer = randomised(ConditionalBatchNormalization(4), [(3, 2, 2, 2), (3,)])
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 2)).astype("float32")
    cotangents = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    gamma, beta = differentiate(layer, [x, np.array([2, 0, 2], "int32")], cotangents)["gradients"]
    per_sample = cotangents.sum((1, 2))
    expected = np.stack([per_sample[1], np.zeros(2), per_sample[0] + per_sample[2], np.zeros(2)])
    np.testing.assert_allclose(beta, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(gamma[[0, 2]]).min() > 0 and not gamma[[1, 3]].any()


def test_conditional_batch_norm_starts_around_the_identity():
    layer = ConditionalBatchNormalization(50)
    layer.build([(None, 4, 4, 64), (None,)])
    gamma, beta, *_ = layer.get_weights()
    assert abs(gamma.mean() - 1.0) < 2e-3 and 0.018 < gamma.std() < 0.022 and not beta.any()


def test_projection_has_the_worked_values():
    layer = LabelProjection(2)
    layer.build([(None, 3), (None,)])
    assert layer.count_params() == 3 + 1 + 2 * 3
    layer.dense.set_weights([np.array([[0.3], [-0.2], [0.1]]), np.array([0.05])])
    layer.embedding.set_weights([np.array([[1, 0, 0], [0, 0.5, -0.5]])])
    h = np.array([[0.5, -1, 2], [1, 0, -0.5]], "float32")
    scores = convert_to_numpy(layer([h, np.array([1, 0])]))
    np.testing.assert_allclose(scores, [[-0.9], [1.3]], rtol=1e-6)


def test_spectral_projection_normalises_both_matrices():
    layer = LabelProjection(3, spectral=True, use_bias=False)
    h = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    labels = np.array([0, 1, 2, 1])
    for _ in range(100):
        scores = convert_to_numpy(layer([h, labels], training=True))
    w, e = layer.dense.layer.get_weights()[0], layer.embedding.layer.get_weights()[0]
    w, e = (matrix / np.linalg.svd(matrix, compute_uv=False)[0] for matrix in (w, e))
    np.testing.assert_allclose(scores, h @ w + (e[labels] * h).sum(1, keepdims=True), rtol=1e-4, atol=1e-5)
    assert len(layer.non_trainable_weights) == 2


def test_label_scaling_multiplies_by_one_plus_the_embedding():
    layer = LabelScaling(3)
    h = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    labels = np.array([0, 2, 2, 1])
    outputs = convert_to_numpy(layer([h, labels]))
    np.testing.assert_allclose(outputs, h * (1 + layer.get_weights()[0][labels]), rtol=1e-5)
    assert layer.get_weights()[0].shape == (3, 5) and np.abs(layer.get_weights()[0]).max() < 0.1


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_saves_and_loads(save_and_load, policy):
    images, labels = keras.Input((4, 4, 2)), keras.Input((), dtype="int32")
    x = ConditionalBatchNormalization(300, momentum=0.7, dtype=policy)([images, labels])
    x = keras.layers.Flatten(dtype=policy)(x)
    x = LabelScaling(300, spectral=True, dtype=policy)([x, labels])
    model = keras.Model([images, labels], LabelProjection(300, spectral=True, dtype="float32")([x, labels]))
    inputs = [np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("float32"), np.array([0, 257, 299])]
    scores = convert_to_numpy(model(inputs, training=True))
    assert scores.shape == (3, 1) and str(scores.dtype) == "float32"
    loaded = save_and_load(model)
    for a, b in zip(model.layers, loaded.layers, strict=True):
        assert a.get_config() == b.get_config()
    np.testing.assert_allclose(convert_to_numpy(loaded(inputs)), convert_to_numpy(model(inputs)), rtol=1e-6)


@pytest.mark.parametrize("layer", [ConditionalBatchNormalization(3), LabelProjection(3), LabelScaling(3)])
def test_refuses_anything_but_features_and_labels(layer):
    with pytest.raises(ValueError, match=r"\[features, labels\]"):
        layer(np.zeros((2, 4), "float32"))
    with pytest.raises(ValueError, match=r"\[features, labels\]"):
        layer([np.zeros((2, 4), "float32"), np.zeros((2, 3), "float32")])


@pytest.mark.parametrize("make", [ConditionalBatchNormalization, LabelProjection, LabelScaling])
def test_refuses_no_classes(make):
    with pytest.raises(ValueError, match="`num_classes` must be a positive integer. Received: num_classes=0"):
        make(0)
