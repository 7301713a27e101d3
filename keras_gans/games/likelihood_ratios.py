"""The members of `variants/likelihood_ratio_gan.py`: games from omega and rho, by name or a user's own.

With r = q/p (fake over real), omega increasing, rho > 0, psi' = rho and phi' = -omega^-1 rho, the discriminator raises
E phi(t(s)) on reals and E psi(t(s)) on fakes, where t(s) is the bridge from the score s (higher = more real) into the
range of omega. The table stands in `variants/likelihood_ratio_gan.py`; `keras_gans.games.verification.verify` says
whether a member is a valid game.

Reference: Moustakides and Basioti, 2020, arXiv:2002.00865.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.games.functions import serialize_function, values

ALIASES = {
    "mean_square": "A1",
    "sgan": "B1",
    "exponential": "B2",
    "cross_entropy": "C1",
    "least_squares": "C2",
    "lsgan": "C2",
    "total_variation": "D1",
    "hinge": "D2",
}
DOMAINS = ("real", "positive", "unit")
FUNCTIONS = ("omega", "omega_inverse", "rho", "beta", "phi", "psi", "ratio")
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
LOG_2 = math.log(2.0)


@keras.saving.register_keras_serializable("keras_gans")
class Member:
    """One game of the family, from omega and rho; `verify` says whether it is one.

    All functions are elementwise functions of tensors, written with `keras.ops`. Without closed forms phi and psi are
    integrated over the score by 32-point Gauss-Legendre quadrature, differentiably (relative error below 1e-8 for
    |s| <= 20 with smooth functions), from the score of equal laws, where both are 0.

    Args:
        omega: Function of the ratio r = q/p > 0, strictly increasing, into the domain. None for a limit.
        omega_inverse: Its inverse, a function of t.
        rho: Function of t, positive on the domain.
        domain: Range of omega: `"real"` (default), `"positive"`, `"unit"` or a pair (a, b). The score of a pair is not
            held in it: rho must be defined, and the integrals smooth, beyond a and b.
        beta: Function of t, the generator's loss; `beta(omega(r))` must never decrease. Optional.
        phi, psi: Closed forms of phi(t(s)) and psi(t(s)), functions of the score s and of the softly clipped score e
            for use inside exponentials. Optional.
        ratio: Closed form of -log omega^-1(t(s)), a function of the score. Optional.
        exponent: Largest multiple of the score inside an exponential, 0 if there is none; the clip is divided by it
            if above 1. Default 1.
        name: Name for messages, default "custom".

    A model with a user's Member is saved only if its functions are registered with
    `keras.saving.register_keras_serializable`: a file holds their names, not their code.

    Raises:
        ValueError, TypeError: For an unknown domain or arguments that are not functions.
    """

    def __init__(
        self,
        omega,
        omega_inverse,
        rho,
        domain="real",
        beta=None,
        phi=None,
        psi=None,
        ratio=None,
        exponent=1.0,
        name="custom",
    ):
        self.omega, self.omega_inverse, self.rho = omega, omega_inverse, rho
        self.beta, self.phi, self.psi, self.ratio = beta, phi, psi, ratio
        self.limit = omega is None and omega_inverse is None and rho is None and None not in (phi, psi)
        for argument in FUNCTIONS:
            function = getattr(self, argument)
            required = argument in ("omega", "omega_inverse", "rho") and not self.limit
            if not callable(function) and (function is not None or required):
                raise TypeError(f"`{argument}` must be a function. {checks.received(**{argument: function})}")
        if isinstance(domain, (tuple, list)) and len(domain) == 2:
            low, high = (checks.number("domain", side) for side in domain)
            if not low < high:
                raise ValueError(f"`domain` (a, b) must have a < b. {checks.received(domain=domain)}")
            domain = (low, high)
        else:
            checks.one_of("domain", domain, DOMAINS)
        self.domain, self.name = domain, name
        self.exponent = checks.number("exponent", exponent, minimum=0)
        self.builtin = None  # the name of a member of the table
        try:
            self.equal = 0.0 if self.limit else float(self.score_of(values(omega, np.ones(1))[0])[0])
        except Exception as error:
            raise ValueError(
                f"`omega` must be a function of a tensor, written with keras.ops. It says: {checks.first_line(error)}"
            ) from error

    def bridge(self, scores):
        """Returns t(s), decreasing in the score."""
        if isinstance(self.domain, tuple):
            return sum(self.domain) - scores
        return {"real": ops.negative, "positive": lambda s: ops.exp(-s), "unit": lambda s: ops.sigmoid(-s)}[
            self.domain
        ](scores)

    def bridge_slope(self, scores):
        """Returns t'(s)."""
        if self.domain == "positive":
            return -ops.exp(-scores)
        if self.domain == "unit":
            return -ops.sigmoid(scores) * ops.sigmoid(-scores)
        return -ops.ones_like(scores)

    def score_of(self, t):
        """Returns the scores of a NumPy array t in the domain."""
        with np.errstate(all="ignore"):  # values outside the domain are found by `verify`
            if isinstance(self.domain, tuple):
                return sum(self.domain) - t
            return {"real": lambda: -t, "positive": lambda: -np.log(t), "unit": lambda: np.log1p(-t) - np.log(t)}[
                self.domain
            ]()

    def psi_slope(self, scores):
        """Returns d psi(t(s)) / ds = rho t'."""
        return self.rho(self.bridge(scores)) * self.bridge_slope(scores)

    def phi_slope(self, scores):
        """Returns d phi(t(s)) / ds = -omega^-1 rho t'."""
        return -self.omega_inverse(self.bridge(scores)) * self.psi_slope(scores)

    def integral(self, slope, scores):
        """Returns the integral of `slope` from the score of equal laws to each score."""
        span = ops.expand_dims(scores - self.equal, -1)
        nodes = ops.cast(ops.convert_to_tensor((1.0 + NODES) / 2.0), scores.dtype)
        weights = ops.cast(ops.convert_to_tensor(WEIGHTS / 2.0), scores.dtype)
        return ops.sum(slope(self.equal + span * nodes) * weights * span, axis=-1)

    def on_reals(self, scores, clipped):
        """Returns phi(t(s)), which the discriminator raises on reals."""
        return self.integral(self.phi_slope, clipped) if self.phi is None else self.phi(scores, clipped)

    def on_fakes(self, scores, clipped):
        """Returns psi(t(s)), which the discriminator raises on fakes."""
        return self.integral(self.psi_slope, clipped) if self.psi is None else self.psi(scores, clipped)

    def soft_clip(self, scores, size):
        """Returns the scores as they stand inside exponentials; None for `size` leaves them."""
        if size is None:
            return scores
        size = size / max(1.0, self.exponent)
        if self.domain == "unit" and self.phi is None:
            size = min(size, 15.0)  # beyond it 1 - t has no digits in float32
        return size * ops.tanh(scores / size)

    def log_ratio(self, scores, clipped):
        """Returns -log omega^-1(t(s)), an estimate of log p/q; a score outside (a, b) counts as nearly a or b."""
        if self.ratio is not None:
            return self.ratio(scores)
        if isinstance(self.domain, tuple):
            low, high = self.domain
            margin = 1e-6 * (high - low)
            clipped = ops.clip(scores, low + margin, high - margin)
        return -ops.log(self.omega_inverse(self.bridge(clipped)))

    def get_config(self):
        functions = {key: serialize_function(key, getattr(self, key)) for key in FUNCTIONS}
        domain = list(self.domain) if isinstance(self.domain, tuple) else self.domain
        return {**functions, "domain": domain, "exponent": self.exponent, "name": self.name}

    @classmethod
    def from_config(cls, config):
        revived = {key: config[key] and keras.saving.deserialize_keras_object(config[key]) for key in FUNCTIONS}
        return cls(**{**config, **revived})

    def __repr__(self):
        return f"Member({self.name!r})"


