"""Residual and self-modulated networks: parameter counts of the method's tables, one block by hand, options, errors."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import SpectralNormalization
from keras_gans.networks import dcgan, get, resnet, self_mod

pytestmark = pytest.mark.one_backend


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# latent_dim 128, width 64
TABLE = {
    (28, 1): (4_114_945, 1_051_265),
    (32, 3): (4_276_739, 1_053_825),
    (32, 1): (4_272_129, 1_051_265),
    (48, 3): (4_878_083, 10_141_441),
    (64, 3): (12_220_675, 10_141_441),
    (96, 3): (14_862_595, 10_141_441),
    (128, 3): (32_150_787, 29_017_857),
}


@pytest.mark.parametrize("size, channels", TABLE)
def test_parameter_counts(size, channels):
    shape = (size, size, channels)
    assert (trainable(resnet.generator(shape, 128)), trainable(resnet.discriminator(shape))) == TABLE[size, channels]


def test_parameter_counts_of_the_options():
    shape = (32, 32, 3)
    assert trainable(resnet.discriminator(shape, normalization=None)) == 1_053_825
    assert trainable(resnet.generator(shape, 128, 10)) == 4_304_387
    assert trainable(resnet.discriminator(shape, 1, 10)) == 1_055_105
    assert trainable(resnet.generator((28, 28, 1), 128, width=32)) == 1_434_881
    assert trainable(resnet.generator(shape, 128, width=32)) == 1_204_483
    assert trainable(resnet.generator(shape, 128, modulation="self")) == 4_420_323
    assert trainable(resnet.generator(shape, 128, attention=True)) == 4_276_739 + 81_921
    assert trainable(resnet.discriminator(shape, attention=True)) == 1_053_825 + 20_481
    assert trainable(resnet.generator(shape, 128, spectral=True)) == 4_276_739


@pytest.mark.parametrize("size, count", [(28, 778_433), (32, 1_107_299), (64, 3_651_075), (128, 12_929_699)])
def test_parameter_counts_of_self_modulated_dcgan(size, count):
    shape = (size, size, 1 if size == 28 else 3)
    assert trainable(self_mod.generator(shape, 100)) == count


@pytest.mark.parametrize(
    "size, generator, discriminator",
    [
        (8, [256] * 2, ([128] * 4, 2)),
        (28, [256] * 3, ([128] * 4, 2)),
        (44, [256, 128, 64], ([64, 128, 256, 512], 2)),
        (48, [512, 256, 128, 64], ([64, 128, 256, 512, 1024], 4)),
        (80, [1024, 512, 256, 128, 64], ([64, 128, 256, 512, 1024], 4)),
        (96, [1024, 512, 256, 128, 64], ([64, 128, 256, 512, 1024], 5)),
        (128, [1024, 1024, 512, 256, 128, 64], ([64, 128, 256, 512, 1024, 1024], 5)),
        (256, [1024, 1024, 1024, 512, 256, 128, 64], ([64, 128, 256, 512, 1024, 1024, 1024], 6)),
    ],
)
def test_rule_of_widths(size, generator, discriminator):
    assert resnet.generator_widths((size, size, 3)) == generator
    assert resnet.discriminator_widths((size, size, 3)) == discriminator


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 20, 3), (44, 44, 1), (40, 64, 3)])
def test_every_valid_size_goes_through_both_networks(shape):
    generator = resnet.generator(shape, 5, width=2)
    discriminator = resnet.discriminator(shape, width=2)
    assert generator.output_shape == (None, *shape) and discriminator.output_shape == (None, 1)
    if max(shape) < 32:
        images = generator(np.random.default_rng(0).normal(size=(2, 5)).astype("float32"))
        assert tuple(images.shape) == (2, *shape)
        assert tuple(discriminator(images).shape) == (2, 1)


def relu(x):
    return np.maximum(x, 0)


def conv(x, layer):
    """'same' convolution of stride 1 in float64."""
    kernel, bias = (np.asarray(w, "float64") for w in layer.get_weights())
    reach = kernel.shape[0] // 2
    padded = np.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    height, width = x.shape[1:3]
    windows = (
        padded[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )
    return sum(windows) + bias


def halved(x):
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def doubled(x):
    return x.repeat(2, 1).repeat(2, 2)


@pytest.mark.all_backends
@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_discriminator_is_the_written_formula(pooling):
    model = resnet.discriminator((8, 8, 1), width=2, normalization=None, pooling=pooling)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1))

    def layer(name):
        return model.get_layer(name)

    x = halved(conv(relu(conv(images, layer("block_0_conv_1"))), layer("block_0_conv_2")))
    x = x + conv(halved(images), layer("block_0_shortcut"))
    main = conv(relu(conv(relu(x), layer("block_1_conv_1"))), layer("block_1_conv_2"))
    x = halved(main) + halved(conv(x, layer("block_1_shortcut")))
    for block in ("block_2", "block_3"):
        x = x + conv(relu(conv(relu(x), layer(f"{block}_conv_1"))), layer(f"{block}_conv_2"))
    pooled = relu(x).sum((1, 2)) / (4.0 if pooling == "mean" else 1.0)
    kernel, bias = layer("score").get_weights()
    np.testing.assert_allclose(convert_to_numpy(model(images.astype("float32"))), pooled @ kernel + bias, rtol=1e-4)


@pytest.mark.all_backends
def test_generator_is_the_written_formula():
    model = resnet.generator((8, 8, 1), 3, width=2)
    latents = np.random.default_rng(0).normal(size=(2, 3))

    def norm(x, name):
        gamma, beta, mean, variance = model.get_layer(name).get_weights()
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    kernel, bias = model.get_layer("project").get_weights()
    x = (latents @ kernel + bias).reshape(2, 4, 4, 8)
    main = conv(doubled(relu(norm(x, "block_1_norm_1"))), model.get_layer("block_1_conv_1"))
    main = conv(relu(norm(main, "block_1_norm_2")), model.get_layer("block_1_conv_2"))
    x = main + conv(doubled(x), model.get_layer("block_1_shortcut"))
    expected = np.tanh(conv(relu(norm(x, "norm")), model.get_layer("to_image")))
    np.testing.assert_allclose(convert_to_numpy(model(latents.astype("float32"))), expected, rtol=1e-4, atol=1e-5)


def test_initial_kernels_have_the_gains_of_the_paper():
    for model in (resnet.generator((32, 32, 3), 128, width=16), resnet.discriminator((32, 32, 3), width=32)):
        for weight in model.weights:
            if weight.name != "kernel" or min(weight.shape[-2:]) < 64:
                continue
            value = convert_to_numpy(weight)
            receptive = int(np.prod(value.shape[:-2]))
            gain = 2.0 if receptive == 9 else 1.0
            deviation = np.sqrt(gain * 2.0 / (receptive * (value.shape[-2] + value.shape[-1])))
            assert abs(value.std() / deviation - 1) < 0.05, weight.path


@pytest.mark.parametrize("normalization, count", [("spectral", 4 * 2 + 2 + 1), (None, 0)])
def test_spectral_normalisation_wraps_every_kernel(normalization, count):
    model = resnet.discriminator((16, 16, 3), width=2, normalization=normalization)
    assert sum(isinstance(layer, SpectralNormalization) for layer in model.layers) == count
    assert any(isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)) for layer in model.layers) == (count == 0)


def test_spectral_generators_normalise_every_kernel():
    model = resnet.generator((16, 16, 3), 4, width=2, modulation="self", attention=True, spectral=True)
    kernels = sum(w.name == "kernel" for w in model.weights)
    # dense, two blocks of three, to_image, attention, five self-modulations of three
    assert kernels == 1 + 2 * 3 + 1 + 4 + 5 * 3
    assert sum(w.name == "u" for w in model.weights) == kernels


@pytest.mark.all_backends
@pytest.mark.parametrize("module", [dcgan, resnet, self_mod])
@pytest.mark.parametrize("modulation", [None, "self"])
def test_conditional_generators_depend_on_labels_and_reload(tmp_path, module, modulation):
    if module is self_mod:
        model = module.generator((12, 12, 1), 4, 3, width=4, backbone="resnet" if modulation else "dcgan")
    else:
        model = module.generator((12, 12, 1), 4, 3, width=4, modulation=modulation)
    latents = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    if modulation or module is self_mod:  # every norm is modulated
        kinds = {type(layer).__name__ for layer in model.layers}
        assert "SelfModulatedBatchNormalization" in kinds and "BatchNormalization" not in kinds
    elif module is resnet:  # its conditional scales start from 1 for every label
        for layer in model.layers:
            if type(layer).__name__ == "ConditionalBatchNormalization":
                layer.gamma.assign(np.random.default_rng(1).normal(1.0, 0.1, layer.gamma.shape))
    model([latents, np.array([0, 1, 2])], training=True)
    a, b = (convert_to_numpy(model([latents, np.array(labels)])) for labels in ([0, 1, 2], [0, 2, 2]))
    np.testing.assert_allclose(a[[0, 2]], b[[0, 2]], rtol=1e-6)
    assert np.abs(a[1] - b[1]).max() > 0
    model.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    np.testing.assert_allclose(convert_to_numpy(loaded([latents, np.array([0, 1, 2])])), a, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("units", [1, 5])
def test_conditional_discriminator_with_every_option_reloads(tmp_path, units):
    model = resnet.discriminator((8, 8, 3), units, 3, width=4, attention=4, minibatch_std=True, pooling="mean")
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)).astype("float32")
    model([images, np.array([0, 1, 2, 0])], training=True)
    a, b = (convert_to_numpy(model([images, np.array(labels)])) for labels in ([0, 1, 2, 0], [0, 2, 2, 0]))
    assert a.shape == (4, units) and (np.abs(a - b).max(1) > 0).tolist() == [False, True, False, False]
    model.save(tmp_path / "discriminator.keras")
    loaded = keras.models.load_model(tmp_path / "discriminator.keras")
    np.testing.assert_allclose(convert_to_numpy(loaded([images, np.array([0, 1, 2, 0])])), a, rtol=1e-5, atol=1e-7)


def test_minibatch_std_shows_the_last_convolution_one_more_channel():
    plain, wide = (dcgan.discriminator((16, 16, 1), width=4, minibatch_std=flag) for flag in (False, True))
    assert trainable(wide) - trainable(plain) == 4 * 4 * 8
    plain, wide = (resnet.discriminator((16, 16, 1), width=4, minibatch_std=flag) for flag in (False, True))
    assert trainable(wide) - trainable(plain) == 9 * 8 + (8 + 1) * 8 + 8  # and a shortcut that changes channels


@pytest.mark.parametrize(
    "size, attention, generator, discriminator",
    [(128, True, "block_3", "block_1"), (32, True, "block_2", "block_0"), (32, 8, "block_1", "block_1")],
)
def test_attention_stands_after_the_block_of_the_paper(size, attention, generator, discriminator):
    shape = (size, size, 3)
    for model, block in (
        (resnet.generator(shape, 4, width=4, attention=attention), generator),
        (resnet.discriminator(shape, width=8, attention=attention), discriminator),
    ):
        names = [layer.name for layer in model.layers]
        assert names[names.index("attention") - 1] == f"{block}_sum"
        assert names.count("attention") == 1


@pytest.mark.all_backends
def test_bilinear_upsampling_has_the_worked_values():
    layer = resnet.generator((8, 8, 1), 4, width=2, upsampling="bilinear").get_layer("block_1_up")
    x = np.arange(1.0, 5.0, dtype="float32").reshape(1, 4, 1, 1).repeat(4, 2)
    expected = [1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4]
    np.testing.assert_allclose(convert_to_numpy(layer(x))[0, :, 3, 0], expected, rtol=1e-6)
    nearest = resnet.generator((8, 8, 1), 4, width=2).get_layer("block_1_up")
    np.testing.assert_allclose(convert_to_numpy(nearest(x))[0, :, 3, 0], [1, 1, 2, 2, 3, 3, 4, 4])


def test_images_and_scores_are_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        generator = resnet.generator((8, 8, 3), 4, 3, width=4, modulation="self", attention=True)
        discriminator = resnet.discriminator((8, 8, 3), 1, 3, width=4, attention=True, minibatch_std=True)
        labels = keras.ops.convert_to_tensor([0, 2])
        images = generator([keras.ops.ones((2, 4)), labels])
        scores = discriminator([images, labels])
        assert {keras.backend.standardize_dtype(t.dtype) for t in (images, scores)} == {"float32"}
        assert generator.get_layer("block_1_conv_1").compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: resnet.generator((30, 30, 3), 8), r"\(28, 28, 3\) or \(32, 32, 3\)"),
        (lambda: resnet.discriminator((30, 30, 3)), r"\(28, 28, 3\) or \(32, 32, 3\)"),
        (lambda: resnet.generator((8, 8, 3), 0), "`latent_dim` must be .* Received: latent_dim=0"),
        (lambda: resnet.generator((8, 8, 3), 4, upsampling="biliner"), "Did you mean 'bilinear'"),
        (lambda: resnet.generator((8, 8, 3), 4, modulation="sel"), "Did you mean 'self'"),
        (lambda: resnet.discriminator((8, 8, 3), normalization="batch"), "`normalization` must be one of"),
        (lambda: resnet.discriminator((8, 8, 3), pooling="max"), "`pooling` must be one of 'sum', 'mean'"),
        (lambda: resnet.generator((32, 32, 3), 4, attention=12), "`attention` must be one of 8, 16, 32"),
        (lambda: self_mod.generator((8, 8, 3), 4, backbone="resnt"), "Did you mean 'resnet'"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_networks_are_found_by_name():
    assert get("resnet") is resnet and get("self_mod") is self_mod
    assert self_mod.discriminator((8, 8, 1), 3, backbone="resnet").output_shape == (None, 3)
