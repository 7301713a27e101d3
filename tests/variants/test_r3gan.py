"""R3GAN: check values and one step with a pencil."""

import numpy as np
import pytest
from keras import ops

from keras_gans import R3GAN
from keras_gans.penalties import R1, R2
from tests.conftest import sigmoid
from tests.laws import small
from tests.test_penalties import FAKES, MIXING, REALS, critic
from tests.variants.test_wasserstein import FAKE, REAL


def test_losses_have_the_check_values():
    model, zero_sum = small.build("r3gan", compile=False), small.build("r3gan", saturating=True, compile=False)
    assert float(model.discriminator_loss(REAL, FAKE)) == pytest.approx(0.47343806, rel=1e-6)
    assert float(model.generator_loss(REAL, FAKE)) == pytest.approx(1.34010473, rel=1e-6)
    assert float(zero_sum.generator_loss(REAL, FAKE)) == pytest.approx(-0.47343806, rel=1e-6)


def test_the_whole_discriminator_loss_has_the_check_value():
    model = small.build("r3gan", compile=False)
    real, fake = critic(REALS)[:, None], critic(FAKES)[:, None]
    loss = float(model.discriminator_loss(real, fake))
    assert loss == pytest.approx(1.38275417, rel=1e-6)
    assert float(model.generator_loss(real, fake)) == pytest.approx(0.34775417, rel=1e-5)
    own = float(small.build("r3gan", gamma=0.1, compile=False).penalty(critic, REALS, FAKES, MIXING, 0))
    assert own == pytest.approx(sum(float(each(critic, REALS, FAKES, MIXING)) for each in (R1(0.1), R2(0.1))), rel=1e-6)
    assert loss + own == pytest.approx(1.66496167, rel=1e-6)
    assert model.gamma == 1.0 and model.penalties == ()


@pytest.mark.parametrize("saturating", [False, True])
def test_one_step_is_the_hand_derived_one(shift_gan, saturating):
    x = np.array([[0.5], [-1.0]])
    first, second = np.array([[0.3], [1.1]]), np.array([[-0.6], [0.2]])
    theta, psi, rate, gamma = 0.7, -0.4, 0.1, 0.3
    gan = shift_gan(R3GAN, theta, psi, latents=[first, second], rate=rate, gamma=gamma, saturating=saturating)
    values, logs = gan.step(x)

    assert logs["penalty"] == pytest.approx(gamma * psi**2, rel=1e-5)  # R1 = R2 = psi^2, each times gamma / 2
    gap = first + theta - x
    psi -= rate * (np.mean(gap * sigmoid(psi * gap)) + 2 * gamma * psi)
    gap = psi * (second + theta - x)
    theta += rate * np.mean(psi * (sigmoid(gap) if saturating else sigmoid(-gap)))
    np.testing.assert_allclose(values, (theta, psi), rtol=1e-5)


def test_logits_of_ten_thousand_are_finite():
    model = small.build("r3gan", compile=False)
    extreme, zero = ops.convert_to_tensor(np.array([[-1e4], [1e4]], "float32")), ops.zeros((2, 1))
    assert float(model.discriminator_loss(zero, extreme)) == pytest.approx(5e3)
