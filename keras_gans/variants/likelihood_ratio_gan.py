"""Likelihood-ratio GANs (Moustakides and Basioti, 2020, arXiv:2002.00865): a game from omega and rho.

With r = q/p the density ratio fake over real, omega increasing, rho > 0, and t the variable of the paper (high = fake),
which the raw score s = D(.) (high = real) gives by a decreasing bridge into the range of omega:

    range of omega    (-inf, inf) "real"    (0, inf) "positive"    (0, 1) "unit"    (a, b)
    t(s)              -s                    e^-s                   sigmoid(-s)      a + b - s

    psi' = rho,  phi' = -omega^-1 rho
    discriminator:  min over D  -E phi(t(D(x))) - E psi(t(D(G(z)))),     best at t = omega(r)
    generator:      min over G  E beta(t(D(G(z))))

log p/q is read out of the score as -log omega^-1(t(s)). The members, sp(v) = log(1 + e^v) and sig its slope:

         omega       rho        -phi(t(s)) on reals                -psi(t(s)) on fakes
    A1   r           1          e^-2s / 2                          1 - e^-s
    A2   r           1/t        e^-s                               s
    A3   r           1/(1+t)    e^-s - sp(-s)                      log 2 - sp(-s)
    power  r         t^(c-1)    e^(-(c+1)s) / (c+1)                (1 - e^-cs) / c            c = gamma, not 0 or -1
    B1   log r       sig(-t)    sp(-s)                             sp(s) - log 2              the GAN of 2014
    B2   log(r)/2    e^-t       e^-s                               e^s - 1                    Hellinger
    B3   log r       e^-t       -s                                 e^s - 1                    KL(p||q)
    B4   log r       1          e^-s                               s                          KL(q||p), as A2
    C1   r/(1+r)     1/t        as B1                              as B1
    C2   (a+br)/(1+r)  2(b-t)   (s-b)^2                            (s-a)^2 - ((b-a)/2)^2      least squares
    C3   r/(1+r)     1          sp(-s) - sig(-s)                   1/2 - sig(-s)
    D1   sign log r  (limit)    -tanh s                            tanh s                     total variation
    D2   sign log r  (limit)    max(0, 1-s)                        max(0, 1+s)                hinge

Generator losses (beta): saturating psi; linear -s; non_saturating sp(-s); exp e^-s; least_squares (s-b)^2 for C2; hinge
-s for D2. D is fixed while G moves, so that what matters is that beta(omega(r)) never decreases: the convexity of the
divergence that a pair of losses spells, which is all that is sometimes asked, admits losses that drive fakes away.

Our choices: 1. every step draws fresh latents; 2. a score inside an exponential is softly clipped, s -> 20 tanh(s/20)
(10 where e^-2s occurs), other terms see s itself, but for A3, whose slope on reals would change sign; 3. the target of
C2's generator is the real label b: with the midpoint, as in the coding (-1, 1, 0), the generator converges to a wrong
law when D is exact; 4. the constants of the table stay, so that `game_value` is that of the table.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, input_gradients, mean

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
GENERATOR_LOSSES = ("auto", "non_saturating", "saturating", "linear", "exp", "least_squares", "hinge", "beta")
FUNCTIONS = ("omega", "omega_inverse", "rho", "beta", "phi", "psi", "ratio")
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
LOG_2 = math.log(2.0)


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


def values(function, *points):
    """Returns a function of tensors at NumPy arrays, as float64, and the rounding unit of the backend's floats."""
    result = ops.convert_to_numpy(ops.stop_gradient(function(*(ops.convert_to_tensor(each) for each in points))))
    return np.asarray(result, "float64"), float(np.finfo(result.dtype).eps)


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
                f"`omega` must be a function of a tensor, written with keras.ops. It says: {str(error).splitlines()[0]}"
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


def slope_changes(r, d):
    """Returns the relative changes of the slope of d over a grid r: none is negative for a convex d."""
    slopes = np.diff(d) / np.diff(r)
    return np.diff(slopes) / (np.abs(slopes[1:]) + np.abs(slopes[:-1]) + 1e-12)


