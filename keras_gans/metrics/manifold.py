"""Precision and recall (Kynkaanniemi et al., 2019, arXiv:1904.06991), density and coverage (Naeem et al., 2020,
arXiv:2002.09797).

Both surround every sample of a set by a ball that reaches to its k-th nearest other sample of that set (itself is left
out by index, so that a duplicate is a neighbour at distance 0). With radii r of the real x and s of the generated y:

    precision   share of y_j in the ball of some x_i, |y_j - x_i| <= r_i
    recall      the same with the sides exchanged
    density     1 / (k m) #{(i, j): |y_j - x_i| < r_i}
    coverage    share of x_i whose ball holds some y_j

Distances are found in float32, block by block, after the mean of the real features is taken away, and every one that
float32 cannot decide is computed again in float64 from the differences: the results are the exact ones, ties included.
"""

import typing

import numpy as np

from keras_gans import checks
from keras_gans.metrics import feature_arrays, pairwise


class PrecisionRecall(typing.NamedTuple):
    """`precision`: how much of what is generated looks real; `recall`: how much of the data is generated; in [0, 1]."""

    precision: float
    recall: float


class DensityCoverage(typing.NamedTuple):
    """`density`: at least 0, may exceed 1; `coverage`: in [0, 1]."""

    density: float
    coverage: float


def _inside(distances, limits, start, points, others, tolerance, strict):
    """Returns whether each squared distance of a block is below its limit, in doubt by float64 arithmetic."""
    limits = np.broadcast_to(limits, distances.shape)
    inside = distances < limits if strict else distances <= limits
    rows, columns = np.nonzero(np.abs(distances - limits) <= tolerance)
    exact, limit = pairwise.exact_distances(points, rows + start, others, columns), limits[rows, columns]
    inside[rows, columns] = exact < limit if strict else exact <= limit
    return inside


def _prepared(real, fake, k):
    real, fake = feature_arrays.pair(real=real, fake=fake)
    k = checks.positive_integer("k", k)
    if k >= min(len(real), len(fake)):
        raise ValueError(
            f"`k` must be less than the number of samples, {min(len(real), len(fake))}: a sample has that many others. "
            f"{checks.received(k=k)}"
        )
    centre = real.mean(axis=0, dtype=np.float64)
    x, y = pairwise.Points(real, centre), pairwise.Points(fake, centre)
    tolerance = 4e-7 * np.sqrt(real.shape[1]) * max(float(x.squares.max()), float(y.squares.max()))
    return x, y, k, tolerance


def precision_recall(*, real, fake, k=3, strict=False):
    """Returns the improved precision and recall of generated features.

    Args:
        real: Features (n, d).
        fake: Features (m, d) of generated samples.
        k: Neighbour to which the balls reach, default 3; less than n and m.
        strict: Whether the border of a ball is outside (`<`, as in prdc) or inside (`<=`, the default).

    Returns:
        A `PrecisionRecall`.

    Raises:
        TypeError, ValueError: fewer than two samples, NaN (which row), different dimensions, k not less than the sets.

    Reference: Kynkaanniemi et al., 2019, arXiv:1904.06991.
    """
    x, y, k, tolerance = _prepared(real, fake, k)
    real_radii, fake_radii = pairwise.squared_radii(x, k), pairwise.squared_radii(y, k)
    precise, recalled = np.zeros(len(y), bool), np.zeros(len(x), bool)
    for start in range(0, len(y), pairwise.BLOCK):
        rows = slice(start, min(start + pairwise.BLOCK, len(y)))
        distances = pairwise.approximate(rows, y, x)
        precise[rows] = _inside(distances, real_radii[None], start, y, x, tolerance, strict).any(axis=1)
        recalled |= _inside(distances, fake_radii[rows, None], start, y, x, tolerance, strict).any(axis=0)
    return PrecisionRecall(float(precise.mean()), float(recalled.mean()))


def density_coverage(*, real, fake, k=5, strict=True):
    """Returns the density and coverage of generated features; for equal distributions density is 1 in the mean.

    Args:
        real: Features (n, d).
        fake: Features (m, d) of generated samples.
        k: Neighbour to which the balls of the real samples reach, default 5; less than n and m.
        strict: Whether the border of a ball is outside (`<`, the default) or inside.

    Returns:
        A `DensityCoverage`.

    Raises:
        TypeError, ValueError: fewer than two samples, NaN (which row), different dimensions, k not less than the sets.

    Reference: Naeem et al., 2020, arXiv:2002.09797.
    """
    x, y, k, tolerance = _prepared(real, fake, k)
    radii = pairwise.squared_radii(x, k)
    count, covered = 0, np.zeros(len(x), bool)
    for start in range(0, len(y), pairwise.BLOCK):
        rows = slice(start, min(start + pairwise.BLOCK, len(y)))
        inside = _inside(pairwise.approximate(rows, y, x), radii[None], start, y, x, tolerance, strict)
        count += int(inside.sum())
        covered |= inside.any(axis=0)
    return DensityCoverage(count / (k * len(y)), float(covered.mean()))
