"""Distances between many points: found in float32, decided in float64, in blocks of bounded memory."""

import numpy as np

BLOCK = 1000  # rows of one block of distances: memory is BLOCK times the samples, never samples times samples
SPARE = 4  # neighbours beyond the k-th that are compared again in float64
PAIRS = 20_000  # pairs recomputed together


class Points:
    """Features with their float32 form, centred by a given mean."""

    def __init__(self, values, centre):
        self.exact = values
        self.single = (values - centre).astype(np.float32)
        self.squares = np.einsum("ij,ij->i", self.single, self.single)

    def __len__(self):
        return len(self.exact)


def approximate(rows, points, others):
    """Returns float32 squared distances of a slice of `points` to all `others`."""
    distances = points.single[rows] @ others.single.T
    distances *= -2
    distances += points.squares[rows][:, None]
    distances += others.squares
    return distances


def exact_distances(points, rows, others, columns):
    """Returns float64 squared distances of pairs."""
    result = np.empty(len(rows))
    for start in range(0, len(rows), PAIRS):
        part = slice(start, start + PAIRS)
        differences = points.exact[rows[part]].astype(np.float64) - others.exact[columns[part]]
        result[part] = np.einsum("ij,ij->i", differences, differences)
    return result


def squared_radii(points, k):
    """Returns (n,) float64: the squared distance of each point to its k-th nearest other one."""
    radii = np.empty(len(points))
    candidates = min(k + SPARE, len(points) - 1)
    for start in range(0, len(points), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(points)))
        distances = approximate(slice(rows[0], rows[-1] + 1), points, points)
        distances[np.arange(len(rows)), rows] = np.inf
        few = np.argpartition(distances, candidates - 1, axis=1)[:, :candidates]
        exact = exact_distances(points, np.repeat(rows, candidates), points, few.ravel()).reshape(len(rows), candidates)
        radii[rows] = np.sort(exact, axis=1)[:, k - 1]
    return radii


def nearest(points, others):
    """Returns `(distances, indices)`, (n,) each: the Euclidean distance to the nearest of `others`, and which it is."""
    distances, indices = np.empty(len(points)), np.empty(len(points), np.int64)
    candidates = min(1 + SPARE, len(others))
    for start in range(0, len(points), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(points)))
        found = approximate(slice(rows[0], rows[-1] + 1), points, others)
        few = np.argpartition(found, candidates - 1, axis=1)[:, :candidates]
        exact = exact_distances(points, np.repeat(rows, candidates), others, few.ravel()).reshape(few.shape)
        best = exact.argmin(axis=1)
        place = np.arange(len(rows))
        distances[rows], indices[rows] = np.sqrt(exact[place, best]), few[place, best]
    return distances, indices
