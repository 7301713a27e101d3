"""Langevin steps: check values, the law that MALA leaves as it is, and the sampler of energy-based models."""

import numpy as np
import pytest
from keras import ops

from keras_gans.samplers import dynamics


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def array(value):
    return ops.convert_to_numpy(value)


def bumpy(z):
    """V(z) = z1^2 / 2 + 1.5 z2^2 + sin z1."""
    return z[:, 0] ** 2 / 2 + 1.5 * z[:, 1] ** 2 + ops.sin(z[:, 0])


def test_an_unadjusted_step_has_its_check_value():
    moved = dynamics.unadjusted_step(tensor([[1.5]]), tensor([[3.0]]), tensor([[-0.7]]), tensor([0.1]))
    np.testing.assert_allclose(array(moved), [[1.12864056]], rtol=1e-6)


@pytest.mark.parametrize(("uniform", "accepted"), [(0.9, True), (0.905, False)])
def test_a_proposal_is_accepted_with_the_probability_of_its_check_value(uniform, accepted):
    start, noise = tensor([[1.0, -0.5]]), tensor([[0.3, -1.1]])
    energies, gradients = dynamics.energy_and_gradient(bumpy, start)
    np.testing.assert_allclose(array(energies), [1.71647098], rtol=1e-6)
    moved, now, slopes, chance = dynamics.adjusted_step(
        bumpy, start, energies, gradients, noise, tensor([np.log(uniform)]), tensor([0.2])
    )
    np.testing.assert_allclose(array(chance), [0.90213481], rtol=1e-5)
    np.testing.assert_allclose(array(moved), [[0.98013385, -0.84193496]] if accepted else [[1.0, -0.5]], rtol=1e-6)
    np.testing.assert_allclose(array(now), [2.37418480 if accepted else 1.71647098], rtol=1e-6)
    z1, z2 = array(moved)[0]
    np.testing.assert_allclose(array(slopes), [[z1 + np.cos(z1), 3 * z2]], rtol=1e-5)


def test_mala_leaves_the_law_as_it_is_where_unadjusted_steps_do_not():
    # V = k x^2 / 2 with k = 2: variance 1/2; unadjusted steps of eps have 1 / (k (1 - eps k / 4)).
    random, eps, count = np.random.default_rng(0), 0.8, 20_000
    x = tensor(random.normal(size=(count, 1)) * np.sqrt(0.5))
    free, sizes = x, tensor(np.full(count, eps))

    def energy(points):
        return points[:, 0] ** 2

    energies, gradients = dynamics.energy_and_gradient(energy, x)
    for _ in range(15):
        noise, log_uniforms = tensor(random.normal(size=(count, 1))), tensor(np.log(random.random(count)))
        x, energies, gradients, _ = dynamics.adjusted_step(energy, x, energies, gradients, noise, log_uniforms, sizes)
        free = dynamics.unadjusted_step(free, dynamics.energy_and_gradient(energy, free)[1], noise, sizes)
    assert array(x).var() == pytest.approx(0.5, rel=0.03)
    assert array(free).var() == pytest.approx(0.5 / (1 - eps * 2 / 4), rel=0.03)


def test_a_proposal_without_a_finite_energy_is_refused():
    def wall(z):
        return ops.where(z[:, 0] > 1.0, np.inf, z[:, 0])

    start = tensor([[0.9]])
    energies, gradients = dynamics.energy_and_gradient(wall, start)
    moved, _, _, chance = dynamics.adjusted_step(
        wall, start, energies, gradients, tensor([[3.0]]), tensor([-1e9]), tensor([0.2])
    )
    assert array(moved).tolist() == array(start).tolist() and array(chance).tolist() == [0.0]


@pytest.mark.parametrize(("slope", "expected"), [(0.02, 0.3224), (1.0, 0.303)])
def test_a_short_run_step_adds_the_noise_and_then_goes_down_the_clipped_gradient(slope, expected):
    x, noise = tensor([[[[0.4]]]]), tensor([[[[0.003]]]])
    moved, _, _ = dynamics.short_run_step(lambda x: slope / 2 * ops.sum(x**2, axis=(1, 2, 3)), x, noise, 10.0, 0.01)
    np.testing.assert_allclose(array(moved).item(), expected, rtol=1e-5)


@pytest.mark.parametrize(("clip", "expected"), [(None, (0.2, 0.9, 0.305, 0.39)), (0.01, (0.2, 0.9, 0.41, 0.58))])
def test_pixels_outside_of_the_mask_stay(clip, expected):
    shape = (1, 2, 2, 1)
    x, free = tensor([0.2, 0.9, 0.5, 0.7]), tensor([0, 0, 1, 1])
    noise = tensor([0.01, 0.01, 0.01, -0.02])
    x, free, noise = (ops.reshape(each, shape) for each in (x, free, noise))
    moved, _, gradients = dynamics.short_run_step(
        lambda x: 0.025 * ops.sum((x - 0.1) ** 2, axis=(1, 2, 3)), x, noise, 10.0, clip, free
    )
    np.testing.assert_allclose(array(moved).reshape(-1), expected, rtol=1e-5)
    np.testing.assert_allclose(array(gradients).reshape(-1)[:2], [0.005, 0.04], rtol=1e-5)


def test_short_runs_have_their_stationary_variance():
    random, step, noise_std, count = np.random.default_rng(1), 10.0, 0.005, 4000
    x = tensor(np.full((count, 1, 1, 1), 0.5))
    for _ in range(30):
        noise = tensor(noise_std * random.normal(size=(count, 1, 1, 1)))
        x, _, _ = dynamics.short_run_step(
            lambda x: 0.01 * ops.sum((x - 0.5) ** 2, axis=(1, 2, 3)), x, noise, step, None
        )
    assert array(x).var() == pytest.approx(4.444444e-5, rel=0.08)
