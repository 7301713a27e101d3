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
from keras_gans.metrics import feature_arrays

BLOCK = 1000  # rows of one block of distances: memory is BLOCK times the samples, never samples times samples
SPARE = 4  # neighbours beyond the k-th that are compared again in float64
PAIRS = 20_000  # pairs recomputed together


class PrecisionRecall(typing.NamedTuple):
    """`precision`: how much of what is generated looks real; `recall`: how much of the data is generated; in [0, 1]."""

    precision: float
    recall: float


class DensityCoverage(typing.NamedTuple):
    """`density`: at least 0, may exceed 1; `coverage`: in [0, 1]."""

    density: float
    coverage: float


class _Points:
    """Features with their float32 form, centred by a given mean."""

    def __init__(self, values, centre):
        self.exact = values
        self.single = (values - centre).astype(np.float32)
        self.squares = np.einsum("ij,ij->i", self.single, self.single)

    def __len__(self):
        return len(self.exact)


def _approximate(rows, points, others):
    """Returns float32 squared distances of a slice of `points` to all `others`."""
    distances = points.single[rows] @ others.single.T
    distances *= -2
    distances += points.squares[rows][:, None]
    distances += others.squares
    return distances


def _exact(points, rows, others, columns):
    """Returns float64 squared distances of pairs."""
    result = np.empty(len(rows))
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        differences = points.exact[rows[part]].astype(np.float64) - others.exact[columns[part]]
        result[part] = np.einsum("ij,ij->i", differences, differences)
    return result


def _squared_radii(points, k):
    """Returns (n,) float64: the squared distance of each point to its k-th nearest other one."""
    radii = np.empty(len(points))
    candidates = min(k + SPARE, len(points) - 1)
    for start in range(0, len(points), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(points)))
        distances = _approximate(slice(rows[0], rows[-1] + 1), points, points)
        distances[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(distances, candidates - 1, axis=1)[:, :candidates]
        exact = _exact(points, np.repeat(rows, candidates), points, nearest.ravel()).reshape(len(rows), candidates)
        radii[rows] = np.sort(exact, axis=1)[:, k - 1]
    return radii


def _inside(distances, limits, start, points, others, tolerance, strict):
    """Returns whether each squared distance of a block is below its limit, in doubt by float64 arithmetic."""
    limits = np.broadcast_to(limits, distances.shape)
    inside = distances < limits if strict else distances <= limits
    rows, columns = np.nonzero(np.abs(distances - limits) <= tolerance)
    exact, limit = _exact(points, rows + start, others, columns), limits[rows, columns]
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
    x, y = _Points(real, centre), _Points(fake, centre)
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
    real_radii, fake_radii = _squared_radii(x, k), _squared_radii(y, k)
    precise, recalled = np.zeros(len(y), bool), np.zeros(len(x), bool)
    for start in range(0, len(y), BLOCK):
        rows = slice(start, min(start + BLOCK, len(y)))
        distances = _approximate(rows, y, x)
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
    radii = _squared_radii(x, k)
    count, covered = 0, np.zeros(len(x), bool)
    for start in range(0, len(y), BLOCK):
        rows = slice(start, min(start + BLOCK, len(y)))
        inside = _inside(_approximate(rows, y, x), radii[None], start, y, x, tolerance, strict)
        count += int(inside.sum())
        covered |= inside.any(axis=0)
    return DensityCoverage(count / (k * len(y)), float(covered.mean()))
