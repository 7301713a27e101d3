"""Penalties on input gradients: check values, their laws, and their place in any two-player variant."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from keras.random import SeedGenerator

import keras_gans as kg
from keras_gans.engine import Score, value_and_gradients
from keras_gans.penalties import R1, R2, GradientPenalty, gradient_norms
from tests.laws import small

A = np.array([[1, 0.5], [0.5, -0.6]], "float32")
B = np.array([0.2, -0.4], "float32")
REALS = ops.convert_to_tensor(np.array([[1, 2], [-0.5, 0.3]], "float32"))
FAKES = ops.convert_to_tensor(np.array([[0.2, -1], [1.5, 0.8]], "float32"))
MIXING = ops.convert_to_tensor(np.array([0.25, 0.8], "float32"))


def critic(x):
    """D(x) = x'Ax / 2 + b'x, whose gradient is Ax + b."""
    return ops.sum(0.5 * ops.matmul(x, ops.convert_to_tensor(A)) * x + x * ops.convert_to_tensor(B), axis=-1)


@pytest.mark.parametrize(
    "penalty, expected",
    [
        (GradientPenalty(1.0), 0.16709200),
        (GradientPenalty(10.0), 1.67091998),
        (GradientPenalty(1.0, one_sided=True), 0.0),
        (GradientPenalty(1.0, one_sided=True, at="real"), 1.06532522),
        (GradientPenalty(1.0, at="real"), 1.07757991),
        (GradientPenalty(1.0, target=0.0), 0.39711250),
        (R1(1.0), 1.69035),
        (R2(1.0), 1.131725),
        (R1(0.1), 0.169035),
    ],
)
def test_penalties_have_the_check_values(penalty, expected):
    assert float(penalty(critic, REALS, FAKES, MIXING)) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@settings(max_examples=10, deadline=None)
@given(batch=st.integers(1, 5), rank=st.integers(1, 4), seed=st.integers(0, 99))
def test_penalty_is_zero_for_unit_gradient_critic(batch, rank, seed):
    rng = np.random.default_rng(seed)
    shape = (batch, *rng.integers(1, 4, rank))
    direction = rng.normal(size=shape[1:])
    direction = ops.convert_to_tensor((direction / np.linalg.norm(direction)).astype("float32"))
    reals, fakes = (ops.convert_to_tensor(rng.normal(size=shape).astype("float32")) for _ in range(2))
    weights = ops.convert_to_tensor(rng.random(batch).astype("float32"))
    score = lambda x: ops.sum(x * direction, axis=tuple(range(1, rank + 1)))  # noqa: E731
    assert float(GradientPenalty(10.0)(score, reals, fakes, weights)) == pytest.approx(0, abs=1e-5)
    assert float(R1(2.0)(score, reals, fakes, weights)) == pytest.approx(1, rel=1e-4)


def test_a_dead_critic_has_a_finite_slope():
    scale = keras.Variable(0.0)
    score = lambda x: scale.value * ops.sum(x, axis=-1)  # noqa: E731
    _, _, (slope,) = value_and_gradients(lambda: GradientPenalty(1.0)(score, REALS, FAKES, MIXING), [scale])
    assert np.isfinite(float(slope))
    assert float(gradient_norms(ops.zeros((1, 3)))[0]) == pytest.approx(1e-6)


@pytest.mark.parametrize("name", small.typical(small.TWO_PLAYERS))
def test_every_two_player_variant_takes_penalties_saves_them_and_reports_them(name, tmp_path):
    images, _ = small.data(8)
    penalties = [R1(0.3), GradientPenalty(0.2, target=0.0)]
    model = small.build(name, compile=False, penalties=penalties)
    model.compile(run_eagerly=small.EAGER)
    history = model.fit(images, batch_size=4, verbose=0).history
    assert 0 < history["penalty"][0] < np.inf
    plain = small.build(name, compile=False)
    plain.compile(run_eagerly=small.EAGER)
    plain.fit(images, batch_size=4, verbose=0)
    assert any(small.moved(small.weights(plain), small.weights(model)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.penalties == model.penalties == tuple(penalties)
    for each in (model, loaded):
        each.fit(images, batch_size=4, verbose=0)
    small.assert_same(small.everything(model), small.everything(loaded))


# Estimates from differences, and lazy penalties -------------------------------------------------------------------


def estimated(critic, points, std, draws=20_000, still=True):
    """Returns the estimate of 1/2 |g|^2 at one point, once for every draw."""
    score = Score(lambda x, training=True: critic(x)[:, None], lambda outputs: outputs[:, 0], still, SeedGenerator(5))
    rows = ops.convert_to_tensor(np.tile(np.asarray(points, "float32"), (draws, 1)))
    return 0.5 * ops.convert_to_numpy(score.slopes(rows, std)).astype("float64") ** 2


def test_the_noise_estimate_of_a_linear_critic_has_the_exact_mean_and_the_stated_variance():
    slope = np.array([0.5, -2.0, 1.0], "float32")
    found = estimated(lambda x: ops.sum(x * slope, axis=-1), [0.3, -0.1, 0.7], std=0.01)
    exact = 0.5 * np.sum(slope.astype("float64") ** 2)
    assert found.mean() == pytest.approx(exact, rel=4 * np.sqrt(2 / 20_000))
    assert found.var() == pytest.approx(2 * exact**2, rel=0.1)


def test_the_bias_of_the_noise_estimate_is_the_stated_one():
    """C(x) = x A x / 2 + b x with A = diag(2, -1): E = |g|^2 + std^2 ((tr A)^2 + 2 |A|^2) / 4, nothing beyond."""
    diagonal, b, point, std = np.array([2.0, -1.0]), np.array([0.3, 0.8]), np.array([0.5, -0.2]), 0.5
    quadratic = lambda x: ops.sum(0.5 * x * x * diagonal.astype("float32") + x * b.astype("float32"), axis=-1)  # noqa: E731
    exact = np.sum((diagonal * point + b) ** 2)
    bias = std**2 * (diagonal.sum() ** 2 + 2 * np.sum(diagonal**2)) / 4
    found = 2 * estimated(quadratic, point, std, draws=200_000)
    assert found.mean() == pytest.approx(exact + bias, abs=4 * found.std() / np.sqrt(len(found)))
    assert bias > 20 * found.std() / np.sqrt(len(found))  # it would be seen


def test_the_noise_estimate_has_the_slope_of_the_exact_penalty(shift_gan):
    """C(x) = psi x: the mean of (psi u)^2 / 2 over u moves psi by -rate weight psi; alternating, 2,000 images."""
    x = np.zeros((2000, 1))
    gan = shift_gan(kg.GAN, 0.0, -0.4, latents=[x, x], rate=0.1, penalties=[R1(3.0, estimate="noise")])
    (_, psi), logs = gan.step(x)
    assert logs["penalty"] == pytest.approx(0.5 * 3.0 * 0.16, rel=0.15)
    assert psi == pytest.approx(-0.4 + 0.1 * 3.0 * 0.4, abs=0.012)  # at x = 0 the game itself pulls at nothing


def test_a_lazy_penalty_is_taken_every_so_many_steps_with_so_many_times_the_weight():
    images, _ = small.data(4)
    seen = {}
    for every in (1, 3):
        model = small.build("gan", compile=False, penalties=[R1(0.5, every=every)])
        still = {model.optimizer_argument(player): keras.optimizers.SGD(0.0) for player in model.players}
        model.compile(**still)
        fits = [model.fit(images, batch_size=4, shuffle=False, verbose=0) for _ in range(4)]
        seen[every] = [fit.history["penalty"][0] for fit in fits]
    (always, *_), lazy = seen[1], seen[3]
    np.testing.assert_allclose(seen[1], always, rtol=1e-5)
    np.testing.assert_allclose(lazy, [3 * always, 0, 0, 3 * always], rtol=1e-5)


def test_lazy_and_estimated_penalties_move_the_critic_and_are_saved(tmp_path):
    images, _ = small.data(4)
    penalties = [R1(0.5, every=2), R2(0.5, estimate="noise", std=0.02)]
    model = small.build("rsgan", compile=False, penalties=penalties)
    model.compile(run_eagerly=small.EAGER)
    model.fit(images, batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.penalties == tuple(penalties) != (R1(0.5), R2(0.5))
    for each in (model, loaded):
        each.fit(images, batch_size=4, epochs=2, verbose=0)
    small.assert_same(small.everything(model), small.everything(loaded))


def test_estimates_and_laziness_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="`every` must be 1 with estimate='noise'"):
        R1(1.0, estimate="noise", every=2)
    with pytest.raises(ValueError, match="Did you mean 'noise'"):
        R1(1.0, estimate="noisy")
    with pytest.raises(ValueError, match="`std` must be a number greater than 0"):
        R2(1.0, estimate="noise", std=0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    for name, knobs in [("gan", {"penalties": [R1(1.0, estimate="noise")]}), ("r3gan", {"estimate": "noise"})]:
        with pytest.raises(ValueError, match="need a discriminator that computes in float32.*bfloat16"):
            small.build(name, compile=False, **knobs)


def test_a_penalty_adds_its_gradient_to_the_discriminators_step(shift_gan):
    x, z = np.array([[0.5], [-1.0]]), np.array([[0.3], [1.1]])
    plain, penalized = (
        shift_gan(kg.GAN, 0.7, -0.4, latents=[z, z], rate=0.1, penalties=penalties).step(x)[0]
        for penalties in ([], [R1(3.0), R2(2.0)])
    )
    assert penalized[1] - plain[1] == pytest.approx(-0.1 * (3.0 + 2.0) * -0.4, rel=1e-4)


@pytest.mark.parametrize("normalization", ["batch"])
def test_a_discriminator_that_mixes_samples_is_refused(normalization):
    options = {"width": 2, "discriminator": {"normalization": normalization}}
    for name, knobs in [("gan", {"penalties": [R1(1.0)]}), ("wgan_gp", {}), ("wgan_div", {}), ("r3gan", {})]:
        with pytest.raises(ValueError, match="must treat samples independently.*'norm_1' mixes the samples"):
            kg.create(name, (16, 16, 1), 4, network_options=options, **knobs)
    with pytest.raises(ValueError, match="'minibatch_std' mixes the samples"):
        options = {"width": 2, "discriminator": {"minibatch_std": True}}
        kg.create("gan", (16, 16, 1), 4, network_options=options, penalties=[R1(1.0)])


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: R1(-1.0), ValueError, "`weight` must be a number at least 0. Received: weight=-1.0"),
        (lambda: R2("1"), TypeError, "`weight` must be a number. Received: weight='1'"),
        (lambda: GradientPenalty(at="interpolate"), ValueError, "`at` must be one of .*Did you mean 'interpolated'"),
        (lambda: GradientPenalty(target=-1), ValueError, "`target` must be a number at least 0"),
        (lambda: small.build("gan", penalties=[3]), TypeError, "`penalties` must be a list of keras_gans.penalties"),
        (lambda: small.build("wgan_gp", penalty_weight=-1), ValueError, "`penalty_weight` must be a number at least 0"),
        (lambda: small.build("r3gan", gamma=-1), ValueError, "`gamma` must be a number at least 0"),
        (lambda: small.build("wgan", clip=0), ValueError, "`clip` must be a number greater than 0"),
        (lambda: small.build("wgan_div", p=1), ValueError, "`p` must be a number greater than 1"),
        (lambda: small.build("wgan_div", sampling="interp"), ValueError, "Did you mean 'interpolated'"),
        (lambda: small.build("gan_qp", distance="l3"), ValueError, "`distance` must be one of 'l1', 'l2', 'mse'"),
    ],
)
def test_bad_values_are_refused_in_words(make, error, words):
    with pytest.raises(error, match=words):
        make()
