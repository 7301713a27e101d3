"""The objectives of the Dirac-GAN: the slopes of both losses in the score of the fake, and penalties of the critic.

The data are the point 0 and the critic is D(x) = phi . x, so that the score of the real is 0 and that of the fake is
u = phi . theta. Of losses L_D = l_r(0) + l_D(u) and L_G = l_G(u) the game needs A(u) = l_D'(u) and B(u) = -l_G'(u):

    phi' = -A(u) theta - P(phi),    theta' = B(u) phi

    sgan_sat, sgan_ns, rsgan   A = sig(u);   B = sig(u) saturating, sig(-u) for the other two     (arXiv:1406.2661)
    lsgan, targets (a, b, c)   A = 2 (u - a);   B = -2 (u - c)                                    (arXiv:1611.04076)
    wgan                       A = B = 1                                                          (arXiv:1701.07875)
    hinge                      A = 1 where u > -1, else 0;   B = 1                                (arXiv:1705.02894)
    gan_qp                     A = 1 + u / (lam d(theta));   B = 1                                (arXiv:1811.07296)
    wgan_sn                    wgan with D(x) = phi . x / |phi|                                   (arXiv:1802.05957)
    wgan_gp, wgan_lp           wgan with P of lam (|phi| - target)^2, lp only above the target    (arXiv:1704.00028)
    wgan_div                   wgan with P of k |phi|^p                                           (arXiv:1712.01026)
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy.special import expit

from keras_gans import checks

SMALLEST = 1e-12  # of a norm that is divided by


def constant(value):
    """Returns the function of (u, theta) that is always `value`."""
    return lambda u, theta: value


@dataclasses.dataclass(frozen=True)
class Objective:
    """The slopes of the two losses, functions of the score u of the fake and of the point theta (dim,).

    Args:
        name: Name for messages.
        critic: A(u, theta), the slope of the critic's loss in u.
        generator: B(u, theta), minus the slope of the generator's loss in u.
        critic_curvature, generator_curvature: Their derivatives in u; None: central differences.
        critic_drift: The derivative (dim,) of A in theta at fixed u; None: it has none.
        real_curvature: l_r''(s), for instance noise; None: not known.
        normalized: Whether the critic is phi . x / |phi|.
    """

    name: str
    critic: Callable
    generator: Callable
    critic_curvature: Callable | None = None
    generator_curvature: Callable | None = None
    critic_drift: Callable | None = None
    real_curvature: Callable | None = None
    normalized: bool = False

    def curvatures(self, u, theta):
        """Returns A'(u) and B'(u)."""

        def derivative(known, slope):
            if known is not None:
                return known(u, theta)
            return (slope(u + 1e-5, theta) - slope(u - 1e-5, theta)) / 2e-5

        return derivative(self.critic_curvature, self.critic), derivative(self.generator_curvature, self.generator)


@dataclasses.dataclass(frozen=True)
class Radial:
    """A penalty of the critic's norm r = |phi|: its gradient is `factor(r) phi`; `slope` is factor'(r)."""

    factor: Callable
    slope: Callable = lambda r: 0.0


def _bell(u, theta=None):
    return expit(u) * expit(-u)


def sgan(name, saturating):
    sign = 1.0 if saturating else -1.0
    return Objective(
        name,
        lambda u, theta: expit(u),
        lambda u, theta: expit(sign * u),
        _bell,
        lambda u, theta: sign * _bell(u),
        real_curvature=None if name == "rsgan" else _bell,
    )


def lsgan(targets=(-1.0, 1.0, 1.0)):
    """Least squares; targets (fake, real, generator). With 0 and 1 the balanced score is 1/2, which D cannot give."""
    if not isinstance(targets, (tuple, list)) or len(targets) != 3:
        raise ValueError(f"`targets` must be three numbers (fake, real, generator). {checks.received(targets=targets)}")
    fake, _, generator = (checks.number("targets", target) for target in targets)
    two = constant(2.0)
    slopes = (lambda u, theta: 2.0 * (u - fake)), (lambda u, theta: -2.0 * (u - generator))
    return Objective("lsgan", *slopes, two, constant(-2.0), real_curvature=lambda s: 2.0 + 0.0 * s)


def linear(name, **options):
    none, one = constant(0.0), constant(1.0)
    return Objective(name, one, one, none, none, real_curvature=lambda s: 0.0 * s, **options)


def hinge():
    none = constant(0.0)
    return Objective("hinge", lambda u, theta: float(u > -1.0), constant(1.0), none, none)


DISTANCES = {  # d(theta) and its gradient; the variants take means over pixels, which in one dimension is the same
    "l2": (lambda t: np.linalg.norm(t), lambda t: t / max(np.linalg.norm(t), SMALLEST)),
    "l1": (lambda t: np.abs(t).sum(), np.sign),
    "mse": (lambda t: t @ t, lambda t: 2.0 * t),
}


def gan_qp(lam=1.0, distance="l2"):
    """The quadratic potential with the distance of the fake from the data: `"l2"` |theta|, `"l1"` or `"mse"`."""
    checks.number("lam", lam, above=0)
    size, gradient = DISTANCES[checks.one_of("distance", distance, DISTANCES)]

    def inverse(theta):
        return 1.0 / (lam * max(size(theta), SMALLEST))

    return Objective(
        "gan_qp",
        lambda u, theta: 1.0 + u * inverse(theta),
        constant(1.0),
        lambda u, theta: inverse(theta),
        constant(0.0),
        critic_drift=lambda u, theta: -u * lam * inverse(theta) ** 2 * gradient(theta),
    )


def gradient_penalty(lam=0.1, target=1.0, one_sided=False):
    """lam (|phi| - target)^2, with `one_sided` only above the target."""
    checks.number("lam", lam, minimum=0)
    checks.number("target", target, minimum=0)

    def factor(r):
        excess = 1.0 - target / max(r, SMALLEST)
        return 2.0 * lam * (max(0.0, excess) if one_sided else excess)

    def slope(r):
        return 0.0 if one_sided and r <= target else 2.0 * lam * target / max(r, SMALLEST) ** 2

    return Radial(factor, slope)


def divergence_penalty(k=2.0, p=6.0):
    """k |phi|^p."""
    checks.number("k", k, minimum=0)
    checks.number("p", p, above=1)

    def slope(r):
        return 0.0 if p == 2 else k * p * (p - 2.0) * max(r, SMALLEST) ** (p - 3.0)

    return Radial(lambda r: k * p * max(r, SMALLEST) ** (p - 2.0) if p != 2 else 2.0 * k, slope)


# Name -> the objective and the penalty that belongs to it, from the knobs that both have, with their defaults.
OBJECTIVES = {
    "sgan_sat": (lambda: sgan("sgan_sat", saturating=True), None),
    "sgan_ns": (lambda: sgan("sgan_ns", saturating=False), None),
    "rsgan": (lambda: sgan("rsgan", saturating=False), None),
    "lsgan": (lsgan, None),
    "wgan": (lambda: linear("wgan"), None),
    "hinge": (hinge, None),
    "wgan_sn": (lambda: linear("wgan_sn", normalized=True), None),
    "wgan_gp": (lambda: linear("wgan_gp"), gradient_penalty),
    "wgan_lp": (lambda: linear("wgan_lp"), lambda lam=0.1, target=1.0: gradient_penalty(lam, target, True)),
    "wgan_div": (lambda: linear("wgan_div"), divergence_penalty),
    "gan_qp": (gan_qp, None),
}
