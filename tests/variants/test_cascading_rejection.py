"""Cascading rejection: the head's check values and laws, the losses over levels, and one step with a pencil."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans import CascadingRejectionGAN
from keras_gans.engine import value_and_gradients
from keras_gans.layers import CascadingRejection
from tests.laws import small

V_REAL = np.array([[1, -0.5, 2], [0.3, 0.8, -1.2]], "float32")
V_FAKE = np.array([[-0.7, 0.4, 0.9], [1.1, -1.3, 0.2]], "float32")
W = np.array([[0.6, -0.8, 0.5], [-0.2, 0.4, 0.7], [0.9, 0.1, -0.3]], "float32")
E = np.array(
    [
        [[0.1, 0.2, -0.1], [-0.3, 0, 0.2]],
        [[0, -0.1, 0.3], [0.2, 0.2, 0]],
        [[-0.2, 0.1, 0.1], [0.1, -0.3, 0.4]],
    ],
    "float32",
)
D_REAL = [[2.0, 1.144, 0.33428986], [-1.06, -0.65632, 0.63996406]]
D_FAKE = [[-0.29, 0.90912, -0.32693217], [1.8, -0.4704, 0.11499130]]


def head(directions=W, num_classes=0, **options):
    layer = CascadingRejection(len(directions), num_classes, **options)
    layer.build([(None, directions.shape[1]), (None,)] if num_classes else (None, directions.shape[1]))
    for variable, value in zip(layer.directions, directions, strict=True):
        variable.assign(value[:, None])
    return layer


def scores(layer, features, labels=None):
    features = ops.convert_to_tensor(features)
    inputs = features if labels is None else [features, ops.convert_to_tensor(np.array(labels))]
    return ops.convert_to_numpy(layer(inputs))


def test_the_head_has_the_check_values():
    np.testing.assert_allclose(scores(head(), V_REAL), D_REAL, atol=1e-6)
    np.testing.assert_allclose(scores(head(), V_FAKE), D_FAKE, atol=1e-6)


def test_the_conditional_head_has_the_check_values():
    layer = head(num_classes=2)
    for variable, value in zip(layer.embeddings, E, strict=True):
        variable.assign(value)
    expected = [[1.8, 1.50742574, 0.05668974], [-1.39, -0.34860656, 0.60334619]]
    np.testing.assert_allclose(scores(layer, V_REAL, [0, 1]), expected, atol=1e-6)
    expected = [[-0.37, 1.18930693, -0.18906685], [1.51, -0.65237705, 0.68564127]]
    np.testing.assert_allclose(scores(layer, V_FAKE, [0, 1]), expected, atol=1e-6)


def test_the_closed_form_is_the_iteration():
    layer = head()
    rows = ops.convert_to_numpy(layer.effective_directions())
    expected = [W[0], [-0.1568, 0.3424, 0.736], [0.67166377, 0.47208116, -0.05066667]]
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    rng = np.random.default_rng(0)
    directions, features = rng.normal(size=(5, 7)).astype("float32"), rng.normal(size=(4, 7)).astype("float32")
    layer = head(directions)
    rows = ops.convert_to_numpy(layer.effective_directions())
    np.testing.assert_allclose(scores(layer, features), features @ rows.T, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="without labels only"):
        head(num_classes=2).effective_directions()


def test_orthonormal_directions_are_independent_heads_and_parallel_ones_see_nothing():
    orthonormal = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0].astype("float32")
    np.testing.assert_allclose(scores(head(orthonormal), V_REAL), V_REAL @ orthonormal.T, atol=1e-5)
    np.testing.assert_allclose(scores(head(np.stack([W[0], 2 * W[0]])), V_REAL)[:, 1], 0, atol=1e-5)


def test_the_length_of_an_earlier_direction_does_not_matter_and_spectral_removes_it():
    scaled = W * np.array([[3], [0.1], [1]], "float32")
    np.testing.assert_allclose(scores(head(scaled), V_REAL)[:, 2], np.array(D_REAL)[:, 2], rtol=1e-4)
    lengths = np.linalg.norm(W, axis=1)
    np.testing.assert_allclose(scores(head(spectral=True), V_REAL), np.array(D_REAL) / lengths, rtol=1e-4)


def test_spectral_bounds_the_classes_too():
    layer, rng = head(num_classes=4, spectral=True), np.random.default_rng(0)
    assert all(np.abs(ops.convert_to_numpy(layer.table(level))).max() > 0 for level in range(3))  # not born as zeros
    features = rng.normal(size=(64, 3)).astype("float32")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    for size in (1.0, 100.0):
        for variable in layer.embeddings:
            variable.assign(size * rng.normal(size=(4, 3)))
        tables = [ops.convert_to_numpy(layer.table(level)) for level in range(3)]
        np.testing.assert_allclose([np.linalg.norm(table, 2) for table in tables], 1, rtol=1e-3)
        assert np.abs(scores(layer, features, np.arange(64) % 4)).max() <= 2.01  # |w_i| + |E_i[y]|
    layer.embeddings[0].assign(np.zeros((4, 3)))
    assert np.all(np.isfinite(scores(layer, features, np.arange(64) % 4)))


def test_the_rejection_is_part_of_the_gradient():
    layer = head()
    features = ops.convert_to_tensor(V_REAL)
    _, _, gradients = value_and_gradients(lambda: ops.sum(layer(features)[:, 1]), layer.trainable_variables)
    expected = [0.17902720, -0.19256960, -0.52294400]
    np.testing.assert_allclose(ops.convert_to_numpy(gradients[0])[:, 0], expected, atol=1e-6)


def model_with(**knobs):
    return small.build("cascading_rejection_gan", levels=3, compile=False, **knobs)


@pytest.mark.parametrize(
    "knobs, expected",
    [
        ({}, (2.07980754, -0.28946319)),
        ({"level_weights": [1, 0.5, 0.25]}, (2.37742037, -0.47896422)),
        ({"base": "non_saturating"}, (1.55640630, 0.63385010)),
    ],
)
def test_the_losses_over_levels_have_the_check_values(knobs, expected):
    model = model_with(**knobs)
    real, fake = (ops.convert_to_tensor(np.array(d, "float32")) for d in (D_REAL, D_FAKE))
    found = float(model.discriminator_loss(real, fake)), float(model.generator_loss(fake))
    assert found == pytest.approx(expected, rel=1e-5)
    if not knobs:
        levels = [float(loss) for loss in model.level_losses(real, fake)]
        assert levels == pytest.approx([2.785, 2.04752, 1.40690261], rel=1e-5)
        levels = [float(loss) for loss in model.generator_level_losses(fake)]
        assert levels == pytest.approx([-0.755, -0.21936, 0.10597043], rel=1e-5)


def test_one_level_is_the_base_gan():
    cascade = small.build("cascading_rejection_gan", levels=1, base="least_squares", compile=False)
    gan = small.build("gan", loss="least_squares", compile=False)
    real, fake = (ops.convert_to_tensor(np.array(d, "float32")[:, :1]) for d in (D_REAL, D_FAKE))
    assert float(cascade.discriminator_loss(real, fake)) == pytest.approx(float(gan.discriminator_loss(real, fake)))
    assert float(cascade.generator_loss(fake)) == pytest.approx(float(gan.generator_loss(fake)))


def test_one_step_is_the_hand_derived_one():
    rng = np.random.default_rng(2)
    x, z1, z2 = rng.normal(size=(3, 2, 3))
    theta, rate = rng.normal(size=3), 0.1
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="identity")])
    discriminator = keras.Sequential([keras.Input((3,)), CascadingRejection(2)])
    model = CascadingRejectionGAN(generator, discriminator, latent_dim=3, levels=2, base="non_saturating")
    generator.layers[-1].bias.assign(theta)
    for variable, value in zip(discriminator.layers[-1].directions, W[:2], strict=True):
        variable.assign(value[:, None])
    draws = [z1.astype("float32"), z2.astype("float32")]
    model.sample_latents = lambda count, training=True: ops.convert_to_tensor(draws.pop(0))
    model.compile(**{model.optimizer_argument(player): keras.optimizers.SGD(rate) for player in model.players})
    logs = model.fit(x.astype("float32"), batch_size=2, shuffle=False, verbose=0).history

    def levels(v, w):
        rest = v - (v @ w[0])[:, None] / (w[0] @ w[0]) * w[0]
        return np.stack([v @ w[0], rest @ w[1]], axis=1)

    sp = lambda t: np.log1p(np.exp(t))  # noqa: E731

    def d_loss(w):
        return np.mean(sp(-levels(x, w)).mean(0) + sp(levels(z1 + theta, w)).mean(0))

    from tests.variants.test_o_gan import numeric_gradient

    w = W[:2].astype("float64")
    assert logs["discriminator_loss"][0] == pytest.approx(d_loss(w), rel=1e-5)
    per_level = sp(-levels(x, w)).mean(0) + sp(levels(z1 + theta, w)).mean(0)
    found = [logs[f"level_{i}_discriminator"][0] for i in (1, 2)]
    np.testing.assert_allclose(found, per_level, rtol=1e-5)
    w = w - rate * numeric_gradient(d_loss, w)
    found = [ops.convert_to_numpy(v.value)[:, 0] for v in discriminator.layers[-1].directions]
    np.testing.assert_allclose(found, w, rtol=1e-4, atol=1e-6)
    bias = theta - rate * numeric_gradient(lambda t: np.mean(sp(-levels(z2 + t, w))), theta)
    np.testing.assert_allclose(ops.convert_to_numpy(generator.layers[-1].bias.value), bias, rtol=1e-4, atol=1e-6)


@pytest.mark.one_backend
@pytest.mark.parametrize("network", ["dcgan", "resnet", "mlp"])
def test_networks_end_in_the_head_with_and_without_labels(network):
    for num_classes in (0, 3):
        model = kg.create(
            "cascading_rejection_gan",
            (16, 16, 1),
            4,
            network=network,
            num_classes=num_classes,
            network_options={"width": 4},
        )
        assert isinstance(model.discriminator.layers[-1], CascadingRejection)
        assert model.discriminator.output_shape == (None, 4)


@pytest.mark.one_backend
@pytest.mark.parametrize("weights", [[1, 2], [-1, 1, 1], [0, 0, 0], [1, np.nan, 1]])
def test_weights_that_do_not_fit_the_levels_are_refused(weights):
    with pytest.raises(ValueError, match="`level_weights` must be 3 non-negative numbers, one per level"):
        model_with(level_weights=weights)
