"""Small changes of a tensor that raise a loss, from its gradient g, in a ball of radius epsilon.

    fgm    delta = epsilon g / |g|                       2-norm          (Miyato et al., 2016, arXiv:1605.07725)
    fgsm   delta = epsilon sign(g)                       infinity norm   (Goodfellow et al., 2014, arXiv:1412.6572)
    pgd    repeat: delta <- P(delta + step direction(g at x + delta))    (Madry et al., 2017, arXiv:1706.06083)

`|.|` is the norm of one example over all axes but the first (`by_row`), or that of a whole variable. All is computed in
float32. A gradient of zero (a dead unit, a saturated loss) gives no perturbation.
"""

import keras
from keras import ops

from keras_gans import checks

KINDS = ("fgm", "fgsm", "pgd")
NORMS = ("l2", "linf")
TINY = 1e-12


def norm_of(kind, norm):
    """Returns the norm in which an attack is small: that of its kind, for PGD `norm` or the infinity norm."""
    kind = checks.one_of("kind", kind, KINDS)
    of_kind = {"fgm": "l2", "fgsm": "linf"}.get(kind)
    norm = norm or of_kind or "linf"
    checks.one_of("norm", norm, NORMS)
    if of_kind not in (None, norm):
        raise ValueError(f"`norm` must be {of_kind!r} for kind={kind!r}, or kind='pgd'. {checks.received(norm=norm)}")
    return norm


def norms(tensor, by_row=True):
    """Returns the 2-norm of each example, with axes of length 1 for all others; or of the whole tensor."""
    tensor = ops.cast(tensor, "float32")
    axes = tuple(range(1, len(tensor.shape))) if by_row else None
    largest = ops.max(ops.abs(tensor), axis=axes, keepdims=True) if axes != () else ops.abs(tensor)
    scaled = tensor / ops.maximum(largest, 1e-30)  # squares of small gradients would be 0, of large ones infinite
    root = ops.sqrt(ops.sum(ops.square(scaled), axis=axes, keepdims=True)) if axes != () else ops.abs(scaled)
    return largest * root


def direction(gradient, norm, by_row=True):
    """Returns the step of norm 1 that raises the loss most: g / |g| for `"l2"`, sign(g) for `"linf"`."""
    gradient = ops.cast(gradient, "float32")
    return ops.sign(gradient) if norm == "linf" else gradient / (norms(gradient, by_row) + TINY)


def projected(delta, epsilon, norm, by_row=True):
    """Returns the nearest perturbation of a norm of at most epsilon."""
    if norm == "linf":
        return ops.clip(delta, -epsilon, epsilon)
    return delta / ops.maximum(norms(delta, by_row) / epsilon, 1.0)


def random_start(shape, epsilon, norm, seed, by_row=True):
    """Returns a random perturbation inside the ball: uniform in a cube, or a random direction of uniform norm."""
    if norm == "linf":
        return keras.random.uniform(shape, -epsilon, epsilon, dtype="float32", seed=seed)
    delta = keras.random.normal(shape, dtype="float32", seed=seed)
    rows = (shape[0], *[1] * (len(shape) - 1)) if by_row else [1] * len(shape)
    return epsilon * keras.random.uniform(rows, dtype="float32", seed=seed) * direction(delta, "l2", by_row)
