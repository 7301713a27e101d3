"""Distances between many points: found in float32, decided in float64, in blocks of bounded memory."""

import numpy as np

BLOCK = 1000  # rows of one block of distances: memory is BLOCK times the samples, never samples times samples
SPARE = 4  # neighbours beyond the k-th that are compared again in float64
ENTRIES = 2**21  # numbers of pairs recomputed together
ROUNDING = 4e-7  # relative error of a float32 squared distance, per root of the dimension


class Points:
    """Features with their float32 form: centred, and divided by `scale` so that no square over- or underflows.

    Attributes:
        exact, single: The features (n, d) as they came, and in float32.
        squares: (n,) float32, squared norms of the rows of `single`.
        scale: What they were divided by.
        tolerance: Bound of the error of `approximate` between all `prepared` together.
    """

    def __init__(self, values, centre, scale):
        self.exact, self.scale = values, scale
        self.single = np.empty(values.shape, np.float32)
        for start in range(0, len(values), BLOCK):  # float64 in pieces
            part = slice(start, start + BLOCK)
            self.single[part] = (values[part] - centre) / scale
        self.squares = np.einsum("ij,ij->i", self.single, self.single)

    def __len__(self):
        return len(self.exact)


def prepared(first, *others):
    """Returns the `Points` of each array of features, around the mean of the first and in a common scale."""
    centre = first.mean(axis=0, dtype=np.float64)
    largest = max(
        float(np.abs(values[start : start + BLOCK] - centre).max())
        for values in (first, *others)
        for start in range(0, len(values), BLOCK)
    )
    found = tuple(Points(values, centre, largest or 1.0) for values in (first, *others))
    tolerance = ROUNDING * np.sqrt(first.shape[1]) * max(float(points.squares.max()) for points in found)
    for points in found:
        points.tolerance = tolerance
    return found


def approximate(rows, points, others, columns=slice(None)):
    """Returns float32 squared distances, divided by scale^2, of a slice of `points` to a slice of `others`."""
    distances = points.single[rows] @ others.single[columns].T
    distances *= -2
    distances += points.squares[rows][:, None]
    distances += others.squares[columns]
    return distances


def exact_distances(points, rows, others, columns):
    """Returns float64 squared distances of pairs."""
    result = np.empty(len(rows))
    together = max(1, ENTRIES // points.exact.shape[1])
    for start in range(0, len(rows), together):
        part = slice(start, start + together)
        differences = points.exact[rows[part]].astype(np.float64) - others.exact[columns[part]]
        result[part] = np.einsum("ij,ij->i", differences, differences)
    return result


def smallest(distances, count):
    """Returns the columns (n, count) of the `count` smallest entries of each row, in no order."""
    if count == distances.shape[1]:
        return np.broadcast_to(np.arange(count), distances.shape)
    bound = np.partition(distances, count - 1, axis=1)[:, count - 1]
    columns = np.nonzero(distances <= bound[:, None])[1]  # faster than argpartition
    if len(columns) == count * len(distances):
        return columns.reshape(-1, count)
    return np.argpartition(distances, count - 1, axis=1)[:, :count]  # ties


def squared_radii(points, ks):
    """Returns `{k: (n,) float64}`, the squared distance of each point to its k-th nearest other one.

    Every tile of distances serves its rows and its columns: half of the products.
    """
    count = min(max(ks) + SPARE, len(points) - 1)
    values = np.full((len(points), count), np.inf, np.float32)
    columns = np.zeros((len(points), count), np.int64)

    def offer(rows, distances, offset):
        """Keeps the nearest of those known and of a tile whose columns are counted from `offset`."""
        found = smallest(distances, min(count, distances.shape[1]))
        both = np.concatenate([values[rows], np.take_along_axis(distances, found, axis=1)], axis=1)
        best = np.argpartition(both, count - 1, axis=1)[:, :count]
        values[rows] = np.take_along_axis(both, best, axis=1)
        columns[rows] = np.take_along_axis(np.concatenate([columns[rows], found + offset], axis=1), best, axis=1)

    for start in range(0, len(points), BLOCK):
        rows = slice(start, start + BLOCK)
        for other in range(0, start + 1, BLOCK):
            distances = approximate(rows, points, points, slice(other, other + BLOCK))
            if other == start:
                np.fill_diagonal(distances, np.inf)
            else:
                offer(slice(other, other + BLOCK), np.ascontiguousarray(distances.T), start)
            offer(rows, distances, other)
    return {k: _kth(points, values, columns, k) for k in ks}


def _kth(points, values, columns, k):
    """Returns the exact squared distance of the k-th nearest of candidates (n, count), `values` by float32."""
    kth = np.partition(values, k - 1, axis=1)[:, k - 1, None].astype(np.float64)
    exact = np.where(values < kth - 2 * points.tolerance, -1.0, np.inf)  # nearer than the k-th in any case, or farther
    rows, places = np.nonzero(np.abs(values - kth) <= 2 * points.tolerance)
    exact[rows, places] = exact_distances(points, rows, points, columns[rows, places])
    return np.partition(exact, k - 1, axis=1)[:, k - 1]


def nearest(points, others):
    """Returns `(distances, indices)`, (n,) each: the Euclidean distance to the nearest of `others`, and which it is."""
    distances, indices = np.empty(len(points)), np.empty(len(points), np.int64)
    candidates = min(1 + SPARE, len(others))
    for start in range(0, len(points), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(points)))
        few = smallest(approximate(slice(rows[0], rows[-1] + 1), points, others), candidates)
        exact = exact_distances(points, np.repeat(rows, candidates), others, few.ravel()).reshape(few.shape)
        best = exact.argmin(axis=1)
        place = np.arange(len(rows))
        distances[rows], indices[rows] = np.sqrt(exact[place, best]), few[place, best]
    return distances, indices
