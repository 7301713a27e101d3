"""Fully connected networks for images and for points."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.networks import mlp

pytestmark = pytest.mark.one_backend


@pytest.mark.all_backends
def test_image_generator_is_the_written_formula():
    model = mlp.generator((4, 6, 1), 3, width=5, depth=2)
    random = np.random.default_rng(0)
    weights = [random.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    latents = random.normal(size=(4, 3))
    x = latents
    for kernel, bias in ((weights[0], weights[1]), (weights[2], weights[3])):
        x = x @ kernel + bias
        x = np.where(x > 0, x, 0.2 * x)
    expected = np.tanh(x @ weights[4] + weights[5]).reshape(4, 4, 6, 1)
    images = convert_to_numpy(model(latents.astype("float32")))
    np.testing.assert_allclose(images, expected, rtol=1e-4, atol=1e-5)


def test_points_are_unbounded():
    model = mlp.generator((2,), 3, width=8, depth=1)
    points = convert_to_numpy(model(1e3 * np.random.default_rng(0).normal(size=(50, 3)).astype("float32")))
    assert points.shape == (50, 2) and np.abs(points).max() > 10
    scores = mlp.discriminator((2,), units=4)(points)
    assert tuple(scores.shape) == (50, 4)


def test_default_sizes():
    generator, discriminator = mlp.generator((28, 28, 1), 64), mlp.discriminator((28, 28, 1))
    hidden = 2 * (256 * 256 + 256)
    assert generator.count_params() == 64 * 256 + 256 + hidden + 256 * 784 + 784
    assert discriminator.count_params() == 784 * 256 + 256 + hidden + 257
    assert generator.name == "generator" and discriminator.name == "discriminator"
    assert mlp.discriminator((3,), use_output_bias=False).layers[-1].count_params() == 256


@pytest.mark.all_backends
@pytest.mark.parametrize("shape", [(4, 4, 3), (3,)])
def test_conditional_networks_depend_on_labels_and_reload(tmp_path, shape):
    generator = mlp.generator(shape, 3, num_classes=4, width=8, activation="relu")
    discriminator = mlp.discriminator(shape, num_classes=4, width=8, embedding_dim=2)
    latents = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    a, b = (convert_to_numpy(generator([latents, np.array(y)])) for y in ([0, 1], [0, 3]))
    np.testing.assert_array_equal(a[0], b[0])
    assert np.abs(a[1] - b[1]).max() > 0
    c, d = (convert_to_numpy(discriminator([a, np.array(y)])) for y in ([0, 1], [0, 3]))
    np.testing.assert_array_equal(c[0], d[0])
    assert np.abs(c[1] - d[1]).max() > 0
    discriminator.save(tmp_path / "d.keras")
    loaded = keras.models.load_model(tmp_path / "d.keras")
    np.testing.assert_allclose(convert_to_numpy(loaded([a, np.array([0, 1])])), c, rtol=1e-6)


def test_outputs_are_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        generator, discriminator = mlp.generator((4, 4, 1), 3), mlp.discriminator((4, 4, 1))
        images = generator(np.ones((2, 3), "float32"))
        dtypes = {keras.backend.standardize_dtype(t.dtype) for t in (images, discriminator(images))}
        assert dtypes == {"float32"} and generator.get_layer("hidden_0").compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: mlp.generator((4, 4), 3), ValueError, r"\(height, width, channels\) for images or \(d,\) for points"),
        (lambda: mlp.discriminator((4, 4, 2)), ValueError, r"1 \(gray\) or 3 \(RGB\)"),
        (lambda: mlp.generator((0,), 3), ValueError, "`image_shape` must be a positive integer. Received"),
        (lambda: mlp.generator((2,), 0), ValueError, "`latent_dim` must be a positive integer. Received: latent_dim=0"),
        (lambda: mlp.generator((2,), 3, depth=0), ValueError, "`depth`"),
        (lambda: mlp.discriminator((2,), 1.5), TypeError, "`units` must be an integer"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()
