"""DCGAN networks: the parameter counts of the method's table, ranges, sizes, precision, labels, errors."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import SpectralNormalization
from keras_gans.networks import NETWORKS, dcgan, get
from keras_gans.networks.resolution import stages_and_base

pytestmark = pytest.mark.one_backend


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# image size, channels: G k=4, D k=4, D k=4 without norm, G k=5, D k=5 (latent_dim 100, width 64)
TABLE = {
    (28, 1): (759_681, 138_689, 138_561, 833_985, 212_993),
    (32, 3): (1_068_931, 663_361, 662_977, 1_439_299, 1_033_729),
    (48, 3): (1_580_931, 668_481, 668_097, 1_951_299, 1_038_849),
    (64, 3): (3_576_707, 2_765_633, 2_764_737, 5_126_723, 4_315_649),
    (96, 3): (4_600_707, 2_775_873, 2_774_977, 6_150_723, 4_325_889),
    (128, 3): (12_786_563, 11_164_481, 11_162_561, 19_055_171, 17_433_089),
}
CONDITIONAL = {(28, 1): 763_137, (32, 3): 1_076_995, (64, 3): 3_593_987, (128, 3): 12_822_275}


@pytest.mark.parametrize("size, channels", TABLE)
def test_parameter_counts(size, channels):
    shape = (size, size, channels)
    counts = (
        trainable(dcgan.generator(shape, 100)),
        trainable(dcgan.discriminator(shape)),
        trainable(dcgan.discriminator(shape, normalization=None)),
        trainable(dcgan.generator(shape, 100, kernel_size=5)),
        trainable(dcgan.discriminator(shape, kernel_size=5)),
    )
    assert counts == TABLE[size, channels]
    if (size, channels) in CONDITIONAL:
        assert trainable(dcgan.generator(shape, 100, num_classes=10)) == CONDITIONAL[size, channels]


@pytest.mark.parametrize(
    "size, expected",
    [(28, (2, 7)), (32, (3, 4)), (48, (3, 6)), (64, (4, 4)), (96, (4, 6)), (128, (5, 4)), (256, (6, 4)), (68, (2, 17))],
)
def test_rule_of_sizes(size, expected):
    stages, base = stages_and_base((size, size, 3))
    assert (stages, *set(base)) == expected


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (12, 12, 3), (20, 20, 1), (28, 28, 1), (68, 68, 3), (32, 48, 3), (12, 64, 1)]
)
def test_every_valid_size_goes_through_both_networks(shape):
    generator = dcgan.generator(shape, 5, width=4)
    discriminator = dcgan.discriminator(shape, width=4)
    assert generator.name == "generator" and discriminator.name == "discriminator"
    assert generator.output_shape == (None, *shape) and discriminator.input_shape == (None, *shape)
    assert discriminator.output_shape == (None, 1)
    images = generator(np.random.default_rng(0).normal(size=(2, 5)).astype("float32"))
    assert tuple(discriminator(images).shape) == (2, 1)


@pytest.mark.all_backends
def test_images_fill_the_open_interval_and_biases_stand_where_no_norm_follows():
    generator = dcgan.generator((8, 8, 1), 3, width=4)
    images = convert_to_numpy(generator(1e4 * np.random.default_rng(0).normal(size=(4, 3)).astype("float32")))
    assert np.abs(images).max() <= 1.0 and images.min() < -0.9 and images.max() > 0.9
    assert {w.path.split("/")[-2] for w in generator.weights if w.name == "bias"} == {"to_image"}
    discriminator = dcgan.discriminator((32, 32, 1), width=4)
    assert {w.path.split("/")[-2] for w in discriminator.weights if w.name == "bias"} == {"down_0", "score"}
    assert not any(
        w.name == "bias"
        for model in (
            dcgan.generator((8, 8, 1), 3, use_output_bias=False),
            dcgan.discriminator((8, 8, 1), use_output_bias=False),
        )
        for w in model.layers[-1].weights
    )


def test_initial_weights_have_the_scale_of_the_paper():
    for model in (dcgan.generator((32, 32, 3), 100), dcgan.discriminator((32, 32, 3))):
        for weight in model.weights:
            value = convert_to_numpy(weight)
            mean, deviation = {"kernel": (0.0, 0.02), "gamma": (1.0, 0.02)}.get(weight.name, (value.mean(), 0.0))
            assert abs(value.mean() - mean) < 0.01, weight.path
            assert abs(value.std() - deviation) < 0.006, weight.path


def test_batch_norm_has_the_momentum_of_the_authors():
    norms = [
        layer
        for model in (dcgan.generator((32, 32, 3), 10, width=4), dcgan.discriminator((32, 32, 3), width=4))
        for layer in model.layers
        if layer.name.startswith("norm_")
    ]
    assert len(norms) == 3 + 2
    assert {(layer.momentum, layer.epsilon) for layer in norms} == {(0.9, 1e-5)}


@pytest.mark.parametrize("normalization", ["batch", "layer", "spectral", None])
@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("units", [1, 6])
def test_discriminator_options(normalization, num_classes, units):
    model = dcgan.discriminator((16, 16, 3), units, num_classes, width=4, normalization=normalization)
    images = np.random.default_rng(0).uniform(-1, 1, (5, 16, 16, 3)).astype("float32")
    inputs = [images, np.array([0, 1, 2, 2, 1])] if num_classes else images
    scores = convert_to_numpy(model(inputs, training=True))
    assert scores.shape == (5, units)
    if num_classes:
        other = convert_to_numpy(model([images, np.array([1, 2, 0, 0, 2])], training=False))
        same = convert_to_numpy(model([images, np.array([0, 1, 2, 2, 1])], training=False))
        assert (np.abs(other - same).max(1) > 0).all()  # every output depends on its label
    if normalization != "batch":  # samples do not see each other
        alone = [inputs[0][:1], inputs[1][:1]] if num_classes else inputs[:1]
        whole = convert_to_numpy(model(inputs, training=False))
        np.testing.assert_allclose(convert_to_numpy(model(alone, training=False)), whole[:1], rtol=1e-4, atol=1e-6)


@pytest.mark.all_backends
def test_layer_norm_is_over_all_features_of_a_sample():
    model = dcgan.discriminator((16, 16, 3), width=4, normalization="layer")
    layer = model.get_layer("norm_1")
    x = np.random.default_rng(0).normal(2.0, 3.0, (2, 4, 4, 8)).astype("float32")
    expected = (x - x.mean((1, 2, 3), keepdims=True)) / np.sqrt(x.var((1, 2, 3), keepdims=True) + 1e-5)
    gamma, beta = layer.get_weights()
    assert gamma.std() > 0 and not beta.any()
    np.testing.assert_allclose(convert_to_numpy(layer(x)), gamma * expected, rtol=1e-3, atol=1e-4)


def test_spectral_wraps_every_layer_with_a_kernel():
    model = dcgan.discriminator((32, 32, 3), units=7, num_classes=3, width=4, normalization="spectral")
    wrapped = [layer for layer in model.layers if isinstance(layer, SpectralNormalization)]
    assert [layer.name for layer in wrapped] == ["down_0", "down_1", "down_2", "score"]
    assert sum(w.name == "u" for w in model.non_trainable_weights) == 5  # and the label embedding
    assert not any(isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)) for layer in model.layers)
    unconditional = dcgan.discriminator((32, 32, 3), normalization="spectral")
    assert trainable(unconditional) == 662_977  # the count without batch norm
    projection = dcgan.discriminator((32, 32, 3), num_classes=10, normalization="spectral")
    assert trainable(projection) == 662_977 + 10 * 4 * 4 * 256


def test_generator_depends_on_its_labels():
    model = dcgan.generator((12, 12, 1), 4, num_classes=3, width=4)
    latents = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    a, b = (convert_to_numpy(model([latents, np.array(labels)])) for labels in ([0, 1], [0, 2]))
    np.testing.assert_array_equal(a[0], b[0])
    assert np.abs(a[1] - b[1]).max() > 0


@pytest.mark.parametrize("num_classes", [0, 3])
def test_images_and_scores_are_float32_under_mixed_precision(num_classes):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        generator = dcgan.generator((8, 8, 3), 4, num_classes, width=4)
        for normalization in ("batch", "spectral"):
            discriminator = dcgan.discriminator((8, 8, 3), 1, num_classes, width=4, normalization=normalization)
            labels = [keras.ops.convert_to_tensor([0, 2])] if num_classes else []
            images = generator([keras.ops.ones((2, 4)), *labels] if labels else np.ones((2, 4), "float32"))
            scores = discriminator([images, *labels] if labels else images)
            assert {keras.backend.standardize_dtype(t.dtype) for t in (images, scores)} == {"float32"}
            assert keras.backend.standardize_dtype(discriminator.output.dtype) == "float32"
            assert discriminator.get_layer("down_0").compute_dtype == "bfloat16"
        assert generator.get_layer("norm_0").compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.all_backends
def test_transposed_convolution_covers_inner_pixels_equally():
    def coverage(kernel_size):
        layer = keras.layers.Conv2DTranspose(
            1, kernel_size, strides=2, padding="same", kernel_initializer="ones", use_bias=False
        )
        return convert_to_numpy(layer(np.ones((1, 6, 1, 1), "float32")))[0, :, 0, 0]

    assert len(set(coverage(4)[1:-1])) == 1
    assert len(set(coverage(5)[2:-2])) == 2  # the checkerboard


@pytest.mark.all_backends
@pytest.mark.parametrize("num_classes", [0, 3])
def test_networks_save_and_load(tmp_path, num_classes):
    generator = dcgan.generator((12, 12, 1), 4, num_classes, width=4)
    discriminator = dcgan.discriminator((12, 12, 1), 1, num_classes, width=4, normalization="spectral")
    labels = [np.array([0, 2])] if num_classes else []
    latents = [np.random.default_rng(0).normal(size=(2, 4)).astype("float32"), *labels]
    images = [convert_to_numpy(generator(latents if labels else latents[0], training=True)), *labels]
    convert_to_numpy(discriminator(images if labels else images[0], training=True))  # moves u
    for model, inputs in ((generator, latents), (discriminator, images)):
        path = tmp_path / f"{model.name}.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
        inputs = inputs if labels else inputs[0]
        np.testing.assert_allclose(convert_to_numpy(loaded(inputs)), convert_to_numpy(model(inputs)), rtol=1e-6)
        assert loaded.name == model.name and trainable(loaded) == trainable(model)


@pytest.mark.parametrize("make", [lambda shape: dcgan.generator(shape, 8), lambda shape: dcgan.discriminator(shape)])
@pytest.mark.parametrize(
    "shape, error, words",
    [
        ((30, 30, 3), ValueError, r"\(28, 28, 3\) or \(32, 32, 3\). Received: image_shape=\(30, 30, 3\) \(tuple\)"),
        ((4, 4, 1), ValueError, r"images to \(8, 8, 1\)\. "),
        ((32, 33, 3), ValueError, r"\(32, 32, 3\) or \(32, 36, 3\)"),
        ((32, 32), ValueError, r"`image_shape` must be \(height, width, channels\)"),
        ((32, 32, 2), ValueError, r"1 \(gray\) or 3 \(RGB\)"),
        (32, ValueError, "Received: image_shape=32"),
        ((32.0, 32, 3), TypeError, r"`image_shape\[0\]` must be an integer"),
    ],
)
def test_bad_image_shapes(make, shape, error, words):
    with pytest.raises(error, match=words):
        make(shape)


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: dcgan.generator((8, 8, 1), 0), ValueError, "`latent_dim` must be .* Received: latent_dim=0"),
        (lambda: dcgan.generator((8, 8, 1), "8"), TypeError, "`latent_dim`"),
        (lambda: dcgan.generator((8, 8, 1), 8, -1), ValueError, "`num_classes`"),
        (lambda: dcgan.generator((8, 8, 1), 8, width=0), ValueError, "`width`"),
        (lambda: dcgan.discriminator((8, 8, 1), 0), ValueError, "`units`"),
        (
            lambda: dcgan.discriminator((8, 8, 1), normalization="spectal"),
            ValueError,
            "`normalization` must be one of .* Did you mean 'spectral'",
        ),
        (lambda: get("dcgann"), ValueError, "`network` must be one of .* Did you mean 'dcgan'"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_networks_are_found_by_name():
    assert get("dcgan") is dcgan is NETWORKS["dcgan"]
    for network in NETWORKS.values():
        assert network.generator((8, 8, 1), 4).output_shape == (None, 8, 8, 1)
        assert network.discriminator((8, 8, 1), 3).output_shape == (None, 3)
