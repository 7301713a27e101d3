"""Langevin dynamics: steps down an energy with noise, exact by acceptance (MALA) or short and approximate.

With V an energy (low = likely), g its gradient, n ~ N(0, I):

    unadjusted  x' = x - (eps / 2) g(x) + sqrt(eps) n                      its law differs from exp(-V) by O(eps)
    adjusted    the same x', accepted where log u < log r, u ~ U(0, 1),    exact for every eps
                log r = V(x) - V(x') - (|x - x' + (eps/2) g(x')|^2 - |x' - x + (eps/2) g(x)|^2) / (2 eps)
    short-run   x <- x + sigma n;  x <- clip(x - s clip(g(x), -c, c), 0, 1)   for energy-based models of images: step s
                and noise sigma are chosen independently, far from temperature 1 (arXiv:1903.08689)

Public sources have three other forms of log r: with eps in place of eps / 2 in the density of the proposal, without the
proposal's correction, and without the squares of the norms. None of them leaves exp(-V) as it is.
"""

from keras import ops

from keras_gans.engine import value_and_input_pullback


def _rows(values, like):
    """Returns values (n,) in a shape that multiplies rows of `like` (n, ...)."""
    return ops.reshape(values, (-1,) + (1,) * (len(like.shape) - 1))


def _squares(differences):
    return ops.sum(ops.square(differences), axis=tuple(range(1, len(differences.shape))))


def energy_and_gradient(energy, points):
    """Returns `energy(points)` (n,) and its gradient per sample (n, ...), of one pass, as constants."""
    energies, pullback = value_and_input_pullback(energy, points)
    return ops.stop_gradient(energies), ops.stop_gradient(pullback(ops.ones_like(energies)))


def unadjusted_step(points, gradients, noise, step_sizes):
    """Returns where points go in one unadjusted step.

    Args:
        points: (n, ...).
        gradients: Those of the energy at the points, (n, ...).
        noise: N(0, 1) numbers (n, ...).
        step_sizes: eps of each sample, (n,).
    """
    sizes = _rows(step_sizes, points)
    return points - sizes / 2 * gradients + ops.sqrt(sizes) * noise


def log_acceptance(points, energies, gradients, proposed, proposed_energies, proposed_gradients, step_sizes):
    """Returns log r (n,): a proposal is accepted with probability min(1, r).

    Args:
        points, proposed: Where the samples are and where they would go, (n, ...).
        energies, proposed_energies: V at both, (n,).
        gradients, proposed_gradients: Its gradients at both, (n, ...).
        step_sizes: eps of each sample, (n,).
    """
    half = _rows(step_sizes, points) / 2
    back = _squares(points - proposed + half * proposed_gradients)
    forth = _squares(proposed - points + half * gradients)
    return energies - proposed_energies - (back - forth) / (2 * step_sizes)


def adjusted_step(energy, points, energies, gradients, noise, log_uniforms, step_sizes):
    """Takes one step of MALA; the energy is evaluated once, at the proposals.

    Args:
        energy: Function, points (n, ...) -> energies (n,).
        points, energies, gradients: The present points, V and its gradient there.
        noise: N(0, 1) numbers (n, ...).
        log_uniforms: Logarithms (n,) of numbers from U(0, 1).
        step_sizes: eps of each sample, (n,).

    Returns:
        `(points, energies, gradients, acceptances)`: the new ones, and min(1, r), (n,).
    """
    proposed = unadjusted_step(points, gradients, noise, step_sizes)
    their_energies, their_gradients = energy_and_gradient(energy, proposed)
    log_ratios = log_acceptance(points, energies, gradients, proposed, their_energies, their_gradients, step_sizes)
    accepted = log_uniforms < log_ratios  # never where the proposal's energy is not finite
    at = _rows(accepted, points)
    acceptances = ops.exp(ops.minimum(log_ratios, 0.0))
    return (
        ops.where(at, proposed, points),
        ops.where(accepted, their_energies, energies),
        ops.where(at, their_gradients, gradients),
        ops.where(ops.isfinite(acceptances), acceptances, 0.0),
    )


def short_run_step(energy, images, noise, step_size, clip, free=1.0):
    """Takes one step of the sampler of energy-based models: noise first, then down the clipped gradient.

    Args:
        energy: Function, images (n, h, w, c) in [0, 1] -> energies (n,).
        images: (n, h, w, c) in [0, 1].
        noise: (n, h, w, c), with the deviation that is wanted.
        step_size: s, by which the gradient is multiplied.
        clip: c, the largest entry of the gradient, or None.
        free: 1 where pixels may move, 0 where they stay; default all.

    Returns:
        `(images, energies, gradients)`: the new images; energies (n,) and unclipped gradients where they were taken.
    """
    moved = images + noise * free
    energies, gradients = energy_and_gradient(energy, moved)
    slopes = gradients if clip is None else ops.clip(gradients, -clip, clip)
    return ops.clip(moved - step_size * slopes * free, 0.0, 1.0), energies, gradients
