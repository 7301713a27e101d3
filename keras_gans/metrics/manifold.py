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


class PRDC(typing.NamedTuple):
    """`PrecisionRecall` and `DensityCoverage` in one."""

    precision: float
    recall: float
    density: float
    coverage: float


class _Limits:
    """Squared radii and between which two float32 numbers float32 distances cannot decide."""

    def __init__(self, squared, points, strict):
        self.squared, self.strict = squared, strict
        scaled = squared / points.scale / points.scale
        self.low = np.nextafter((scaled - points.tolerance).astype(np.float32), np.float32(-np.inf))
        self.high = np.nextafter((scaled + points.tolerance).astype(np.float32), np.float32(np.inf))

    def inside(self, distances, start, points, others, by_row):
        """Returns whether each distance of a block is below its limit, in doubt by float64 arithmetic.

        Args:
            distances: Block of `pairwise.approximate`, whose first row is number `start`.
            start, points, others: See `pairwise`.
            by_row: Whether the limits belong to the rows of the block rather than to its columns.
        """
        part = (slice(start, start + len(distances)), None) if by_row else (None, slice(None))
        inside = distances < self.low[part]
        rows, columns = np.nonzero((distances <= self.high[part]) != inside)
        if len(rows):
            exact = pairwise.exact_distances(points, rows + start, others, columns)
            limits = self.squared[rows + start if by_row else columns]
            inside[rows, columns] = exact < limits if self.strict else exact <= limits
        return inside


def _compared(real, fake, precision=None, density=None):
    """Returns `(PrecisionRecall or None, DensityCoverage or None)` from one pass over all distances.

    Args:
        real, fake: Features.
        precision, density: `(k, strict)` of the two, or None for what is not wanted.
    """
    real, fake = feature_arrays.pair(real=real, fake=fake)
    for k, _ in filter(None, (precision, density)):
        if checks.positive_integer("k", k) >= min(len(real), len(fake)):
            raise ValueError(
                f"`k` must be less than the number of samples, {min(len(real), len(fake))}: a sample has that many "
                f"others. {checks.received(k=k)}"
            )
    x, y = pairwise.prepared(real, fake)
    radii = pairwise.squared_radii(x, {k for k, _ in filter(None, (precision, density))})
    precise, recalled, covered, count = np.zeros(len(y), bool), np.zeros(len(x), bool), np.zeros(len(x), bool), 0
    if precision:
        k, strict = precision
        real_balls = _Limits(radii[k], x, strict)
        fake_balls = _Limits(pairwise.squared_radii(y, {k})[k], y, strict)
    if density:
        dense_balls = _Limits(radii[density[0]], x, density[1])
    for start in range(0, len(y), pairwise.BLOCK):
        rows = slice(start, start + pairwise.BLOCK)
        distances = pairwise.approximate(rows, y, x)
        if precision:
            precise[rows] = real_balls.inside(distances, start, y, x, by_row=False).any(axis=1)
            recalled |= fake_balls.inside(distances, start, y, x, by_row=True).any(axis=0)
        if density:
            inside = dense_balls.inside(distances, start, y, x, by_row=False)
            count += int(np.count_nonzero(inside))
            covered |= inside.any(axis=0)
    return (
        PrecisionRecall(float(precise.mean()), float(recalled.mean())) if precision else None,
        DensityCoverage(count / (density[0] * len(y)), float(covered.mean())) if density else None,
    )


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
    return _compared(real, fake, precision=(k, strict))[0]


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
    return _compared(real, fake, density=(k, strict))[1]


def prdc(*, real, fake, precision_k=3, density_k=5):
    """Returns `precision_recall` and `density_coverage` from one pass over the distances: half of the time.

    Args:
        real: Features (n, d).
        fake: Features (m, d) of generated samples.
        precision_k: The k of precision and recall, default 3. The border of a ball is inside.
        density_k: The k of density and coverage, default 5. The border of a ball is outside.

    Returns:
        A `PRDC`.

    Raises:
        TypeError, ValueError: As `precision_recall`.
    """
    precision, density = _compared(real, fake, precision=(precision_k, False), density=(density_k, True))
    return PRDC(*precision, *density)
