"""The f-divergences of `variants/f_gan.py`: ten by name, or a user's own, as functions of the score.

With f convex, f(1) = 0, and f*(t) = sup over u > 0 of ut - f(u), a game needs an increasing map g into the domain of f*
and the composed f* o g. Both are written in the score v (higher = more real), since f* applied to g loses all digits
near the edge of the domain; the table stands in `variants/f_gan.py`.

Reference: Nowozin, Cseke, Tomioka, 2016, arXiv:1606.00709.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import input_gradients
from keras_gans.games.functions import serialize_function, values

DIVERGENCES = (
    "total_variation",
    "kl",
    "reverse_kl",
    "pearson",
    "neyman",
    "squared_hellinger",
    "jensen_shannon",
    "gan",
    "jeffrey",
    "alpha",
)
ALIASES = {"tv": "total_variation", "rkl": "reverse_kl", "hellinger": "squared_hellinger", "js": "jensen_shannon"}
BOUNDED = ("total_variation", "squared_hellinger", "jensen_shannon", "gan")
ACTIVATIONS = ("paper", "log_ratio")
LOG_2 = math.log(2.0)


@dataclasses.dataclass(frozen=True)
class Forms:
    """A divergence in scores: `activation(v, e)` is g and `conjugate(v, e)` is f* o g.

    v is the score and e the softly clipped score, which stands inside exponentials if there are any (`exponential`).
    `threshold` is f'(1); `offset` is added to the bound, so that it is 0 for equal laws.
    """

    activation: Callable
    conjugate: Callable
    exponential: bool = False
    threshold: float = 0.0
    offset: float = 0.0


def wright_omega(x):
    """Returns w > 0 with w + log w = x, for x >= -60 (smaller x count as -60), by Newton's method.

    The last two steps carry the gradient: from the root they give the exact first and second derivatives, dw/dx
    = w / (1 + w).
    """
    x = ops.maximum(x, -60.0)

    def newton(w):
        return w * (1.0 + x - ops.log(w)) / (1.0 + w)

    w = ops.where(x > 1.0, x - ops.log(ops.maximum(x, 1.0)), ops.sigmoid(x))
    w = ops.stop_gradient(newton(newton(newton(w))))
    return newton(newton(w))


def jeffrey_conjugate(v):
    """Returns w + 1/w + v - 2, with 1/w as e^(w - x): the slope of 1/w itself overflows in float32."""
    x = 1.0 - v
    w = wright_omega(x)
    return w + ops.exp(w - ops.maximum(x, -60.0)) + v - 2.0


PAPER = {
    "total_variation": Forms(lambda v, e: ops.tanh(v) / 2.0, lambda v, e: ops.tanh(v) / 2.0),
    "kl": Forms(lambda v, e: v, lambda v, e: ops.exp(e - 1.0), exponential=True, threshold=1.0),
    "reverse_kl": Forms(lambda v, e: -ops.exp(-e), lambda v, e: v - 1.0, exponential=True, threshold=-1.0),
    "pearson": Forms(lambda v, e: v, lambda v, e: ops.square(v) / 4.0 + v),
    "neyman": Forms(lambda v, e: -ops.expm1(-e), lambda v, e: -2.0 * ops.expm1(-e / 2.0), exponential=True),
    "squared_hellinger": Forms(lambda v, e: -ops.expm1(-e), lambda v, e: ops.expm1(e), exponential=True),
    "jensen_shannon": Forms(lambda v, e: LOG_2 - ops.softplus(-v), lambda v, e: ops.softplus(v) - LOG_2),
    "gan": Forms(lambda v, e: -ops.softplus(-v), lambda v, e: ops.softplus(v), threshold=-LOG_2, offset=2.0 * LOG_2),
    "jeffrey": Forms(lambda v, e: v, lambda v, e: jeffrey_conjugate(v)),
}
LOG_RATIO = {
    **PAPER,
    "kl": Forms(lambda v, e: 1.0 + v, lambda v, e: ops.exp(e), exponential=True, threshold=1.0),
    "pearson": Forms(lambda v, e: 2.0 * ops.expm1(e), lambda v, e: ops.expm1(2.0 * e), exponential=True),
    "neyman": Forms(lambda v, e: -ops.expm1(-2.0 * e), lambda v, e: -2.0 * ops.expm1(-e), exponential=True),
    "squared_hellinger": Forms(lambda v, e: -ops.expm1(-e / 2.0), lambda v, e: ops.expm1(e / 2.0), exponential=True),
    "jeffrey": Forms(lambda v, e: v - ops.expm1(-e), lambda v, e: ops.expm1(e) + v, exponential=True),
}


def alpha_forms(alpha):
    """Returns the forms of the alpha divergence, alpha not 0 or 1."""
    return Forms(
        lambda v, e: ops.expm1((alpha - 1.0) * e) / (alpha - 1.0),
        lambda v, e: ops.expm1(alpha * e) / alpha,
        exponential=True,
    )


@keras.saving.register_keras_serializable("keras_gans")
class CustomDivergence:
    """A user's f-divergence, from f alone.

    The score v is taken as log p/q, so that no conjugate has to be searched for: g(v) = f'(e^v) and f*(g(v)) =
    e^v f'(e^v) - f(e^v), with f' by automatic differentiation. In float32 the last difference cancels for large v:
    where f* has a closed form, or with `score_clip=10`, more digits are left.

    Args:
        f: Function of a tensor u > 0, elementwise, written with `keras.ops`: convex, f(1) = 0, and curved
            somewhere (a piecewise linear f has a slope f' that cannot be trained; give both functions below).
        conjugate: Function of a tensor t, f*(t); default: derived from f.
        activation: Function of the raw score v, increasing, into the domain of f*; needs `conjugate`.
            Default f'(e^v). It sees the score without the soft clip.
        name: Name for messages, default "custom".

    A model with a CustomDivergence is saved only if its functions are registered with
    `keras.saving.register_keras_serializable`: a file holds their names, not their code.

    Raises:
        TypeError: If a function is not callable.
        ValueError: If f is not convex, f(1) is not 0, f' has no slope, the activation does not increase, or the
            conjugate is not that of f.

    Example:
        >>> f = lambda u: u * keras.ops.log(u)
        >>> model = keras_gans.FGAN(generator, discriminator, latent_dim=64, divergence=CustomDivergence(f))
    """

    def __init__(self, f, conjugate=None, activation=None, name="custom"):
        for argument, function in (("f", f), ("conjugate", conjugate), ("activation", activation)):
            if not callable(function) and (function is not None or argument == "f"):
                raise TypeError(f"`{argument}` must be a function. {checks.received(**{argument: function})}")
        if activation is not None and conjugate is None:
            raise ValueError("`activation` needs `conjugate`: f*(g(v)) is derived only for g(v) = f'(e^v).")
        self.f, self.conjugate, self.activation, self.name = f, conjugate, activation, name
        self.check_convex()
        self.threshold = float(values(self.slope, np.ones(1))[0][0])
        self.check_activation()
        if conjugate is not None:
            self.check_conjugate()

    def slope(self, u):
        """Returns f'(u)."""
        return input_gradients(self.f, u)

    def variational(self, v, e):
        """Returns g(v)."""
        return self.slope(ops.exp(e)) if self.activation is None else self.activation(v)

    def composed(self, v, e):
        """Returns f*(g(v))."""
        if self.conjugate is not None:
            return self.conjugate(self.variational(v, e))
        u = ops.exp(e)
        return u * self.slope(u) - self.f(u)

    def forms(self):
        """Returns the `Forms` of this divergence."""
        return Forms(self.variational, self.composed, self.activation is None, self.threshold)

    def check_convex(self):
        u = np.logspace(-3, 3, 241)
        try:
            f, unit = values(self.f, u)
        except Exception as error:
            raise ValueError(
                f"`f` must be a function of a tensor, written with keras.ops. It says: {checks.first_line(error)}"
            ) from error
        if f.shape != u.shape or not np.isfinite(f).all():
            raise ValueError(
                "`f` must give one finite value for each u > 0. Received: values of shape "
                f"{f.shape}, {np.sum(~np.isfinite(f))} of them not finite, for u of shape {u.shape}."
            )
        if abs(f[120]) > 1e-5:
            raise ValueError(f"`f` must be 0 at u=1: subtract f(1). Received: f(1)={f[120]:g}.")
        steps = np.diff(u)
        slopes = np.diff(f) / steps
        noise = 16 * unit * (1.0 + np.maximum(np.abs(f[1:]), np.abs(f[:-1])) + u[1:]) / steps
        bends = np.diff(slopes) + noise[1:] + noise[:-1] + 1e-9 * (np.abs(slopes[1:]) + np.abs(slopes[:-1]))
        if bends.min() < 0:
            at = u[1 + int(bends.argmin())]
            raise ValueError(f"`f` must be convex on u > 0. Received: a function whose slope falls near u={at:.3g}.")

    def check_activation(self):
        v = np.linspace(-3, 3, 61)
        g, unit = values(lambda v: self.variational(v, v), v)
        bends, _ = values(lambda v: input_gradients(lambda w: self.variational(w, w), v), v)
        if np.abs(bends).max() == 0:
            raise ValueError(
                "`f` is piecewise linear: f' has no slope to train with. Give `conjugate` and `activation`, for "
                "example t -> t and v -> tanh(v) / 2 for |u - 1| / 2."
            )
        if not np.isfinite(g).all() or np.diff(g).min() < -16 * unit * (1.0 + np.abs(g).max()):
            raise ValueError("`activation` must be finite and increasing in the score (higher = more real).")

    def check_conjugate(self):
        u, v = np.logspace(-4, 4, 8001), np.linspace(-3, 3, 61)
        f, (t, _) = values(self.f, u)[0], values(lambda v: self.variational(v, v), v)
        conjugate, _ = values(self.conjugate, t)
        highest = np.max(u[None] * t[:, None] - f[None], axis=1)
        below = conjugate - highest + 1e-3 * (1.0 + np.abs(highest))
        at_equal_laws = float(values(self.conjugate, np.full(1, self.threshold))[0][0])
        if not np.isfinite(conjugate).all() or below.min() < 0 or abs(at_equal_laws - self.threshold) > 1e-3:
            raise ValueError(
                "`conjugate` must be f*(t) = sup of ut - f(u): nowhere below it, and f*(f'(1)) = f'(1). Received: "
                f"f*(f'(1))={at_equal_laws:g} with f'(1)={self.threshold:g}, and values {-below.min():.3g} too low."
            )

    def get_config(self):
        functions = ("f", "conjugate", "activation")
        return {"name": self.name, **{key: serialize_function(key, getattr(self, key)) for key in functions}}

    @classmethod
    def from_config(cls, config):
        functions = ("f", "conjugate", "activation")
        revived = {key: keras.saving.deserialize_keras_object(config[key]) for key in functions if config.get(key)}
        return cls(**{**config, **revived})

    def __repr__(self):
        return f"CustomDivergence({self.name!r})"


def known_divergence(divergence):
    """Returns the full name of a built-in divergence, or the `CustomDivergence` itself."""
    if isinstance(divergence, CustomDivergence):
        return divergence
    if callable(divergence):
        raise TypeError(
            "`divergence` must be a name or a CustomDivergence; pass CustomDivergence(f) for a function f. "
            f"{checks.received(divergence=divergence)}"
        )
    name = ALIASES.get(divergence, divergence) if isinstance(divergence, str) else divergence
    return checks.one_of("divergence", name, DIVERGENCES)


def forms_of(divergence, activation, alpha):
    """Returns the `Forms` of a divergence.

    Args:
        divergence: Full name of a built-in one, or a `CustomDivergence`.
        activation: `"paper"` or `"log_ratio"`.
        alpha: Number of the alpha divergence, else None.
    """
    if isinstance(divergence, CustomDivergence):
        return divergence.forms()
    if divergence == "alpha":
        return alpha_forms(alpha)
    return (PAPER if activation == "paper" else LOG_RATIO)[divergence]


def clipped(forms, scores, score_clip, alpha):
    """Returns the scores as they stand inside exponentials, so that no exponent exceeds 2 `score_clip`."""
    if score_clip is None or not forms.exponential:
        return scores
    steepest = 1.0 if alpha is None else max(1.0, abs(alpha) / 2.0, abs(alpha - 1.0) / 2.0)
    limit = score_clip / steepest
    return limit * ops.tanh(scores / limit)
