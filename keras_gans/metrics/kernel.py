"""Kernel distance, KID (Binkowski et al., 2018, arXiv:1801.01401): an unbiased squared MMD between feature sets.

With k(u, v) = (u.v / d + 1)^3, n real features x and m generated ones y:

    sum_{i != j} k(x_i, x_j) / (n (n-1)) + sum_{i != j} k(y_i, y_j) / (m (m-1)) - 2 sum_ij k(x_i, y_j) / (n m)

It is unbiased at any sizes, so that it can be negative; nothing is clipped.
"""

import typing

import numpy as np

from keras_gans import checks
from keras_gans.metrics import feature_arrays

ESTIMATORS = ("subsets", "blocks", "full")
BLOCK = 2048  # rows and columns of one kernel block
PIECE = 128  # rows of it that are cubed at once
LARGEST = 1e12  # |u|^2 / d up to which cubes fit into float32
FARTHEST = 100.0  # |mean|^2 over the variance up to which float32 products keep the digits of the distance


class KernelDistance(typing.NamedTuple):
    """`mean`, `std` over the subsets or blocks (ddof 0; nan for `"full"`), and the `estimator` that gave them."""

    mean: float
    std: float
    estimator: str


def _cubes(products):
    """Returns the float64 sum of (p + 1)^3 over a matrix, in pieces that stay in the cache."""
    total = 0.0
    for start in range(0, len(products), PIECE):
        piece = products[start : start + PIECE] + products.dtype.type(1)
        cubes = piece * piece
        cubes *= piece
        total += float(cubes.sum(dtype=np.float64))
    return total


def _kernel_sum(u, v):
    """Returns the sum of k over all pairs of rows of `u` and `v`, without those of a row with itself if `u` is `v`."""
    total = 0.0
    for start in range(0, len(u), BLOCK):
        rows = u[start : start + BLOCK]
        if u is not v:
            total += sum(_cubes(rows @ v[other : other + BLOCK].T) for other in range(0, len(v), BLOCK))
            continue
        products = rows @ rows.T  # of an array with itself: half of the work
        diagonal = (np.diagonal(products).astype(np.float64) + 1) ** 3
        total += _cubes(products) - float(diagonal.sum())
        total += 2 * sum(_cubes(rows @ u[other : other + BLOCK].T) for other in range(0, start, BLOCK))
    return total


def _squared_mmd(x, y):
    n, m = len(x), len(y)
    return _kernel_sum(x, x) / (n * (n - 1)) + _kernel_sum(y, y) / (m * (m - 1)) - 2 * _kernel_sum(x, y) / (n * m)


def _scaled(*sides):
    """Returns the features over sqrt(d), so that products are u.v / d, in a type that keeps the distance's digits.

    float32 holds the cubes of small features only, and a common offset that is large against their spread makes the
    distance a small difference of large k: then it is float64.
    """
    squares = [np.einsum("ij,ij->i", side, side, dtype=np.float64) for side in sides]
    means = [side.mean(axis=0, dtype=np.float64) for side in sides]
    offsets = [float(mean @ mean) for mean in means]
    spreads = [max(float(square.mean()) - offset, 0.0) for square, offset in zip(squares, offsets, strict=True)]
    narrow = (
        all(side.dtype.itemsize <= 4 for side in sides)
        and max(float(square.max()) for square in squares) / sides[0].shape[1] < LARGEST
        and max(offsets) <= FARTHEST * min(spreads)
    )
    kind = np.float32 if narrow else np.float64
    return [side.astype(kind, copy=False) * kind(1 / np.sqrt(side.shape[1])) for side in sides]


def kernel_distance(*, real, fake, estimator="subsets", subsets=100, subset_size=1000, seed=0):
    """Kernel distance between two sets of features; 0 in the mean for samples of one distribution.

    float32 features are multiplied in float32, with an error of about 1e-7 of k, unless they have a common offset that
    is large against their spread: the distance is then a small difference of large k, and float64 is used.

    Args:
        real: Features (n, d).
        fake: Features (m, d) of generated samples.
        estimator: `"subsets"` (default, the published one): mean over random subsets without replacement;
            `"blocks"`: over disjoint blocks of a random order, a tenth of the cost; `"full"`: one from all pairs.
        subsets: Number of subsets, default 100.
        subset_size: Samples of each side in a subset or block, default 1,000; at most n and m.
        seed: Integer that fixes the subsets and the order of the blocks.

    Returns:
        A `KernelDistance`. The std is that between subsets, not a standard error.

    Raises:
        TypeError, ValueError: fewer than two samples, NaN, different dimensions, a subset larger than a set.

    Reference: Binkowski et al., 2018, arXiv:1801.01401.
    """
    real, fake = feature_arrays.pair(real=real, fake=fake)
    checks.one_of("estimator", estimator, ESTIMATORS)
    real, fake = _scaled(real, fake)
    if estimator == "full":
        return KernelDistance(float(_squared_mmd(real, fake)), float("nan"), estimator)
    size = checks.positive_integer("subset_size", subset_size, minimum=2)
    if size > min(len(real), len(fake)):
        raise ValueError(
            f"`subset_size` must be at most the number of samples, {min(len(real), len(fake))}. "
            f"{checks.received(subset_size=subset_size)}"
        )
    rng = np.random.default_rng(seed)
    if estimator == "subsets":
        chosen = [
            (rng.choice(len(real), size, replace=False), rng.choice(len(fake), size, replace=False))
            for _ in range(checks.positive_integer("subsets", subsets))
        ]
    else:
        orders = rng.permutation(len(real)), rng.permutation(len(fake))
        starts = range(0, min(map(len, orders)) - size + 1, size)
        chosen = [tuple(order[start : start + size] for order in orders) for start in starts]
    x, y = (np.empty((size, side.shape[1]), side.dtype) for side in (real, fake))  # the same memory for all of them
    values = []
    for rows, others in chosen:
        np.take(real, rows, axis=0, out=x, mode="clip")
        np.take(fake, others, axis=0, out=y, mode="clip")
        values.append(_squared_mmd(x, y))
    return KernelDistance(float(np.mean(values)), float(np.std(values)), estimator)
