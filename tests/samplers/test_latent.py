"""Samplers in the latent space of a two-player model: what they draw from, what they say, what they refuse."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from tests.laws import small

SLOPE = 1.5


@keras.saving.register_keras_serializable("tests")
class First(keras.layers.Layer):
    """Points (n, d) -> SLOPE times their first coordinate."""

    def call(self, points):
        return SLOPE * points[:, :1]


def linear():
    """Returns a GAN of points with G(z) = z and score 1.5 z_1: the samples are N((1.5, 0), I) with the prior."""
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Identity()], name="generator")
    discriminator = keras.Sequential([keras.Input((2,)), First()], name="discriminator")
    return kg.GAN(generator, discriminator, latent_dim=2)


MODEL = linear()


# The step of MALA is asked of all backends in test_dynamics.py: thousands of them are quicker where they are compiled.
@pytest.mark.one_backend("tensorflow")
def test_mala_draws_from_the_tilted_prior():
    found = kg.samplers.mala(MODEL, 2000, steps=60, seed=0)
    assert found.latents.mean(axis=0) == pytest.approx([SLOPE, 0], abs=0.08)
    assert found.latents.std(axis=0) == pytest.approx([1, 1], abs=0.06)
    assert 0.5 <= found.acceptance_rate <= 0.7 and "after tuning in the first 30" in str(found)
    np.testing.assert_array_equal(found.images, found.latents)
    assert len(found.energies) == 61 and len(found.acceptance) == 60


@pytest.mark.one_backend("tensorflow")
def test_a_temperature_divides_the_score():
    found = kg.samplers.mala(MODEL, 2000, steps=40, step_size=0.7, temperature=3.0, seed=1)
    assert found.latents.mean(axis=0) == pytest.approx([SLOPE / 3, 0], abs=0.08)


def test_without_the_prior_the_energy_alone_counts():
    found = kg.samplers.langevin(MODEL, 4, steps=3, step_size=0.2, noise=0.0, prior=False, seed=0)
    start = MODEL.latents_for(4, seed=0)
    np.testing.assert_allclose(found.latents, start + 3 * 0.1 * np.array([SLOPE, 0.0], "float32"), rtol=1e-5)
    with_prior = kg.samplers.langevin(MODEL, 4, steps=1, step_size=0.2, noise=0.0, seed=0)
    np.testing.assert_allclose(with_prior.latents, 0.9 * start + np.array([0.1 * SLOPE, 0], "float32"), rtol=1e-5)


def test_rejection_keeps_what_the_discriminator_prefers():
    low, high = (kg.samplers.rejection(MODEL, 400, percentile, seed=0) for percentile in (20, 90))
    assert 0.2 < low.latents[:, 0].mean() < high.latents[:, 0].mean()
    assert high.latents[:, 0].mean() > 0.8 and high.acceptance_rate < low.acceptance_rate < 1
    np.testing.assert_allclose(high.energies, -SLOPE * high.latents[:, 0], rtol=1e-5)


@pytest.mark.parametrize("sampler", ["mala", "langevin", "rejection"])
def test_the_same_seed_draws_the_same_and_labels_are_kept(sampler):
    model = small.shared("gan", num_classes=small.CLASSES)
    options = {"burn_in": 20} if sampler == "rejection" else {"steps": 3}
    first, again = (getattr(kg.samplers, sampler)(model, 5, labels=[2, 0, 1, 1, 0], seed=7, **options) for _ in "ab")
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.images, model.decode(first.latents, [2, 0, 1, 1, 0]))
    assert first.labels.tolist() == [2, 0, 1, 1, 0] and first.images.dtype == "uint8"


def test_the_average_is_sampled_where_it_is_asked_for():
    model = small.build("gan", compile=False)
    model.add_average(kg.engine.WeightAverage(0.9))
    for variable in model.generator.trainable_variables:
        variable.assign(ops.zeros(variable.shape))
    plain, averaged = (kg.samplers.mala(model, 3, steps=2, seed=0, average=each) for each in (False, True))
    assert plain.images.std() == 0 and averaged.images.std() > 0


@pytest.mark.one_backend
def test_the_figure_shows_both_curves():
    left, right = kg.samplers.mala(MODEL, 4, steps=5, seed=0).figure().axes
    assert [len(axes.lines[0].get_ydata()) for axes in (left, right)] == [6, 5]


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: kg.samplers.mala(small.shared("ign"), 3), TypeError, "`model` must be a two-player variant"),
        (lambda: kg.samplers.mala(MODEL, 0), ValueError, "`n` must be a positive integer"),
        (lambda: kg.samplers.mala(MODEL, 3, step_size=0.0), ValueError, "`step_size` must be a number greater than 0"),
        (lambda: kg.samplers.mala(MODEL, 3, target_acceptance=1.0), ValueError, "`target_acceptance` must be"),
        (lambda: kg.samplers.langevin(MODEL, 3, noise=-1.0), ValueError, "`noise` must be a number at least 0"),
        (lambda: kg.samplers.mala(MODEL, 3, temperature=0), ValueError, "`temperature` must be a number greater than"),
        (lambda: kg.samplers.rejection(MODEL, 3, percentile=100), ValueError, "`percentile` must be a number"),
        (lambda: kg.samplers.mala(MODEL, 3, average=True), ValueError, "has no moving average"),
        (lambda: kg.samplers.langevin(MODEL, 3, labels=[0, 1, 2]), ValueError, "unconditional"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
