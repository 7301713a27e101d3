"""Exact nearest neighbours among many points, in blocks of bounded memory: found in float32, decided in float64.

For queries q and candidates s, both around the mean of the queries (squares of large norms would cancel),

    argmin_j |q - s_j|^2 = argmax_j (q . s_j - |s_j|^2 / 2)

which is one matrix product, with the second term as one more coordinate. The products carry the rounding of float32:
all candidates within its bound of the best are compared again, by their differences in float64. Of equal distances the
lowest index wins, so that the result depends neither on the blocks nor on the order of the sums. The cost is n m d
multiplications for n queries and m candidates of d numbers; the memory that of one block of products.
"""

import numpy as np

ROWS, COLUMNS = 512, 4096  # of a block of products: 8 MB, which stays in the cache while it is looked through
FEW = 32  # candidates of one row and block that are compared one by one; more are compared by products in float64
SINGLE, DOUBLE = 2.0**-24, 2.0**-53  # rounding of one operation


def nearest(queries, candidates):
    """Returns `(indices, squared_distances)` of the candidate nearest to every query.

    Args:
        queries: Array (n, d).
        candidates: Array (m, d), m at least 1. Rows that are not finite are nearest to nothing; where no row is finite,
            the index is 0 and the distance NaN, as it is for a query that is not finite.

    Returns:
        int64 indices (n,), the lowest of equally near ones, and float64 squared Euclidean distances (n,).
    """
    left, right = _Points(queries), _Points(candidates)
    centre = left.exact[left.finite].mean(axis=0, dtype=np.float64) if left.finite.any() else 0.0
    scale = max(left.centred(centre), right.centred(centre)) or 1.0
    left.prepare(scale, last=1.0)
    right.prepare(scale)
    indices, distances = np.zeros(len(left.exact), np.int64), np.full(len(left.exact), np.inf)
    for start in range(0, len(left.exact), ROWS):
        _search(left, right, slice(start, start + ROWS), indices[start : start + ROWS], distances[start : start + ROWS])
    distances[~left.finite | np.isinf(distances)] = np.nan
    return indices, distances


class _Points:
    """Points as they came, `exact`, and in float32, centred and scaled, with one more coordinate."""

    def __init__(self, values):
        self.exact = np.asarray(values)
        self.finite = np.isfinite(self.exact).all(axis=1)

    def centred(self, centre):
        """Moves the points around a centre and returns their largest coordinate."""
        self.centre = centre
        self.around = np.where(self.finite[:, None], self.exact - centre, 0.0)  # float64
        return float(np.abs(self.around).max(initial=0.0))

    def prepare(self, scale, last=None):
        """Makes the float32 form, whose last coordinate is `last`, or minus half of the squared norm."""
        self.around /= scale
        squares = np.einsum("ij,ij->i", self.around, self.around)
        self.norms = np.sqrt(squares)
        self.bias = np.where(self.finite, -squares / 2.0, -np.inf) if last is None else np.full(len(squares), last)
        self.single = np.concatenate([self.around, self.bias[:, None]], axis=1).astype(np.float32)


def _search(left, right, rows, indices, distances):
    """Finds the nearest candidates of a slice of the queries and writes them into `indices` and `distances`."""
    best = np.full(len(indices), -np.inf, np.float32)
    factor = 2.0 * (left.exact.shape[1] + 8) * SINGLE
    for start in range(0, len(right.exact), COLUMNS):
        columns = slice(start, start + COLUMNS)
        products = left.single[rows] @ right.single[columns].T
        highest = products.max(axis=1)
        longest = right.norms[columns].max()
        slack = factor * (left.norms[rows] * longest + longest**2 / 2.0) + np.finfo(np.float32).tiny
        np.maximum(best, highest, out=best)
        near = np.flatnonzero((highest >= best - slack) & (highest > -np.inf))  # the others have no new candidate
        hits = products[near] >= (best - slack)[near, None]
        counts = np.count_nonzero(hits, axis=1)
        many = counts > FEW
        pairs, found = np.nonzero(hits[~many])
        _decide(left, right, rows, near[~many][pairs], found + start, indices, distances)
        if many.any():
            double = left.around[rows][near[many]] @ right.around[columns].T + right.bias[columns]
            double[~hits[many]] = -np.inf
            bound = double.max(axis=1) - factor / SINGLE * DOUBLE * (
                left.norms[rows][near[many]] * longest + longest**2
            )
            first = np.argmax(double >= bound[:, None], axis=1)
            _decide(left, right, rows, near[many], first + start, indices, distances)


def _decide(left, right, rows, places, candidates, indices, distances):
    """Compares pairs, in the order of the candidates, with what is known, by their differences in float64."""
    differences = left.exact[rows][places].astype(np.float64) - right.exact[candidates]
    exact = np.einsum("ij,ij->i", differences, differences)
    order = np.lexsort((candidates, exact, places))
    places, candidates, exact = places[order], candidates[order], exact[order]
    first = np.concatenate([[True], places[1:] != places[:-1]]) if len(places) else np.zeros(0, bool)
    places, candidates, exact = places[first], candidates[first], exact[first]
    nearer = exact < distances[places]  # not of equal ones: those before have the lower index
    indices[places[nearer]], distances[places[nearer]] = candidates[nearer], exact[nearer]


def match(codes, outputs, epsilon=0.0):
    """Returns for every code the index of the output nearest to it: the matching of implicit maximum likelihood.

    Args:
        codes: Array (n, d).
        outputs: Array (m, d) of a generator.
        epsilon: Outputs closer than this to a code are left out (RS-IMLE, Vashist et al., 2024, arXiv:2409.17439), so
            that training sees the far ones that are rarely drawn; default 0 for none.

    Returns:
        `(indices, squared_distances)`, int64 and float64 (n,).

    Raises:
        ValueError: All outputs are closer than `epsilon` to a code.
    """
    if not epsilon:
        return nearest(codes, outputs)
    kept = np.flatnonzero(~(nearest(outputs, codes)[1] < epsilon**2))
    if not len(kept):
        raise ValueError(
            f"`epsilon` must be smaller: all {len(outputs)} outputs lie closer than it to the data. "
            f"Received: epsilon={epsilon:g}."
        )
    indices, distances = nearest(codes, np.asarray(outputs)[kept])
    return kept[indices], distances
