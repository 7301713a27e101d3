"""Whether a member of the likelihood-ratio family is a game whose generator is led to the data."""

import numpy as np

from keras_gans.engine import input_gradients
from keras_gans.games.functions import values
from keras_gans.games.likelihood_ratios import get_member


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
