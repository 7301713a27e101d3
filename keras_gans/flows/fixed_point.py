"""The inverse of a residual map: x with x + g(x) = y, by x <- y - g(x) from x = y.

For |g(a) - g(b)| <= L |a - b| with L < 1 there is one such x, and |x_k - x| <= L^k / (1 - L) |x_1 - x_0|.
"""

from keras import ops


def fixed_point(residual, target, tolerance, max_iterations):
    """Returns `(x, iterations, change)`: the solution (n, ...), how many steps it took, and the last step's length.

    Args:
        residual: g, a function of tensors like `target`.
        target: y, tensor (n, ...).
        tolerance: The iteration ends where no entry of x changes by more than this, times the largest |x| above 1.
        max_iterations: It ends after so many steps at the latest.
    """

    def change_of(new, old):
        return ops.max(ops.abs(new - old)) / ops.maximum(ops.max(ops.abs(new)), 1.0)

    def body(x, iterations, change):
        new = target - residual(x)
        return new, iterations + 1, change_of(new, x)

    def unfinished(x, iterations, change):
        del x
        return ops.logical_and(change > tolerance, iterations < max_iterations)

    start = (target, ops.zeros((), "int32"), ops.full((), float("inf"), "float32"))
    return ops.while_loop(unfinished, body, start)


class Solver:
    """Solves the equations of all blocks, one after the other, and keeps how it went.

    Args:
        tolerance, max_iterations: See `fixed_point`.
    """

    def __init__(self, tolerance, max_iterations):
        self.tolerance, self.max_iterations, self.found = tolerance, max_iterations, []

    def __call__(self, residual, target):
        x, iterations, change = fixed_point(residual, target, self.tolerance, self.max_iterations)
        self.found.append((iterations, change))
        return x

    def worst(self):
        """Returns the most iterations and the largest last change among the blocks so far, scalar tensors."""
        iterations, changes = ops.zeros((), "int32"), ops.zeros((), "float32")
        for count, change in self.found:
            iterations, changes = ops.maximum(iterations, count), ops.maximum(changes, change)
        return iterations, changes