def verify(member, beta=None):
    """Refuses a member that is not a game whose generator is led to the data.

    Checked on 601 ratios r from 1e-3 to 1e3, in float64 where the backend has it (JAX by default has not; then with
    the tolerances of float32): omega increases and omega_inverse undoes it; rho is positive; phi and psi have the
    slopes -omega^-1 rho and rho; the discriminator's best answer is omega(r); the divergence d(r) is convex with its
    minimum at r = 1; the generator's loss beta(omega(r)) never decreases; the score is high for reals. Of the limits
    D1 and D2, which have no omega, only the last is asked.

    Args:
        member: Name of a member or `Member`.
        beta: Function of t, a generator's loss; default `member.beta`.

    Returns:
        The `Member`.

    Raises:
        ValueError: Naming the first condition that fails.
    """
    member = get_member(member)

    def demand(holds, sentence):
        if not holds:
            raise ValueError(f"The member {member.name!r} is not a valid game: {sentence}")

    around = member.equal + np.array([-0.1, 0.1])
    phi, _ = values(member.on_reals, around, around)
    if member.limit:
        demand(phi[1] >= phi[0], "the discriminator's loss must fall with the score of reals (higher = more real).")
        return member

    # 1, 2. omega, its inverse and rho
    r = np.logspace(-3, 3, 601)
    t, unit = values(member.omega, r)
    rough = 1e-6 if unit < 1e-10 else 2e-3
    demand(np.isfinite(t).all() and (np.diff(t) > 0).all(), "`omega` must be strictly increasing in r = q/p.")
    low, high = {"real": (-np.inf, np.inf), "positive": (0, np.inf), "unit": (0, 1)}.get(member.domain, member.domain)
    demand(
        t[0] > low and t[-1] < high,
        f"`omega` must stay inside the domain {member.domain!r}. Received: values from {t[0]:g} to {t[-1]:g}.",
    )
    back, _ = values(member.omega_inverse, t)
    demand((np.abs(back / r - 1.0) < rough).all(), "`omega_inverse` must undo `omega`.")
    rho, _ = values(member.rho, t)
    demand((rho > 0).all(), f"`rho` must be positive on the domain. Received: values down to {rho.min():g}.")

    # 3. The slopes of phi and psi
    s = member.score_of(t)
    middle = s[np.abs(np.log(r)) <= 2]
    for name, function, slope in (
        ("phi", member.on_reals, member.phi_slope),
        ("psi", member.on_fakes, member.psi_slope),
    ):
        found, _ = values(lambda s, function=function: input_gradients(lambda x: function(x, x), s), middle)
        expected, _ = values(slope, middle)
        wrong = np.abs(found - expected) > 10 * rough * (np.abs(expected) + 1e-3 * np.abs(expected).max())
        formula = {"phi": "-omega_inverse(t) rho(t)", "psi": "rho(t)"}[name]
        demand(not wrong.any(), f"the slope of `{name}` in t must be {formula}.")

    # 4. The discriminator's best answer
    phi, psi = values(member.on_reals, s, s)[0], values(member.on_fakes, s, s)[0]
    d = phi + r * psi
    noise = 64 * unit * (np.abs(phi) + np.abs(r * psi) + 1e-3) + np.abs(back / r - 1.0) * np.abs(phi)
    log_ratios = np.linspace(-8, 8, 40001)
    answers = member.score_of(values(member.omega, np.exp(log_ratios))[0])
    answers = answers[np.isfinite(answers)]
    phis, psis = values(member.on_reals, answers, answers)[0], values(member.on_fakes, answers, answers)[0]
    for ratio in (0.1, 0.5, 1.0, 2.0, 7.0):
        best, at = np.max(phis + ratio * psis), int(np.argmin(np.abs(np.log(r / ratio))))
        own = member.score_of(values(member.omega, np.full(1, ratio))[0])
        value = (values(member.on_reals, own, own)[0] + ratio * values(member.on_fakes, own, own)[0])[0]
        demand(
            best <= value + 1e-6 * (1.0 + abs(value)) + 4 * noise[at],
            f"phi + r psi must be greatest at omega(r). Received: {best:.8g} above {value:.8g} at r={ratio:g}.",
        )

    # 5, 6. The divergence
    widths = np.diff(r)
    slope_noise = (noise[1:] + noise[:-1]) / widths
    slopes = np.abs(np.diff(d) / widths)
    allowed = 1e-9 + (slope_noise[1:] + slope_noise[:-1]) / (slopes[1:] + slopes[:-1] + 1e-12)
    demand((slope_changes(r, d) >= -allowed).all(), "the divergence d(r) must be convex in r.")
    demand(d[300] <= d.min() + 2 * noise[300], "the divergence d(r) must be least at r = 1.")

    # 7. The generator's loss
    beta = member.beta if beta is None else beta
    if beta is not None:
        losses, unit = values(beta, t)
        steps = np.diff(losses) + 1e-12 + 4 * unit * (np.abs(losses[1:]) + np.abs(losses[:-1]))
        demand(
            np.isfinite(losses).all() and (steps >= 0).all() and np.ptp(losses) > 1e-6,
            "`beta(omega(r))` must never decrease and not be constant: where it decreases, the generator drives fakes "
            f"away from the data. Received: a loss with its least step near r={r[int(np.argmin(steps))]:.3g}.",
        )

    # 8. The sign of the score
    low, high = values(member.on_reals, around, around)[0]
    demand(high >= low, "the discriminator's loss must fall with the score of reals (higher = more real).")
    return member


