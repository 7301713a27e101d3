"""R3GAN's networks: the parameter counts of the method's table, the identity at the start, resampling, labels."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy

import keras_gans as kg
from keras_gans.engine import input_gradients, value_and_gradients
from keras_gans.layers import FIRDownsampling2D, FIRUpsampling2D
from keras_gans.networks import get, r3

pytestmark = pytest.mark.one_backend


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def counted(widths, blocks, channels=3, base=4, latent_dim=64, classes=0, embedding=64, group_size=16):
    """Returns the parameters of both networks by the formula, block by block."""
    between = sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True) if a != b)
    body = between + blocks * sum(2 * c * c + 2 * c + 9 * 2 * c * group_size + 2 * c + 2 * c * c for c in widths)
    generator = body + (latent_dim + embedding * (classes > 0)) * widths[0] + embedding * classes
    generator += base * base * widths[0] + channels * widths[-1]
    head = widths[0] if not classes else widths[0] ** 2 + classes * widths[0]
    return generator, body + channels * widths[-1] + base * base * widths[0] + head


PUBLISHED = [
    (([768] * 4, 2), {}, (20_732_160, 20_683_776)),  # stacked MNIST
    (([768] * 4, 2), {"classes": 10}, (20_781_952, 21_280_512)),  # CIFAR-10
    (([768] * 4 + [384], 2), {}, (22_429_824, 22_381_440)),  # FFHQ-64
    (([768] * 4 + [384, 192, 96], 2), {}, (23_057_952, 23_009_568)),  # FFHQ-256; the paper has 23.058 and 23.010 M
    (([1536] * 4, 2), {"classes": 1000, "group_size": 32}, (82_914_304, 86_548_992)),  # ImageNet-32
    (([1536] * 5, 2), {"classes": 1000, "group_size": 32}, (103_570_432, 107_205_120)),  # ImageNet-64
]


@pytest.mark.parametrize("arguments, options, expected", PUBLISHED)
def test_the_formula_gives_the_published_counts(arguments, options, expected):
    assert counted(*arguments, **options) == expected


@pytest.mark.parametrize(
    "shape, width, blocks, classes, expected",
    [
        ((32, 32, 3), 192, 2, 0, (1_644_096, 1_632_000)),
        ((32, 32, 3), 192, 2, 10, (1_657_024, 1_670_592)),
        ((32, 32, 3), 128, 1, 0, (422_272, 414_208)),
        ((64, 64, 3), [128] * 5, 1, 0, (525_184, 517_120)),
        ((128, 128, 3), 192, 2, 0, (1_842_960, 1_830_864)),
        ((28, 28, 1), 128, 1, 0, (323_328, 315_264)),
        ((28, 28, 1), 192, 2, 0, (1_243_008, 1_230_912)),
    ],
)
def test_parameter_counts(shape, width, blocks, classes, expected):
    options = {"width": width, "blocks": blocks}
    generator = r3.generator(shape, 64, classes, **options)
    discriminator = r3.discriminator(shape, 1, classes, **options)
    assert (trainable(generator), trainable(discriminator)) == expected
    assert generator.output_shape == (None, *shape) and discriminator.output_shape == (None, 1)
    base = 7 if shape[0] == 28 else 4
    formula = counted(r3.widths_of(shape, width), blocks, shape[-1], base, classes=classes)
    assert formula == expected


def test_the_published_networks_have_the_published_size():
    generator, discriminator = r3.generator((32, 32, 3), 64, width=768), r3.discriminator((32, 32, 3), width=768)
    assert (trainable(generator), trainable(discriminator)) == PUBLISHED[0][2]
    kernels = {w.path.split("/")[-2]: w for w in generator.trainable_weights if w.name == "kernel"}
    deviation = {name: float(np.std(convert_to_numpy(kernel))) for name, kernel in kernels.items()}
    assert deviation["stage_0_block_0_conv_1"] == pytest.approx(0.02975399, rel=0.01)
    assert deviation["stage_3_block_1_conv_2"] == pytest.approx(0.06871390, rel=0.01)
    assert deviation["stage_3_block_1_conv_3"] == 0
    assert deviation["project"] == pytest.approx(1 / 8, rel=0.02)
    assert tuple(kernels["stage_0_block_0_conv_2"].shape) == (3, 3, 16, 1536)
    whole_map = next(w for w in discriminator.weights if "whole_map" in w.path)
    assert np.std(convert_to_numpy(whole_map)) == pytest.approx(0.25, rel=0.03)
    basis = next(w for w in generator.weights if w.name == "basis")
    assert np.std(convert_to_numpy(basis)) == pytest.approx(1.0, rel=0.03)


def test_biases_stand_in_the_blocks_only():
    for model in (r3.generator((16, 16, 1), 4, width=8), r3.discriminator((16, 16, 1), width=8)):
        names = {w.path.split("/")[-2][-6:] for w in model.weights if w.name == "bias"}
        assert names == {"conv_1", "conv_2"}
    with_bias = r3.generator((8, 8, 1), 4, width=8, use_output_bias=True)
    assert any(w.path.endswith("to_image/bias") for w in with_bias.weights)


def features(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.all_backends
def test_a_block_is_the_identity_at_the_start_and_the_formula_afterwards():
    inputs = keras.Input((4, 4, 16))
    model = keras.Model(inputs, r3.block(inputs, "block", group_size=16, total=8))
    x = features(2, 4, 4, 16)
    np.testing.assert_array_equal(convert_to_numpy(model(x)), x)
    rng = np.random.default_rng(1)
    k1, b1, k2, b2, k3 = (rng.normal(size=w.shape).astype("float32") * 0.3 for w in model.weights)
    model.set_weights([k1, b1, k2, b2, k3])

    def leaky(t):
        return np.where(t > 0, t, 0.2 * t)

    h = leaky(x @ k1[0, 0] + b1)
    padded = np.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]])
    grouped = np.zeros_like(h)
    for group in range(2):  # 32 channels in groups of 16
        channels = slice(16 * group, 16 * group + 16)
        for i in range(3):
            for j in range(3):
                grouped[..., channels] += padded[:, i : i + 4, j : j + 4, channels] @ k2[i, j][:, channels]
    expected = x + leaky(grouped + b2) @ k3[0, 0]
    np.testing.assert_allclose(convert_to_numpy(model(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.all_backends
def test_resampling_has_the_check_values_and_is_separable():
    up, down = FIRUpsampling2D(), FIRDownsampling2D()
    upped = np.array([0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 3.0])
    downed = np.array([1.5, 3.5, 5.5, 6.375])
    four, eight = np.arange(1, 5, dtype="float32"), np.arange(1, 9, dtype="float32")
    two = np.stack([np.outer(four, four[::-1]), np.outer(four, four**0)], axis=-1)[None]
    found = convert_to_numpy(up(two))[0]
    np.testing.assert_allclose(found[..., 0], np.outer(upped, upped[::-1]), rtol=1e-6)
    np.testing.assert_allclose(found[..., 1], np.outer(upped, [0.75, 1, 1, 1, 1, 1, 1, 0.75]), rtol=1e-6)
    pair = np.outer(eight, eight[:2] ** 0)  # 8 by 2: both axes have lengths of their own
    found = convert_to_numpy(down(pair[None, :, :, None]))[0, ..., 0]
    np.testing.assert_allclose(found, np.outer(downed, [0.75]), rtol=1e-6)
    with pytest.raises(ValueError, match="FIRDownsampling2D needs features .* of even height and width"):
        FIRDownsampling2D()(features(1, 3, 4, 1))


@pytest.mark.all_backends
def test_down_is_the_transpose_of_up():
    """<up(x), y> = 4 <x, down(y)>: the gradient of one is the other."""
    x, y = features(2, 4, 6, 3), features(2, 8, 12, 3)
    slope = input_gradients(lambda x: FIRUpsampling2D()(x) * ops.convert_to_tensor(y), ops.convert_to_tensor(x))
    np.testing.assert_allclose(
        convert_to_numpy(slope), 4 * convert_to_numpy(FIRDownsampling2D()(y)), rtol=1e-4, atol=1e-5
    )


def randomised(model, scale=0.3):
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * scale for w in model.weights])
    return model


@pytest.mark.all_backends
def test_a_penalty_has_the_right_gradient_through_groups_and_resampling():
    """R1 of a small discriminator, made smooth, against differences along one direction of all weights."""

    def smooth(layer):
        if isinstance(layer, keras.layers.LeakyReLU):
            return keras.layers.Activation("softplus")
        return type(layer).from_config(layer.get_config())

    model = keras.models.clone_model(r3.discriminator((8, 8, 1), width=16, blocks=1), clone_function=smooth)
    model = randomised(model, 0.2)
    images = ops.convert_to_tensor(features(2, 8, 8, 1))

    def penalty():
        return ops.sum(ops.square(input_gradients(lambda x: model(x, training=True), images)))

    _, _, gradients = value_and_gradients(penalty, model.trainable_variables)
    rng, before = np.random.default_rng(1), model.get_weights()
    direction = [rng.normal(size=weight.shape) for weight in before]
    along = sum((convert_to_numpy(g) * d).sum() for g, d in zip(gradients, direction, strict=True))
    ends = []
    for step in (1e-3, -1e-3):
        model.set_weights([weight + step * d for weight, d in zip(before, direction, strict=True)])
        ends.append(float(convert_to_numpy(penalty())))
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-3, rtol=2e-2)


def test_labels_enter_both_networks():
    generator = randomised(r3.generator((8, 8, 1), 4, 3, width=8, blocks=1))
    discriminator = randomised(r3.discriminator((8, 8, 1), 1, 3, width=8, blocks=1))
    latents, labels = features(1, 4).repeat(3, 0), np.arange(3)
    images = convert_to_numpy(generator([latents, labels]))
    assert np.abs(images[0] - images[1]).max() > 1e-3 < np.abs(images[1] - images[2]).max()
    same = features(1, 8, 8, 1).repeat(3, 0)
    scores = convert_to_numpy(discriminator([same, labels]))
    assert scores.shape == (3, 1) and len(np.unique(scores)) == 3
    # The score is the inner product of features and embedding: linear in the embedding.
    table = next(w for w in discriminator.weights if "label_embedding" in w.path)
    table.assign(2 * convert_to_numpy(table))
    np.testing.assert_allclose(convert_to_numpy(discriminator([same, labels])), 2 * scores, rtol=1e-4)
    several = r3.discriminator((8, 8, 1), 4, 3, width=8, blocks=1)
    assert tuple(several([same, labels]).shape) == (3, 4)
    levels = r3.discriminator((8, 8, 1), 4, width=8, blocks=1, head="cascading_rejection")
    assert tuple(levels(same).shape) == (3, 4)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_the_first_discriminator_step_moves_only_the_last_kernels_of_the_blocks(num_classes):
    model = kg.create(
        "r3gan",
        (8, 8, 1),
        4,
        network="r3",
        num_classes=num_classes,
        network_options={"width": 16, "blocks": 1},
        gamma=0.1,
    )
    optimizers = {f"{player}_optimizer": keras.optimizers.SGD(0.1) for player in model.players}
    model.compile(**optimizers, run_eagerly=num_classes == 0)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8"), rng.integers(0, 3, 4)
    before = {w.path: convert_to_numpy(w).copy() for w in model.discriminator.trainable_weights}
    logs = model.fit(images, labels if num_classes else None, batch_size=4, verbose=0).history
    assert np.isfinite(list(logs.values())).all()
    for weight in model.discriminator.trainable_weights:
        inside = "_block_" in weight.path and not weight.path.endswith("conv_3/kernel")
        assert np.array_equal(before[weight.path], convert_to_numpy(weight)) == inside, weight.path
    assert model.generate(2, seed=0).shape == (2, 8, 8, 1)


def test_the_last_layers_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    for model in (
        r3.generator((8, 8, 1), 4, width=8, blocks=1),
        r3.discriminator((8, 8, 1), width=8, blocks=1),
        r3.discriminator((8, 8, 1), 1, 3, width=8, blocks=1),
    ):
        assert model.outputs[0].dtype == "float32"


@pytest.mark.all_backends
def test_saves_and_loads(tmp_path):
    model = randomised(r3.generator((12, 8, 3), 4, width=8, blocks=1))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(convert_to_numpy(loaded(features(2, 4))), convert_to_numpy(model(features(2, 4))))
    assert model.output_shape == (None, 12, 8, 3)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"image_shape": (31, 31, 3)}, ValueError, r"\(28, 28, 3\) or \(32, 32, 3\)"),
        ({"width": 12}, ValueError, "`width` must give widths of which twice is a multiple of group_size=16"),
        ({"width": [16, 16]}, ValueError, "`width` must be an integer or a list of 4 integers, coarse to fine"),
        ({"blocks": 0}, ValueError, "`blocks` must be a positive integer"),
        ({"normalization": "batch"}, ValueError, "`normalization` must be one of None"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        r3.discriminator(**{"image_shape": (32, 32, 3), **arguments})
    assert get("r3") is r3
