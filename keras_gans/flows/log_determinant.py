"""The log-determinant of a residual map y = x + g(x), from products with the transposed Jacobian J of g.

    log det(I + J) = tr log(I + J) = sum over k of (-1)^(k+1)/k tr(J^k)         for |J| < 1; the determinant is positive
    tr(J^k) = E p' J^k p                                                        for p with independent entries +1 or -1

Estimators, of one forward pass of g and one probe p per sample (Behrmann et al., 2019, arXiv:1811.00995; Chen et al.,
2019, arXiv:1906.02735):

    "series"    the first n terms, differentiated as they stand
    "neumann"   the same value; its gradient is that of  sg(sum over k < n of (-1)^k J'^k p)' J p,  which has the same
                expectation, d tr(J^(k+1))/(k+1) = tr(J^k dJ), and needs one product with a gradient in place of n
    "roulette"  "neumann" with a random number N of terms, P(N >= k) = 2^-(k-2) from k = 3 on, and term k divided by
                P(N >= k): no bias from leaving out the rest, and a larger variance
    "exact"     log det(I + J) of the Jacobian itself, which takes D products: for tests and small D

Leaving out all terms after the n-th is a bias of at most D (-log(1-L) - sum over k <= n of L^k/k) for |J| <= L.
"""

import math

import numpy as np
from keras import ops

from keras_gans.engine.gradients import value_and_input_pullback

ESTIMATORS = ("series", "neumann", "roulette")
ALWAYS = 2  # terms that "roulette" never leaves out
MOST = 20  # terms after which it stops in any case: it gets there once in 2^18 draws


def coefficients(terms):
    """Returns (-1)^(k+1)/k for k = 1, ..., `terms`."""
    return [(-1.0) ** (k + 1) / k for k in range(1, terms + 1)]


def truncation_bound(lipschitz, dimension, terms):
    """Returns how many nats the terms after the first `terms` can be, for |J| <= `lipschitz` in so many dimensions."""
    if lipschitz >= 1:
        return math.inf
    kept = sum(lipschitz**k / k for k in range(1, terms + 1))
    return max(0.0, dimension * (-math.log1p(-lipschitz) - kept))


def products(first, second):
    """Returns the inner product (n,) of every sample of two tensors of one shape."""
    return ops.sum(first * second, axis=tuple(range(1, len(first.shape))))


def series(pullback, probe, terms):
    """Returns the first `terms` terms (n,) of the series, differentiable.

    Args:
        pullback: w -> J'w, tensors of the shape of `probe`.
        probe: Tensor (n, ...).
        terms: Integer.
    """
    total, power = 0.0, probe
    for coefficient in coefficients(terms):
        power = pullback(power)
        total = total + coefficient * products(power, probe)
    return total


def neumann(pullback, probe, terms, uniform=None):
    """Returns the value of `series` (n,) with the gradient of the Neumann series.

    Args:
        pullback, probe, terms: As for `series`.
        uniform: Scalar tensor drawn from U(0, 1), by which "roulette" draws the number of terms; None for all.
    """

    def next_power(power, k):
        if uniform is None:
            return ops.stop_gradient(pullback(power))
        # After a term that is left out all others are zero, but for what they would cost.
        return ops.cond(uniform <= chance(k), lambda: ops.stop_gradient(pullback(power)), lambda: ops.zeros_like(power))

    def chance(k):
        return 1.0 if uniform is None else 0.5 ** ops.maximum(k - ALWAYS, 0.0)

    def body(index, carried):
        power, inverse, total = carried
        k = ops.cast(index, "float32")
        sign = 1.0 - 2.0 * ops.mod(k - 1.0, 2.0)
        reached = 1.0 if uniform is None else ops.cast(uniform <= chance(k), "float32")
        inverse = inverse + reached / chance(k) * sign * power
        power = next_power(power, k)
        return power, inverse, total + sign / (k * chance(k)) * products(power, probe)

    zeros = ops.zeros_like(probe)
    start = (probe, zeros, products(zeros, probe))
    _, inverse, total = ops.fori_loop(1, terms + 1, body, start)  # a loop: unrolled it takes long to compile
    surrogate = products(pullback(ops.stop_gradient(inverse)), probe)
    return ops.stop_gradient(total) + surrogate - ops.stop_gradient(surrogate)


def exact(residual, inputs):
    """Returns `(g(x), log det(I + J))`, the latter (n,), from the whole Jacobian of every sample."""
    shape = tuple(inputs.shape[1:])
    dimension = math.prod(shape)
    rows = ops.shape(inputs)[0]
    outputs, pullback = value_and_input_pullback(residual, ops.repeat(inputs, dimension, axis=0))
    basis = ops.tile(ops.reshape(ops.eye(dimension), (dimension, *shape)), (rows, *[1] * len(shape)))
    jacobian = ops.reshape(pullback(basis), (-1, dimension, dimension))  # row i of a sample is e_i' J
    _, log_det = ops.slogdet(jacobian + ops.eye(dimension))
    return outputs[::dimension], log_det


class Estimator:
    """Computes residual maps with estimates of their log-determinants, block after block.

    Every block gets the probe times signs of its own, which are constants: the errors of the blocks do not add up in
    one direction.

    Args:
        probes: List of tensors (n, D) of +1 and -1: the estimate is the mean over them. Empty for the exact value.
        terms: Integer, the terms of the series; "roulette" draws their number.
        kind: One of `ESTIMATORS`, or `"exact"`.
        uniform: Scalar tensor, for "roulette"; see `neumann`.
    """

    def __init__(self, probes, terms, kind="series", uniform=None):
        self.probes, self.terms, self.kind, self.uniform = probes, terms, kind, uniform
        self.blocks = 0

    def __call__(self, residual, inputs):
        """Returns `(g(x), log det(I + J))` of inputs x (n, ...), the latter (n,)."""
        if self.kind == "exact":
            return exact(residual, inputs)
        shape = tuple(inputs.shape[1:])
        size = math.prod(shape)
        signs = np.random.default_rng(self.blocks).integers(0, 2, size).astype("float32") * 2.0 - 1.0
        self.blocks += 1
        outputs, pullback = value_and_input_pullback(residual, inputs)
        total = 0.0
        for probes in self.probes:
            probe = ops.reshape(probes[:, :size] * ops.convert_to_tensor(signs), (-1, *shape))
            if self.kind == "series":
                total = total + series(pullback, probe, self.terms)
            else:
                terms = self.terms if self.uniform is None else MOST
                total = total + neumann(pullback, probe, terms, self.uniform)
        return outputs, total / len(self.probes)
