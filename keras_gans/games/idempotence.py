"""The terms of IGN (Shocher et al., 2023, arXiv:2311.01462): functions of drifts and distances (n,), per sample."""

from keras import ops

from keras_gans import checks
from keras_gans.engine import mean

SMALLEST_YARDSTICK = 1e-6


def distances(first, second, kind):
    """Returns d (n,): the mean over all pixels of the absolute (l1) or squared (l2) difference of two images."""
    checks.same_shape(first=first, second=second)
    differences = ops.abs(first - second) if kind == "l1" else ops.square(first - second)
    return ops.mean(differences, axis=tuple(range(1, len(first.shape))))


def clamped(frozen, reference, clamp_ratio):
    """Returns `(c tanh(B / c), B / c)` of drifts B and of what `clamp_ratio` times is the yardstick c."""
    yardstick = ops.stop_gradient(ops.maximum(clamp_ratio * reference, SMALLEST_YARDSTICK))
    level = frozen / yardstick
    return yardstick * ops.tanh(level), level


def network_loss(reconstruction, live, frozen, tightness, weights):
    """Returns the scalar that is differentiated, from delta(x), A, B, all (n,), and c tanh(B / c), by three weights."""
    checks.same_shape(reconstruction=reconstruction, live=live, frozen=frozen)
    return weights[0] * mean(reconstruction) + weights[1] * mean(live - frozen) - weights[2] * mean(tightness)
