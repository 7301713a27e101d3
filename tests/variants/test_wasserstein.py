"""WGAN, WGAN-GP, WGAN-div and GAN-QP: check values, and one step with a pencil each."""

import numpy as np
import pytest
from keras import ops

from keras_gans import GANQP, WGAN, WGANGP, WGANDiv
from tests.laws import small
from tests.test_penalties import FAKES, MIXING, REALS, critic
from tests.variants.test_gan import gradient

REAL = ops.convert_to_tensor(np.array([[0.5], [-0.3], [1.2]], "float32"))
FAKE = ops.convert_to_tensor(np.array([[-0.4], [0.2], [-1.0]], "float32"))
PAIRS = [
    np.array([[0.5, -0.2, 0.1, 0.8], [-0.4, 0.6, 0.0, -0.9]]),
    np.array([[0.1, 0.3, -0.5, 0.4], [0.2, 0.6, -0.3, -0.1]]),
]
SCORES = [np.array([[1.5], [0.4]], "float32"), np.array([[-0.5], [0.9]], "float32")]
QP_VALUES = {  # distances, loss, slope in the real scores, normalized differences
    ("l1", 10.0): ([0.475, 0.425], -0.52476780, [-0.28947368, -0.55882353], [0.42105263, -0.11764706]),
    ("l2", 10.0): ([0.48218254, 0.52201533], -0.53063683, [-0.29260966, -0.54789131], [0.41478068, -0.09578263]),
    ("mse", 2.0): ([0.2325, 0.2725], 1.51521653, [1.65053763, -0.95871560], [4.30107527, -0.91743119]),
}


@pytest.mark.parametrize("name", ["wgan", "wgan_gp", "wgan_div"])
def test_the_wasserstein_losses_have_the_check_values(name):
    model = small.build(name, compile=False)
    assert float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(-0.86666667, rel=1e-6)
    assert float(model.generator_loss(FAKE)) == pytest.approx(0.4, rel=1e-6)


@pytest.mark.parametrize("distance, lam", QP_VALUES)
def test_gan_qp_has_the_check_values(distance, lam):
    distances, loss, slope, normalized = QP_VALUES[distance, lam]
    model = small.build("gan_qp", distance=distance, lam=lam, compile=False)
    reals, fakes = (ops.convert_to_tensor(np.asarray(images, "float32")) for images in PAIRS)
    real, fake = (ops.convert_to_tensor(scores) for scores in SCORES)
    found = model.distances(reals, fakes)
    np.testing.assert_allclose(ops.convert_to_numpy(found), distances, rtol=1e-5)
    assert float(model.discriminator_loss(real, fake, found)) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(
        gradient(lambda r: model.discriminator_loss(r, fake, found), real)[:, 0], slope, rtol=1e-5
    )
    np.testing.assert_allclose(
        gradient(lambda f: model.discriminator_loss(real, f, found), fake)[:, 0], -np.array(slope), rtol=1e-5
    )
    np.testing.assert_allclose(gradient(model.generator_loss, fake)[:, 0], [-0.5, -0.5])
    observed = model.observe(real, fake, found)
    assert float(observed["normalized_difference"]) == pytest.approx(np.mean(normalized), rel=1e-5)
    assert float(observed["score_difference"]) == pytest.approx(0.75)


@pytest.mark.parametrize("distance", ["l1", "l2", "mse"])
def test_gan_qp_distances_carry_no_gradient_and_never_vanish(distance):
    model = small.build("gan_qp", distance=distance, compile=False)
    reals, fakes = (ops.convert_to_tensor(np.asarray(images, "float32")) for images in PAIRS)
    assert not gradient(lambda x: ops.sum(model.distances(reals, x)), fakes).any()
    np.testing.assert_allclose(ops.convert_to_numpy(model.distances(reals, reals)), 1e-6)