def power(gamma, name):
    """Returns the member with omega = r and rho = t^(gamma - 1): A1 at gamma = 1."""
    c = gamma
    return Member(
        same,
        same,
        lambda t: t ** (c - 1.0),
        "positive",
        phi=lambda s, e: -ops.exp(-(c + 1.0) * e) / (c + 1.0),
        psi=lambda s, e: ops.expm1(-c * e) / c,
        ratio=same,
        exponent=max(1.0, abs(c), abs(c + 1.0)),
        name=name,
    )


def least_squares(low, high):
    """Returns the member C2 with the labels a = low for fakes and b = high for reals."""
    return Member(
        lambda r: (low + high * r) / (1.0 + r),
        lambda t: (t - low) / (high - t),
        lambda t: 2.0 * (high - t),
        (low, high),
        phi=lambda s, e: -ops.square(s - high),
        psi=lambda s, e: ((high - low) / 2.0) ** 2 - ops.square(s - low),
        exponent=0.0,
        name="C2",
    )


def logistic(*member, name):
    """Returns B1 or C1: the same game in two variables."""
    closed = {"phi": lambda s, e: -ops.softplus(-s), "psi": lambda s, e: LOG_2 - ops.softplus(s), "ratio": same}
    return Member(*member, **closed, exponent=0.0, name=name)


def same(value):
    return value


def odds(t):
    return t / (1.0 - t)


def share(r):
    return r / (1.0 + r)


