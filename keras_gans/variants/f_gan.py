"""f-GAN, the game of any f-divergence (Nowozin et al., 2016, arXiv:1606.00709).

With f convex, f(1) = 0, f*(t) = sup over u > 0 of ut - f(u) its conjugate, D the raw score (higher = more real), g an
increasing map into the domain of f*, x real and z ~ N(0, I), every D gives a lower bound of D_f(p||q) = E_q f(p/q):

    D_f(p||q)  >=  E g(D(x)) - E f*(g(D(G(z)))),     equal when g(D) = f'(p/q)

    discriminator:  min over D  -E g(D(x)) + E f*(g(D(G(z))))
    generator:      min over G  saturating -E f*(g(D(G(z)))) (the game itself), non_saturating -E g(D(G(z)))

Only g and the composed f* o g change; both are written in v = D(.), for f* applied to g loses all digits near the edge
of the domain. The activations "paper" and "log_ratio" (v estimates log p/q for every f, threshold v = 0):

    divergence          f(u)                            paper: g(v), f*(g(v))            log_ratio: g(v), f*(g(v))
    total_variation     |u-1|/2                         tanh(v)/2, tanh(v)/2             the same
    kl                  u log u                         v, e^(v-1)                       1+v, e^v
    reverse_kl          -log u                          -e^-v, v-1                       the same
    pearson             (u-1)^2                         v, v^2/4+v                       2(e^v-1), e^2v-1
    neyman              (1-u)^2/u                       1-e^-v, 2-2e^(-v/2)              1-e^-2v, 2-2e^-v
    squared_hellinger   (sqrt u - 1)^2                  1-e^-v, e^v-1                    1-e^(-v/2), e^(v/2)-1
    jensen_shannon      u log u - (u+1) log((u+1)/2)    log 2 - sp(-v), sp(v) - log 2    the same
    gan                 u log u - (u+1) log(u+1)        -sp(-v), sp(v)                   the same
    jeffrey             (u-1) log u                     v, w+1/w+v-2                     v+1-e^-v, e^v+v-1
    alpha               (u^a-1-a(u-1))/(a(a-1))         as log_ratio                     (e^(av-v)-1)/(a-1), (e^av-1)/a

sp(v) = log(1 + e^v); w solves w + log w = 1 - v. jensen_shannon is twice the usual divergence, gan is it minus log 4.

Our choices: 1. the generator step draws fresh latents; 2. the generator loss is non_saturating but for reverse_kl,
whose saturating form has the constant slope -1 while the other one grows like e^-v on confident fakes; 3. a score
inside an exponential is softly clipped, v -> 20 tanh(v/20), all other terms see v itself; then the logged
`divergence` takes the clipped score in both terms, which is a critic too, so that it stays a lower bound (else it is
minus the loss); 4. chi-square names as in public code, pearson (u-1)^2; its g = v keeps the quadratic below v = -2, an
upper bound of f* with a slope; there the saturating generator loss pushes fakes away.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, input_gradients, mean

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
GENERATOR_LOSSES = ("auto", "non_saturating", "saturating")
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


def serialize_function(argument, function):
    """Returns the Keras config of a registered function; a model with another one could not be loaded."""
    if function is None:
        return None
    if keras.saving.get_registered_object(keras.saving.get_registered_name(function)) is not function:
        raise ValueError(
            f"A model with a user's `{argument}` is saved by the function's registered name. Write "
            f'@keras.saving.register_keras_serializable("my_package") above `def {argument}(...)`. '
            f"{checks.received(**{argument: function})}"
        )
    return keras.saving.serialize_keras_object(function)


def values(function, points):
    """Returns a function of tensors at a NumPy array, as float64, and the rounding unit of the backend's floats."""
    points = ops.convert_to_tensor(points)
    result = ops.convert_to_numpy(ops.stop_gradient(function(points)))
    return np.asarray(result, "float64"), float(np.finfo(result.dtype).eps)


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
                f"`f` must be a function of a tensor, written with keras.ops. It says: {str(error).splitlines()[0]}"
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