@pytest.mark.parametrize(
    "sampling, expected", [("mix", 154.28104026), ("interpolated", 0.19328948), ("real", None), ("fake", None)]
)
def test_the_divergence_penalty_has_the_check_values(sampling, expected):
    model = small.build("wgan_div", sampling=sampling, compile=False)
    penalty = float(model.penalty(critic, REALS, FAKES, MIXING, 0))
    norms = {"real": [2.45967478, 0.84344532], "fake": [0.31622777, 2.10401996]}
    expected = expected or 2 * np.mean(np.power(norms[sampling], 6))
    assert penalty == pytest.approx(expected, rel=1e-5)


X = np.array([[0.5], [-1.0]])
FIRST, SECOND = np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]])
THETA, PSI, RATE = 0.7, -0.4, 0.1


def test_one_wgan_step_is_the_hand_derived_one_and_clips(shift_gan):
    for clip in (2.0, 0.35):
        gan = shift_gan(WGAN, THETA, PSI, latents=[FIRST, SECOND], rate=RATE, clip=clip, critic_steps=1)
        values, logs = gan.step(X)
        psi = np.clip(PSI - RATE * np.mean(FIRST + THETA - X), -clip, clip)
        np.testing.assert_allclose(values, (THETA + RATE * psi, psi), rtol=1e-5)
        assert logs["wasserstein"] == pytest.approx(PSI * np.mean(X - FIRST - THETA), rel=1e-5)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("psi", [-0.4, 1.6])
def test_one_wgan_gp_step_is_the_hand_derived_one(shift_gan, one_sided, psi):
    gan = shift_gan(
        WGANGP, THETA, psi, latents=[FIRST, SECOND], rate=0.01, one_sided=one_sided, critic_steps=1, penalty_weight=5.0
    )
    values, logs = gan.step(X)
    excess = abs(psi) - 1  # the gradient of psi x is psi everywhere
    excess = max(excess, 0) if one_sided else excess
    assert logs["penalty"] == pytest.approx(5 * excess**2, rel=1e-5)
    new = psi - 0.01 * (np.mean(FIRST + THETA - X) + 5 * 2 * excess * np.sign(psi))
    np.testing.assert_allclose(values, (THETA + 0.01 * new, new), rtol=1e-5)


def test_one_wgan_div_step_is_the_hand_derived_one(shift_gan):
    gan = shift_gan(WGANDiv, THETA, 1.2, latents=[FIRST, SECOND], rate=0.01)
    values, logs = gan.step(X)
    assert logs["penalty"] == pytest.approx(2 * 1.2**6, rel=1e-5)
    psi = 1.2 - 0.01 * (np.mean(FIRST + THETA - X) + 2 * 6 * 1.2**5)
    np.testing.assert_allclose(values, (THETA + 0.01 * psi, psi), rtol=1e-5)


@pytest.mark.parametrize("distance", ["l1", "mse"])
def test_one_gan_qp_step_is_the_hand_derived_one(shift_gan, distance):
    gan = shift_gan(GANQP, THETA, PSI, latents=[FIRST, SECOND], rate=RATE, distance=distance, lam=3.0, critic_steps=1)
    values, _ = gan.step(X)
    gap = X - FIRST - THETA
    d = np.abs(gap) if distance == "l1" else gap**2
    psi = PSI - RATE * np.mean(-gap + psi_slope(PSI, gap, d))
    np.testing.assert_allclose(values, (THETA + RATE * psi, psi), rtol=1e-5)


def psi_slope(psi, gap, d, lam=3.0):
    """Returns the derivative of (psi gap)^2 / (2 lam d) with respect to psi."""
    return psi * gap**2 / (lam * d)


def test_gan_qp_takes_fresh_reals_in_every_critic_step(shift_gan):
    x = np.array([[0.5], [-1.0], [2.0], [0.1]])
    gan = shift_gan(GANQP, THETA, PSI, latents=[FIRST, SECOND, FIRST], rate=RATE, lam=3.0)
    assert gan.model.critic_steps == 2
    values, _ = gan.step(x)
    psi = PSI
    for reals, z in ((x[:2], FIRST), (x[2:], SECOND)):
        gap = reals - z - THETA
        psi -= RATE * np.mean(-gap + psi_slope(psi, gap, np.abs(gap)))
    np.testing.assert_allclose(values, (THETA + RATE * psi, psi), rtol=1e-5)