MEMBERS = {
    "A1": lambda: power(1.0, "A1"),
    "A2": lambda: Member(
        same,
        same,
        lambda t: 1.0 / t,
        "positive",
        phi=lambda s, e: -ops.exp(-e),
        psi=lambda s, e: -s,
        ratio=same,
        name="A2",
    ),
    "A3": lambda: Member(
        same,
        same,
        lambda t: 1.0 / (1.0 + t),
        "positive",
        phi=lambda s, e: ops.softplus(-e) - ops.exp(-e),
        psi=lambda s, e: ops.softplus(-s) - LOG_2,
        ratio=same,
        name="A3",
    ),
    "power": lambda: power(0.5, "power"),
    "B1": lambda: logistic(ops.log, ops.exp, lambda t: ops.sigmoid(-t), "real", name="B1"),
    "B2": lambda: Member(
        lambda r: ops.log(r) / 2.0,
        lambda t: ops.exp(2.0 * t),
        lambda t: ops.exp(-t),
        phi=lambda s, e: -ops.exp(-e),
        psi=lambda s, e: -ops.expm1(e),
        ratio=lambda s: 2.0 * s,
        name="B2",
    ),
    "B3": lambda: Member(
        ops.log,
        ops.exp,
        lambda t: ops.exp(-t),
        phi=lambda s, e: s,
        psi=lambda s, e: -ops.expm1(e),
        ratio=same,
        name="B3",
    ),
    "B4": lambda: Member(
        ops.log,
        ops.exp,
        ops.ones_like,
        phi=lambda s, e: -ops.exp(-e),
        psi=lambda s, e: -s,
        ratio=same,
        name="B4",
    ),
    "C1": lambda: logistic(share, odds, lambda t: 1.0 / t, "unit", name="C1"),
    "C2": lambda: least_squares(0.0, 1.0),
    "C3": lambda: Member(
        share,
        odds,
        ops.ones_like,
        "unit",
        phi=lambda s, e: ops.sigmoid(-s) - ops.softplus(-s),
        psi=lambda s, e: ops.sigmoid(-s) - 0.5,
        ratio=same,
        exponent=0.0,
        name="C3",
    ),
    "D1": lambda: Member(
        None, None, None, phi=lambda s, e: ops.tanh(s), psi=lambda s, e: -ops.tanh(s), exponent=0.0, name="D1"
    ),
    "D2": lambda: Member(
        None,
        None,
        None,
        phi=lambda s, e: -ops.relu(1.0 - s),
        psi=lambda s, e: -ops.relu(1.0 + s),
        exponent=0.0,
        name="D2",
    ),
}


def get_member(member, gamma=None, targets=None):
    """Returns a `Member` for its name (or alias), or the `Member` itself.

    Args:
        member: Name or `Member`.
        gamma: Power of the member `"power"`, not 0 or -1, default 0.5; refused for others.
        targets: Labels (fake, real) of C2, fake < real, default (0, 1); refused for others.
    """
    if isinstance(member, Member):
        name = None
    elif isinstance(member, str):
        name = checks.one_of("member", ALIASES.get(member, member), MEMBERS)
    else:
        raise TypeError(f"`member` must be a name or a Member. {checks.received(member=member)}")
    if gamma is not None and name != "power":
        raise ValueError(f'`gamma` is used by member="power" only. {checks.received(member=member)}')
    if targets is not None and name != "C2":
        raise ValueError(f'`targets` is used by member="C2" (least squares) only. {checks.received(member=member)}')
    if name is None:
        return member
    if gamma is not None:
        gamma = checks.number("gamma", gamma)
        if gamma in (0.0, -1.0):
            raise ValueError(f"`gamma` must not be 0 or -1 (0 is the member A2). {checks.received(gamma=gamma)}")
        built = power(gamma, "power")
    elif targets is not None:
        built = least_squares(*ordered_labels(targets))
    else:
        built = MEMBERS[name]()
    built.builtin = name
    return built


def ordered_labels(targets):
    """Returns the labels (fake, real) of least squares, fake < real."""
    if not isinstance(targets, (tuple, list)) or len(targets) != 2:
        raise ValueError(
            "`targets` must be two numbers (fake, real). The generator's target is the real label: with another one, "
            "as the midpoint of (-1, 1, 0), the generator converges to a wrong law. "
            f"{checks.received(targets=targets)}"
        )
    low, high = (checks.number("targets", target) for target in targets)
    if not low < high:
        raise ValueError(f"`targets` (fake, real) must have fake < real. {checks.received(targets=targets)}")
    return low, high


def generator_losses(member):
    """Returns the names of the generator losses that a member has, its own first."""
    general = ("non_saturating", "linear", "exp")
    if member.builtin == "C2":
        return ("least_squares", "saturating", *general)
    if member.builtin == "D1":
        return ("saturating", *general)
    if member.builtin == "D2":
        return ("hinge", *general)
    return (*(("beta",) if member.beta is not None else ()), *general, "saturating")
