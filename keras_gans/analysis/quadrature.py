"""Nodes and weights on [0, 1]: the rules by which integrated gradients approximate their integral."""

import functools

import numpy as np
from scipy.special import roots_legendre

from keras_gans import checks

RULES = ("gauss_legendre", "midpoint", "trapezoid", "left", "right")


@functools.lru_cache(maxsize=64)
def nodes_and_weights(rule, count):
    """Returns `(nodes, weights)`, float64 arrays, the weights of sum 1.

    Args:
        rule: `"gauss_legendre"`, exact for polynomials of degree 2 count - 1; the Riemann sums `"midpoint"`, `"left"`
            and `"right"` (the formula of arXiv:1703.01365); `"trapezoid"`, of count intervals and so count + 1 nodes.
        count: Number of nodes, at least 1.
    """
    checks.one_of("rule", rule, RULES)
    k = np.arange(count)
    if rule == "gauss_legendre":
        nodes, weights = roots_legendre(count)  # of [-1, 1]
        return (nodes + 1.0) / 2.0, weights / 2.0
    if rule == "trapezoid":
        weights = np.full(count + 1, 1.0 / count)
        weights[[0, -1]] /= 2.0
        return np.arange(count + 1) / count, weights
    offset = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[rule]
    return (k + offset) / count, np.full(count, 1.0 / count)
