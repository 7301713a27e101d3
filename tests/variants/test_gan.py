"""GAN: check values, slopes at extreme logits, and one step with a pencil."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gans import GAN
from keras_gans.engine import value_and_gradients
from tests.conftest import sigmoid
from tests.laws import small

REAL = ops.convert_to_tensor(np.array([1.2, -0.3, 0.7, 2.0], "float32")[:, None])
FAKE = ops.convert_to_tensor(np.array([-0.8, 0.4, -1.6, 0.1], "float32")[:, None])
VALUES = {
    "non_saturating": (0.96504127, 1.02810333),
    "saturating": (0.96504127, -0.55310333),
    "least_squares": (1.54750000, 2.79250000),
    "hinge": (1.07500000, 0.47500000),
}
GRADIENTS = {
    "non_saturating": (
        [-0.05786880, -0.14361063, -0.08295306, -0.02980073],
        [0.07750638, 0.14967192, 0.04199540, 0.13124480],
        [-0.17249362, -0.10032808, -0.20800460, -0.11875520],
    ),
    "least_squares": ([0.1, -0.65, -0.15, 0.5], [-0.4, 0.2, -0.8, 0.05], [-0.9, -0.3, -1.3, -0.45]),
    "hinge": ([0, -0.25, -0.25, 0], [0.25, 0.25, 0, 0.25], [-0.25] * 4),
}


def model_with(loss, **knobs):
    return small.build("gan", loss=loss, compile=False, **knobs)


def gradient(fn, value):
    """Returns the gradient of a scalar function of one tensor as an array."""
    variable = keras.Variable(ops.convert_to_numpy(value))
    return np.array(ops.convert_to_numpy(value_and_gradients(lambda: fn(variable.value), [variable])[2][0]))


@pytest.mark.parametrize("loss", VALUES)
def test_losses_have_the_check_values(loss):
    model = model_with(loss)
    assert float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(VALUES[loss][0], rel=1e-6)
    assert float(model.generator_loss(FAKE)) == pytest.approx(VALUES[loss][1], rel=1e-6)


def test_least_squares_targets_are_fake_real_generator():
    model = model_with("least_squares", targets=(-1, 1, 0))
    assert float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(1.59750000, rel=1e-6)
    assert float(model.generator_loss(FAKE)) == pytest.approx(0.84250000, rel=1e-6)


@pytest.mark.parametrize("loss", GRADIENTS)
def test_losses_have_the_check_gradients(loss):
    model, (real, fake, generator) = model_with(loss), GRADIENTS[loss]
    for fn, value, expected in [
        (lambda r: model.discriminator_loss(r, FAKE), REAL, real),
        (lambda f: model.discriminator_loss(REAL, f), FAKE, fake),
        (lambda f: model.generator_loss(f), FAKE, generator),
    ]:
        np.testing.assert_allclose(gradient(fn, value)[:, 0], expected, atol=1e-7)


def test_the_saturating_game_is_zero_sum_in_the_fakes():
    model = model_with("saturating")
    d = gradient(lambda f: model.discriminator_loss(REAL, f), FAKE)
    np.testing.assert_allclose(gradient(model.generator_loss, FAKE), -d, atol=1e-8)


def test_logits_of_ten_thousand_give_finite_losses_with_the_right_slope():
    model = model_with("non_saturating")
    extreme = ops.convert_to_tensor(np.array([[-1e4], [1e4]], "float32"))
    assert float(model.generator_loss(extreme)) == pytest.approx(5e3)
    np.testing.assert_allclose(gradient(model.generator_loss, extreme)[:, 0], [-0.5, 0.0])
    assert float(model.discriminator_loss(extreme, extreme)) == pytest.approx(1e4)


SLOPES = {  # derivatives of the losses per sample: f_D(real), g_D(fake), h_G(fake)
    "non_saturating": (lambda r: -sigmoid(-r), sigmoid, lambda f: -sigmoid(-f)),
    "saturating": (lambda r: -sigmoid(-r), sigmoid, lambda f: -sigmoid(f)),
    "least_squares": (lambda r: 2 * (r - 1), lambda f: 2 * f, lambda f: 2 * (f - 1)),
    "hinge": (lambda r: -1.0 * (r < 1), lambda f: 1.0 * (f > -1), lambda f: -np.ones_like(f)),
}


@pytest.mark.parametrize("loss", SLOPES)
def test_one_step_is_the_hand_derived_one(shift_gan, loss):
    x = np.array([[0.5], [-1.0]])
    first, second = np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]])
    theta, psi, rate = 0.7, -0.4, 0.1
    gan = shift_gan(GAN, theta, psi, latents=[first, second], rate=rate, loss=loss)
    values, logs = gan.step(x)

    real_slope, fake_slope, generator_slope = SLOPES[loss]
    fakes = first + theta
    assert logs["real_score"] == pytest.approx(np.mean(psi * x))
    psi -= rate * np.mean(real_slope(psi * x) * x + fake_slope(psi * fakes) * fakes)
    theta -= rate * np.mean(generator_slope(psi * (second + theta)) * psi)  # fresh latents, the new psi
    np.testing.assert_allclose(values, (theta, psi), rtol=1e-5)


def test_label_smoothing_mixes_the_two_labels_of_the_reals():
    real, fake = (ops.convert_to_numpy(t).astype("float64") for t in (REAL, FAKE))
    sp = lambda t: np.mean(np.log1p(np.exp(t)))  # noqa: E731
    smoothed = float(model_with("non_saturating", label_smoothing=0.1).discriminator_loss(REAL, FAKE))
    assert smoothed == pytest.approx(0.9 * sp(-real) + 0.1 * sp(real) + sp(fake), rel=1e-6)
    smoothed = float(model_with("least_squares", label_smoothing=0.1).discriminator_loss(REAL, FAKE))
    assert smoothed == pytest.approx(np.mean((real - 0.9) ** 2) + np.mean(fake**2), rel=1e-6)
    with pytest.raises(ValueError, match="`label_smoothing` does not go with loss='hinge'"):
        model_with("hinge", label_smoothing=0.1)
    with pytest.raises(ValueError, match="`label_smoothing` must be a number at least 0 and less than 0.5"):
        model_with("saturating", label_smoothing=0.5)


def test_critic_steps_see_fresh_reals_and_latents(shift_gan):
    x = np.array([[0.5], [-1.0], [2.0], [0.1]])
    latents = [np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]]), np.array([[0.9], [-0.2]])]
    theta, psi, rate = 0.7, -0.4, 0.1
    gan = shift_gan(GAN, theta, psi, latents=latents, rate=rate, critic_steps=2)
    values, _ = gan.step(x)

    for reals, z in ((x[:2], latents[0]), (x[2:], latents[1])):
        fakes = z + theta
        psi -= rate * np.mean(-sigmoid(-psi * reals) * reals + sigmoid(psi * fakes) * fakes)
    theta += rate * np.mean(sigmoid(-psi * (latents[2] + theta)) * psi)
    np.testing.assert_allclose(values, (theta, psi), rtol=1e-5)