@keras.saving.register_keras_serializable("keras_gans")
class FGAN(AdversarialModel):
    """A GAN whose discriminator bounds an f-divergence from below, which the generator makes small.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) raw scores, higher = more real, no sigmoid; best without
            batch norm, with which the bound is not that of a function of one sample.
        latent_dim: Integer, length of a latent vector.
        divergence: `"jensen_shannon"` (default, also `"js"`), `"total_variation"` (`"tv"`), `"kl"`, `"reverse_kl"`
            (`"rkl"`), `"pearson"`, `"neyman"`, `"squared_hellinger"` (`"hellinger"`), `"gan"`, `"jeffrey"`,
            `"alpha"`, or a `CustomDivergence`, which has its own activation. On disjoint supports kl, reverse_kl,
            pearson, neyman and jeffrey are unbounded: use a penalty or spectral normalisation.
        activation: `"paper"` (default) or `"log_ratio"`, with which the score estimates log p/q.
        generator_loss: `"auto"` (default): saturating for reverse_kl, else non_saturating; or one of these two.
        score_clip: Size to which a score inside an exponential is softly clipped, default 20; None: not at all.
        alpha: Number other than 0 and 1, for `divergence="alpha"` only, default 0.5.
        critic_steps: Discriminator steps per generator step, default 1.
        num_classes: 0, or the number of classes of a conditional model.

    Logs: `divergence` is the lower bound in nats in the scale of the module's table; `real_accuracy` and
    `fake_accuracy` count the images on the right side of the threshold g(v) = f'(1).

    Raises:
        ValueError, TypeError: For an unknown divergence, activation or loss (the nearest is suggested), an alpha
            that is not used, or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("f_gan", image_shape=(32, 32, 3), divergence="squared_hellinger")
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Nowozin, Cseke, Tomioka, 2016, arXiv:1606.00709. Default optimisers: its Adam, learning rate 2e-4, betas
    (0.5, 0.999).
    """

    logs = ("discriminator_loss", "generator_loss", "divergence", "real_accuracy", "fake_accuracy")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        divergence="jensen_shannon",
        activation="paper",
        generator_loss="auto",
        score_clip=20.0,
        alpha=None,
        **kwargs,
    ):
        self.divergence = known_divergence(divergence)
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        self.generator_loss_name = checks.one_of("generator_loss", generator_loss, GENERATOR_LOSSES)
        self.score_clip = None if score_clip is None else checks.number("score_clip", score_clip, above=0)
        if alpha is not None and self.divergence != "alpha":
            raise ValueError(f'`alpha` is used by divergence="alpha" only. {checks.received(divergence=divergence)}')
        self.alpha = None if self.divergence != "alpha" else checks.number("alpha", 0.5 if alpha is None else alpha)
        if self.alpha in (0.0, 1.0):
            raise ValueError(
                f'`alpha` must not be 0 or 1, whose limits are divergence="reverse_kl" and "kl". '
                f"{checks.received(alpha=alpha)}"
            )
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    @property
    def forms(self):
        """The `Forms` of the divergence."""
        if isinstance(self.divergence, CustomDivergence):
            return self.divergence.forms()
        if self.divergence == "alpha":
            return alpha_forms(self.alpha)
        return (PAPER if self.activation == "paper" else LOG_RATIO)[self.divergence]

    @property
    def saturating(self):
        """Whether the generator's loss is the saturating one."""
        automatic = "saturating" if self.divergence == "reverse_kl" else "non_saturating"
        return (automatic if self.generator_loss_name == "auto" else self.generator_loss_name) == "saturating"

    def clipped(self, scores):
        """Returns the scores as they stand inside exponentials, so that no exponent exceeds 2 `score_clip`."""
        if self.score_clip is None or not self.forms.exponential:
            return scores
        steepest = 1.0 if self.alpha is None else max(1.0, abs(self.alpha) / 2.0, abs(self.alpha - 1.0) / 2.0)
        limit = self.score_clip / steepest
        return limit * ops.tanh(scores / limit)

    def variational(self, scores):
        """Returns g(v), the variational variable, for scores of any shape."""
        return self.forms.activation(scores, self.clipped(scores))

    def conjugate(self, scores):
        """Returns f*(g(v)) for scores of any shape."""
        return self.forms.conjugate(scores, self.clipped(scores))

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the discriminator, minus the bound, from scores (n, 1)."""
        return mean(self.conjugate(fake_scores)) - mean(self.variational(real_scores))

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator."""
        if self.saturating:
            return -mean(self.conjugate(fake_scores))
        return -mean(self.variational(fake_scores))

    def observe(self, real_scores, fake_scores):
        """Returns what is logged: the lower bound of the divergence and the accuracies."""
        forms, real, fake = self.forms, self.clipped(real_scores), self.clipped(fake_scores)
        bound = mean(forms.activation(real, real)) - mean(forms.conjugate(fake, fake)) + forms.offset
        return {
            "divergence": bound,
            "real_accuracy": mean(ops.cast(self.variational(real_scores) > forms.threshold, "float32")),
            "fake_accuracy": mean(ops.cast(self.variational(fake_scores) < forms.threshold, "float32")),
        }

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            fakes = ops.stop_gradient(self.fake(self.sample_latents(ops.shape(reals)[0]), labels))

            def critic_objective(reals=reals, labels=labels, fakes=fakes):
                real_scores, fake_scores = self.score(reals, labels), self.score(fakes, labels)
                loss = self.discriminator_loss(real_scores, fake_scores)
                loss, extras = self.penalized(loss, reals, fakes, labels)
                return loss, {**self.observe(real_scores, fake_scores), **extras}

            d_loss, observed = descend(critic_objective, self, "discriminator")

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss = descend(lambda: self.generator_loss(self.score(self.fake(latents, labels), labels)), self, "generator")
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed)

    def play(self, real_outputs, fake_outputs, reals, fakes, latents):
        losses = self.discriminator_loss(real_outputs, fake_outputs), self.generator_loss(fake_outputs)
        return *losses, self.observe(real_outputs, fake_outputs)

    def gradient_ratio(self):
        if self.saturating or self.divergence == "total_variation":
            return "constant"
        if isinstance(self.divergence, CustomDivergence) or (self.divergence, self.activation) == ("pearson", "paper"):
            return None  # slopes that may be anything, or cross 0
        return "per_sample"

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def network_options(cls, divergence="jensen_shannon", **knobs):
        """Returns the options of the networks: batch norm for bounded divergences, spectral for the others."""
        bounded = known_divergence(divergence) in BOUNDED
        normalization = None if knobs.get("penalties") else "batch" if bounded else "spectral"
        return {"generator": {}, "discriminator": {"normalization": normalization}}

    def get_config(self):
        custom = isinstance(self.divergence, CustomDivergence)
        return {
            **super().get_config(),
            "divergence": keras.saving.serialize_keras_object(self.divergence) if custom else self.divergence,
            "activation": self.activation,
            "generator_loss": self.generator_loss_name,
            "score_clip": self.score_clip,
            "alpha": self.alpha,
        }


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