@keras.saving.register_keras_serializable("keras_gans")
class LikelihoodRatioGAN(AdversarialModel):
    """A GAN whose discriminator estimates a chosen function omega of the likelihood ratio.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) raw scores, higher = more real, no sigmoid.
        latent_dim: Integer, length of a latent vector.
        member: `"B1"` (default, also `"sgan"`), `"A1"` (`"mean_square"`), `"A2"`, `"A3"`, `"power"`, `"B2"`
            (`"exponential"`), `"B3"`, `"B4"`, `"C1"` (`"cross_entropy"`), `"C2"` (`"least_squares"`, `"lsgan"`),
            `"C3"`, `"D1"` (`"total_variation"`), `"D2"` (`"hinge"`), or a `Member`, which is verified.
        generator_loss: `"non_saturating"`, `"saturating"` (not D2), `"linear"`, `"exp"`, `"least_squares"` (C2 only),
            `"hinge"` (D2 only) or `"beta"` (a Member with beta). Default `"auto"`: beta where there is one,
            least_squares for C2, saturating for D1, hinge for D2, else non_saturating.
        gamma: For `member="power"`: number other than 0 and -1, default 0.5.
        targets: For `member="C2"`: labels (fake, real), default (0, 1).
        score_clip: Size to which a score inside an exponential is softly clipped, default 20 (halved for A1); None:
            not at all. Integrated members see the clipped score everywhere.
        critic_steps: Discriminator steps per generator step, default 1.
        num_classes: 0, or the number of classes of a conditional model.

    Logs: `game_value` is minus the discriminator's loss, an estimate of E_p d(q/p); `log_ratio_real` and
    `log_ratio_fake` are mean estimates of log p/q in nats (not for the limits D1 and D2).

    Raises:
        ValueError, TypeError: For an unknown or invalid member, a loss that the member does not have, or networks of
            the wrong shapes.

    Example:
        >>> model = keras_gans.create("likelihood_ratio_gan", image_shape=(32, 32, 3), member="C3")
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Moustakides and Basioti, 2020, arXiv:2002.00865. Default optimisers: Adam, learning rate 2e-4, betas
    (0.5, 0.999); 1e-4 for the discriminator of a member with exponentials.
    """

    logs = ("discriminator_loss", "generator_loss", "game_value", "log_ratio_real", "log_ratio_fake")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        member="B1",
        generator_loss="auto",
        gamma=None,
        targets=None,
        score_clip=20.0,
        **kwargs,
    ):
        self.member = get_member(member, gamma, targets)
        if isinstance(member, Member):
            verify(member)
        self.gamma, self.targets = gamma, None if targets is None else tuple(targets)
        checks.one_of("generator_loss", generator_loss, GENERATOR_LOSSES)
        offered = generator_losses(self.member)
        if generator_loss != "auto" and generator_loss not in offered:
            raise ValueError(
                f"`generator_loss` of the member {self.member.name!r} must be one of {', '.join(map(repr, offered))}. "
                f"{checks.received(generator_loss=generator_loss)}"
            )
        self.generator_loss_option = generator_loss
        self.generator_loss_name = offered[0] if generator_loss == "auto" else generator_loss
        self.score_clip = None if score_clip is None else checks.number("score_clip", score_clip, above=0)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def all_logs(self):
        logs = super().all_logs()
        return tuple(log for log in logs if not (self.member.limit and log.startswith("log_ratio")))

    def clipped(self, scores):
        """Returns the scores as they stand inside exponentials."""
        return self.member.soft_clip(scores, self.score_clip)

    def log_ratio(self, scores):
        """Returns the estimates of log p/q (real over fake, nats) that scores of any shape stand for."""
        if self.member.limit:
            raise ValueError(f"The member {self.member.name!r} is a limit: its scores estimate no log ratio.")
        return self.member.log_ratio(scores, self.clipped(scores))

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the discriminator from scores (n, 1)."""
        on_reals = mean(self.member.on_reals(real_scores, self.clipped(real_scores)))
        return -on_reals - mean(self.member.on_fakes(fake_scores, self.clipped(fake_scores)))

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator, E beta(t(s))."""
        if self.generator_loss_name == "saturating":
            return mean(self.member.on_fakes(fake_scores, self.clipped(fake_scores)))
        if self.generator_loss_name == "non_saturating":
            return mean(ops.softplus(-fake_scores))
        if self.generator_loss_name == "exp":
            return mean(ops.exp(-self.clipped(fake_scores)))
        if self.generator_loss_name == "least_squares":
            return mean(ops.square(fake_scores - self.member.domain[1]))
        if self.generator_loss_name == "beta":
            return mean(self.member.beta(self.member.bridge(self.clipped(fake_scores))))
        return -mean(fake_scores)  # linear, hinge

    def observe(self, loss, real_scores, fake_scores):
        """Returns what is logged: the value of the game and the mean log ratios."""
        observed = {"game_value": -loss}
        if not self.member.limit:
            observed["log_ratio_real"] = mean(self.log_ratio(real_scores))
            observed["log_ratio_fake"] = mean(self.log_ratio(fake_scores))
        return observed

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            fakes = ops.stop_gradient(self.fake(self.sample_latents(ops.shape(reals)[0]), labels))

            def critic_objective(reals=reals, labels=labels, fakes=fakes):
                real_scores, fake_scores = self.score(reals, labels), self.score(fakes, labels)
                game = self.discriminator_loss(real_scores, fake_scores)
                loss, extras = self.penalized(game, reals, fakes, labels)
                return loss, {**self.observe(game, real_scores, fake_scores), **extras}

            d_loss, observed = descend(critic_objective, self, "discriminator")

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss = descend(lambda: self.generator_loss(self.score(self.fake(latents, labels), labels)), self, "generator")
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed)

    def play(self, real_outputs, fake_outputs, reals, fakes, latents):
        loss = self.discriminator_loss(real_outputs, fake_outputs)
        return loss, self.generator_loss(fake_outputs), self.observe(loss, real_outputs, fake_outputs)

    def gradient_ratio(self):
        if self.generator_loss_name == "saturating":
            return "constant"
        if self.member.builtin in (None, "C2", "D2"):
            return None  # slopes that may be anything, or are 0
        return "per_sample"

    def default_optimizers(self):
        rates = {"discriminator": 1e-4 if self.member.exponent else 2e-4, "generator": 2e-4}
        return {player: keras.optimizers.Adam(rates[player], beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def network_options(cls, member="B1", gamma=None, targets=None, **knobs):
        """Returns the options of the networks: spectral for hinge and where a score is exponentiated, else batch."""
        member = get_member(member, gamma, targets)
        spectral = member.exponent or member.builtin == "D2"
        normalization = None if knobs.get("penalties") else "spectral" if spectral else "batch"
        return {"generator": {}, "discriminator": {"normalization": normalization}}

    def get_config(self):
        return {
            **super().get_config(),
            "member": self.member.builtin or keras.saving.serialize_keras_object(self.member),
            "gamma": self.gamma,
            "targets": self.targets,
            "generator_loss": self.generator_loss_option,
            "score_clip": self.score_clip,
        }


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
