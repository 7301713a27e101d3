"""O-GAN: check values, the orthogonal decomposition, one step with a pencil, and the encoder's methods."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_gans import OGAN
from keras_gans.variants.o_gan import correlation, standardize
from tests.laws import small
from tests.variants.test_gan import gradient

Z = ops.convert_to_tensor(np.array([[0.5, -1.0, 0.3, 1.2], [-0.7, 0.1, 1.5, -0.4]], "float32"))
REAL = ops.convert_to_tensor(np.array([[1.0, 0.2, -0.5, 0.7], [0.3, -0.9, 0.4, 1.1]], "float32"))
FAKE = ops.convert_to_tensor(np.array([[0.4, -0.6, 0.1, 0.9], [-0.2, 0.8, 0.5, -1.0]], "float32"))
IMAGES = ops.convert_to_tensor(np.array([[0.5, -0.2, 0.1, 0.8], [-0.4, 0.6, 0.0, -0.9]], "float32"))
FAKES = ops.convert_to_tensor(np.array([[0.1, 0.3, -0.5, 0.4], [0.2, 0.6, -0.3, -0.1]], "float32"))


def model_with(**knobs):
    return small.build("o_gan", compile=False, **knobs)


def losses(**knobs):
    model = model_with(**knobs)
    distances = model.distances(IMAGES, FAKES)
    return float(model.discriminator_loss(REAL, FAKE, Z, distances)), float(model.generator_loss(FAKE, Z))


@pytest.mark.parametrize(
    "knobs, expected",
    [
        ({}, (-0.53683540, -0.50478080)),
        ({"correlation_weight": 1.0}, (-0.92911620, -0.89706160)),
        ({"base": "hinge"}, (1.43271920, -0.50478080)),
        ({"base": "non_saturating"}, (0.91982337, 0.24715129)),
    ],
)
def test_losses_have_the_check_values(knobs, expected):
    assert losses(**knobs) == pytest.approx(expected, rel=1e-5)


def test_the_other_bases_are_those_of_gan_on_the_means():
    gan_losses = {
        "saturating": lambda f: -np.mean(np.log1p(np.exp(f))),
        "least_squares": lambda f: np.mean((f - 1) ** 2),
    }
    for base, generator in gan_losses.items():
        assert losses(base=base)[1] == pytest.approx(
            generator(ops.convert_to_numpy(FAKE).mean(-1)) - 0.5 * 0.78456160, rel=1e-5
        )
    real, fake = ops.convert_to_numpy(REAL).mean(-1), ops.convert_to_numpy(FAKE).mean(-1)
    squares = np.mean((real - 1) ** 2) + np.mean(fake**2)
    assert losses(base="least_squares")[0] == pytest.approx(squares - 0.5 * 0.78456160, rel=1e-5)


def test_distances_are_mean_squares_per_pair_without_a_gradient():
    model = model_with()
    np.testing.assert_allclose(ops.convert_to_numpy(model.distances(IMAGES, FAKES)), [0.2325, 0.2725], rtol=1e-5)
    assert float(model.distances(IMAGES, IMAGES)[0]) == pytest.approx(1e-6)
    assert not gradient(lambda x: ops.sum(model.distances(IMAGES, x)), FAKES).any()


def test_losses_have_the_check_gradients():
    model = model_with()
    distances = model.distances(IMAGES, FAKES)
    fake = [[0.09044050, 0.09779762, 0.05647512, 0.09399644], [0.15025555, 0.14004115, -0.03190128, 0.05811833]]
    real = np.repeat([[-0.08467742], [-0.07912844]], 4, axis=1)
    generator = [
        [-0.11923692, -0.11187980, -0.15320230, -0.11568098],
        [-0.05387289, -0.06408729, -0.23602972, -0.14601011],
    ]
    for fn, value, expected in [
        (lambda e: model.discriminator_loss(REAL, e, Z, distances), FAKE, fake),
        (lambda e: model.discriminator_loss(e, FAKE, Z, distances), REAL, real),
        (lambda e: model.generator_loss(e, Z), FAKE, generator),
    ]:
        np.testing.assert_allclose(gradient(fn, value), expected, atol=1e-6)


def test_correlation_has_the_check_values_and_gradient():
    np.testing.assert_allclose(ops.convert_to_numpy(correlation(Z, FAKE)), [0.98968012, 0.57944308], rtol=1e-6)
    expected = [[-0.02305232, -0.05248081, 0.11280921, -0.03727609], [-0.28450846, -0.24365085, 0.44411886, 0.08404044]]
    np.testing.assert_allclose(gradient(lambda e: ops.sum(correlation(Z, e)), FAKE), expected, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4),
    st.floats(0.125, 8, width=32),
    st.floats(-3, 3, width=32),
)
def test_correlation_lies_in_its_range_and_ignores_scale_and_shift(values, scale, shift):
    values = np.array([values], "float32")
    rho = float(correlation(Z[:1], ops.convert_to_tensor(values))[0])
    assert abs(rho) <= 1 + 1e-5
    if values.std() > 0.05:
        assert float(correlation(Z[:1], ops.convert_to_tensor(scale * values + shift))[0]) == pytest.approx(
            rho, abs=2e-3
        )


def test_a_constant_vector_has_zero_correlation_and_a_finite_gradient():
    constant = ops.full((1, 4), 0.3)
    assert float(correlation(Z[:1], constant)[0]) == pytest.approx(0, abs=1e-3)
    assert np.isfinite(gradient(lambda e: ops.sum(correlation(Z[:1], e)), constant)).all()


def test_standardize_has_the_check_values():
    expected = [[1.14458618, -0.26413527, -1.49676654, 0.61631563], [0.10432022, -1.56480332, 0.24341385, 1.21706925]]
    np.testing.assert_allclose(ops.convert_to_numpy(standardize(REAL)), expected, rtol=1e-5)


@keras.saving.register_keras_serializable("tests")
class ShiftVector(keras.layers.Layer):
    """v -> v + theta, for the generator; with a slope, v -> psi * v (entry by entry), for the discriminator."""

    def __init__(self, slope=False, **kwargs):
        super().__init__(**kwargs)
        self.slope = slope

    def build(self, shape):
        self.values = self.add_weight(shape=shape[1:], initializer="zeros", name="values")

    def call(self, x):
        return x * self.values if self.slope else x + self.values


def numeric_gradient(fn, value, step=1e-6):
    """Returns the gradient of a scalar NumPy function by central differences in float64."""
    slopes = np.zeros_like(value)
    for i in np.ndindex(value.shape):
        offset = np.zeros_like(value)
        offset[i] = step
        slopes[i] = (fn(value + offset) - fn(value - offset)) / (2 * step)
    return slopes


def numpy_losses(base):
    """Returns the two losses of the docstring in NumPy, as functions of images, fakes, encodings and latents."""

    def rho(a, b):
        a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
        return np.mean((a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1)))

    def discriminator(images, fakes, real, fake, z):
        r, f = real.mean(-1), fake.mean(-1)
        if base == "gan_qp":
            gap, d = r - f, ((images - fakes) ** 2).mean(-1)
            game = np.mean(-gap + gap**2 / (4 * d))
        else:
            game = np.mean(np.log1p(np.exp(-r))) + np.mean(np.log1p(np.exp(f)))
        return game - 0.5 * rho(z, fake)

    def generator(fake, z):
        f = fake.mean(-1)
        return (-f.mean() if base == "gan_qp" else np.mean(np.log1p(np.exp(-f)))) - 0.5 * rho(z, fake)

    return discriminator, generator


@pytest.mark.parametrize("base", ["gan_qp", "non_saturating"])
def test_one_step_is_the_hand_derived_one(base):
    rng = np.random.default_rng(0)
    x, first, second = rng.normal(size=(3, 2, 3))
    theta, psi, rate = rng.normal(size=3), rng.normal(size=3), 0.1
    generator = keras.Sequential([keras.Input((3,)), ShiftVector()], name="generator")
    discriminator = keras.Sequential([keras.Input((3,)), ShiftVector(slope=True)], name="discriminator")
    model = OGAN(generator, discriminator, latent_dim=3, base=base)
    generator.layers[-1].values.assign(theta)
    discriminator.layers[-1].values.assign(psi)
    draws = [first.astype("float32"), second.astype("float32")]
    model.sample_latents = lambda count, training=True: ops.convert_to_tensor(draws.pop(0))
    model.compile(**{model.optimizer_argument(player): keras.optimizers.SGD(rate) for player in model.players})
    history = model.fit(x.astype("float32"), batch_size=2, shuffle=False, verbose=0).history

    d_loss, g_loss = numpy_losses(base)
    fakes = first + theta
    assert history["discriminator_loss"][0] == pytest.approx(d_loss(x, fakes, psi * x, psi * fakes, first), rel=1e-4)
    psi = psi - rate * numeric_gradient(lambda p: d_loss(x, fakes, p * x, p * fakes, first), psi)
    theta = theta - rate * numeric_gradient(lambda t: g_loss(psi * (second + t), second), theta)
    np.testing.assert_allclose(ops.convert_to_numpy(discriminator.weights[0].value), psi, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(generator.weights[0].value), theta, rtol=1e-4, atol=1e-6)


def test_encode_standardizes_reconstruct_decodes_and_interpolate_joins():
    model, (images, _) = model_with(), small.data(5)
    encodings = model.encode(images)
    assert encodings.shape == (5, 4) and encodings.dtype == "float32"
    np.testing.assert_allclose(encodings.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(encodings.std(-1), 1, atol=1e-4)
    np.testing.assert_allclose(model.encode(images.astype("float32") / 127.5 - 1), encodings, atol=1e-5)
    np.testing.assert_array_equal(model.reconstruct(images), model.decode(encodings))
    np.testing.assert_array_equal(model.reconstruct(images, truncation=0.9), model.decode(np.float32(0.9) * encodings))

    lines = model.interpolate(images[:2], images[2:4], steps=5)
    assert lines.shape == (2, 5, *small.SHAPE) and lines.dtype == "uint8"
    np.testing.assert_array_equal(lines[:, 0], model.reconstruct(images[:2]))
    np.testing.assert_array_equal(lines[:, -1], model.reconstruct(images[2:4]))
    middle = (encodings[0] + encodings[2]) / 2
    assert np.abs(lines[0, 2].astype(int) - model.decode(middle[None])[0]).max() <= 1
    shell = model.interpolate(images[0], images[2], steps=5, renormalize=True)
    assert shell.shape == (5, *small.SHAPE)
    renormalized = (middle - middle.mean()) / middle.std()
    assert np.abs(shell[2].astype(int) - model.decode(renormalized[None])[0]).max() <= 1


def test_a_conditional_model_encodes_with_labels():
    model, (images, labels) = model_with(num_classes=3), small.data(5)
    assert (model.encode(images, labels) != model.encode(images, (labels + 1) % 3)).any()
    assert model.reconstruct(images, labels).shape == images.shape
    with pytest.raises(ValueError, match="`labels` are missing"):
        model.encode(images)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda m, x: m.encode(x[:, :4]),
            r"`images` must have shape \(n, 8, 8, 1\).*Received: images.shape=\(5, 4, 8, 1\)",
        ),
        (lambda m, x: m.reconstruct(x[..., 0]), r"`images` must have shape \(n, 8, 8, 1\)"),
        (lambda m, x: m.reconstruct(x, truncation=0), "`truncation` must be a number greater than 0"),
        (lambda m, x: m.interpolate(x[:2], x[:3]), "`a` and `b` must have the same shape"),
        (lambda m, x: m.interpolate(x[0], x[1], steps=1), "`steps` must be an integer of at least 2"),
    ],
)
def test_wrong_inputs_are_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call(model_with(), small.data(5)[0])
