"""Diagnostics of latent spaces on models whose answers are known."""

import numpy as np
import pytest

from keras_gans.metrics import Pixels, interpolation_smoothness, latent_correlation
from tests.laws import small

pytestmark = pytest.mark.one_backend


class Line:
    """Image = a + b times the first latent; the encoder is perfect up to noise of a given size."""

    image_shape, num_classes, latent_dim = (4, 4, 1), 0, 16

    def __init__(self, noise=0.0, sign=1):
        self.noise, self.sign = noise, sign

    def latents_for(self, n, seed):
        self.drawn = np.random.default_rng(seed).normal(size=(n, self.latent_dim)).astype(np.float32)
        return self.drawn

    def labels_for(self, n, labels):
        return labels

    def decode(self, latents, labels):
        return latents[:, :1, None, None] * np.ones((1, 4, 4, 1))

    def encode(self, images):
        return self.sign * self.drawn + self.noise * np.random.default_rng(9).normal(size=self.drawn.shape)


def test_a_perfect_encoder_has_correlation_one_and_a_noisy_one_less():
    assert latent_correlation(Line()) == pytest.approx(1.0, abs=1e-6)
    assert latent_correlation(Line(sign=-1)) == pytest.approx(-1.0, abs=1e-6)
    assert latent_correlation(Line(noise=1.0)) == pytest.approx(1 / np.sqrt(2), abs=0.03)


def test_a_trained_correlation_is_that_of_the_model():
    model = small.build("o_gan")
    assert -1 <= latent_correlation(model, samples=20) == latent_correlation(model, samples=20) <= 1
    with pytest.raises(ValueError, match="`model` must have an encoder. Received: a GAN"):
        latent_correlation(small.build("gan"))


class Values:
    """Features that are the images' first pixel, or its square or step."""

    def __init__(self, shape):
        self.shape = shape

    def __call__(self, images):
        values = images[:, 0, 0]
        return {
            "line": values,
            "step": 1.0 * (values > 0),
            "circle": np.concatenate([np.cos(values), np.sin(values)], 1),
        }[self.shape]


def test_a_straight_path_is_even_and_without_detour():
    found = interpolation_smoothness(Line(), Values("line"), pairs=8, steps=10)
    assert found.evenness == pytest.approx(1, abs=1e-4) and found.detour == pytest.approx(1, abs=1e-4)


def test_a_bend_is_a_detour_and_a_jump_is_uneven():
    bend = interpolation_smoothness(Line(), Values("circle"), pairs=8, steps=50)
    assert bend.evenness == pytest.approx(1, abs=1e-3) and bend.detour > 1.02
    jump = interpolation_smoothness(Line(), Values("step"), pairs=64, steps=10)
    assert jump.evenness > 3


def test_it_runs_on_real_models():
    found = interpolation_smoothness(small.build("gan"), Pixels(), pairs=3, steps=4)
    assert found.evenness >= 1 and found.detour >= 1 - 1e-9
