"""RSGAN: check values, invariances, and one step with a pencil."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_gans import RSGAN
from tests.conftest import sigmoid
from tests.laws import small
from tests.variants.test_gan import FAKE, REAL, gradient

VALUES = {
    "pairwise": (0.36626157, 1.74126157),
    "averaged": (0.27786825, 1.65286825),
    "averaged_least_squares": (0.79656250, 6.29656250),
    "averaged_hinge": (0.19062500, 2.37500000),
}
GRADIENTS = {
    "pairwise": (
        [-0.02980073, -0.16704694, -0.02278074, -0.03252712],
        [0.02980073, 0.16704694, 0.02278074, 0.03252712],
        [-0.22019927, -0.08295306, -0.22721926, -0.21747288],
    ),
    "averaged": (
        [-0.04840389, -0.08572922, -0.05817810, -0.03838773],
        [0.04829884, 0.07618327, 0.03847296, 0.06774387],
        [-0.20170116, -0.17381673, -0.21152704, -0.18225613],
    ),
    "averaged_least_squares": (
        [0.2625, -0.1125, 0.1375, 0.4625],
        [-0.26875, 0.03125, -0.46875, -0.04375],
        [-1.26875, -0.96875, -1.46875, -1.04375],
    ),
    "averaged_hinge": ([-0.0625, -0.1875, -0.0625, -0.0625], [0.03125, 0.15625, 0.03125, 0.15625], [-0.25] * 4),
}
FORMS = pytest.mark.parametrize("form", VALUES)
LOGITS = st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3)


def model_with(form):
    return small.build("rsgan", form=form, compile=False)


@FORMS
def test_losses_have_the_check_values(form):
    model = model_with(form)
    assert float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(VALUES[form][0], rel=1e-6)
    assert float(model.generator_loss(REAL, FAKE)) == pytest.approx(VALUES[form][1], rel=1e-6)


@FORMS
def test_losses_have_the_check_gradients(form):
    model, (real, fake, generator) = model_with(form), GRADIENTS[form]
    for fn, value, expected in [
        (lambda r: model.discriminator_loss(r, FAKE), REAL, real),
        (lambda f: model.discriminator_loss(REAL, f), FAKE, fake),
        (lambda f: model.generator_loss(REAL, f), FAKE, generator),
    ]:
        np.testing.assert_allclose(gradient(fn, value)[:, 0], expected, atol=1e-6)


@FORMS
@settings(max_examples=10, deadline=None)
@given(real=LOGITS, fake=LOGITS, shift=st.floats(-3, 3, width=32))
def test_a_common_shift_changes_nothing_and_exchanging_sides_exchanges_losses(form, real, fake, shift):
    model = MODELS.setdefault(form, model_with(form))
    real, fake = (ops.convert_to_tensor(np.array(logits, "float32")[:, None]) for logits in (real, fake))
    loss = float(model.discriminator_loss(real, fake))
    assert float(model.discriminator_loss(real + shift, fake + shift)) == pytest.approx(loss, rel=1e-4, abs=1e-5)
    assert float(model.generator_loss(fake, real)) == pytest.approx(loss, rel=1e-6)


MODELS: dict = {}


def test_the_mean_over_halves_is_the_mean_over_the_whole_for_pairs():
    model = model_with("pairwise")
    halves = [float(model.discriminator_loss(REAL[i : i + 2], FAKE[i : i + 2])) for i in (0, 2)]
    assert float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(np.mean(halves), rel=1e-6)
    whole = float(model.generator_loss(REAL, FAKE))
    assert whole - float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(1.375, rel=1e-5)  # the mean of r - f


def test_logits_of_ten_thousand_give_finite_losses_with_the_right_slope():
    model = model_with("pairwise")
    zero, extreme = ops.zeros((2, 1)), ops.convert_to_tensor(np.array([[-1e4], [1e4]], "float32"))
    assert float(model.discriminator_loss(zero, extreme)) == pytest.approx(5e3)
    np.testing.assert_allclose(gradient(lambda f: model.discriminator_loss(zero, f), extreme)[:, 0], [0, 0.5])


def test_logits_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"same shape. Received: real_logits.shape=\(4,\), fake_logits.shape=\(4, 1\)"):
        model_with("pairwise").discriminator_loss(REAL[:, 0], FAKE)


def averaged_slopes(real, fake, slope):
    """Returns the slopes in real and in fake of 1/2 [E l(real - mean fake) + E l(mean real - fake)], l' = slope."""
    a, b = slope(real - fake.mean()), slope(real.mean() - fake)
    n = len(real)
    return (a + b.mean()) / (2 * n), -(b + a.mean()) / (2 * n)


SLOPES = {
    "averaged": lambda t: -sigmoid(-t),
    "averaged_least_squares": lambda t: 2 * (t - 1),
    "averaged_hinge": lambda t: -1.0 * (t < 1),
}


@FORMS
def test_one_step_is_the_hand_derived_one(shift_gan, form):
    x = np.array([[0.5], [-1.0]])
    first, second = np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]])
    theta, psi, rate = 0.7, -0.4, 0.1
    gan = shift_gan(RSGAN, theta, psi, latents=[first, second], rate=rate, form=form)
    values, logs = gan.step(x)

    fakes = first + theta
    assert logs["score_difference"] == pytest.approx(psi * np.mean(x - fakes), rel=1e-5)
    if form == "pairwise":
        psi -= rate * np.mean((fakes - x) * sigmoid(psi * (fakes - x)))
        theta += rate * np.mean(psi * sigmoid(psi * (x - second - theta)))  # fresh latents, the new psi
    else:
        real_slopes, fake_slopes = averaged_slopes(psi * x, psi * fakes, SLOPES[form])
        psi -= rate * np.sum(real_slopes * x + fake_slopes * fakes)
        fake_slopes, _ = averaged_slopes(psi * (second + theta), psi * x, SLOPES[form])  # sides exchanged
        theta -= rate * np.sum(fake_slopes * psi)
    np.testing.assert_allclose(values, (theta, psi), rtol=1e-5)
