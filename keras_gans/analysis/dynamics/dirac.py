"""The Dirac-GAN: a generator that is one point, data that are one point, and a critic that is one slope.

With the data at 0, D(x) = phi . x (higher = more real) and the generator theta, training is the flow

    phi' = -A(u) theta - P(phi),    theta' = B(u) phi,    u = phi . theta                  (arXiv:1801.04406)

with A, B and P from `objectives.py`. At the equilibrium phi = theta = 0 its Jacobian is, per coordinate, J = [[-g, -a],
[b, 0]] with a = A(0), b = B(0) and the damping g of the penalties, so that

    eigenvalues  -g/2 +- sqrt(g^2/4 - a b):    no damping, no convergence; fastest at g = 2 sqrt(a b)

and one step of rate h (while the pair is complex) scales the radius by sqrt(1 - h g + h^2 a b) if both players move at
once and by sqrt(1 - h g) if they take turns. The state is (phi, theta), 2 dim numbers. Conclusions are local and for
this toy: they order methods, they do not predict the quality of images.
"""

import inspect

import numpy as np
from scipy.linalg import expm

from keras_gans import checks
from keras_gans.analysis.dynamics import simulation
from keras_gans.analysis.dynamics.objectives import OBJECTIVES, SMALLEST, Objective

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
NO_LINEARISATION = ("wgan_sn", "wgan_gp")


class DiracGAN:
    """The game of one point against one slope.

    Args:
        objective: `"sgan_sat"`, `"sgan_ns"`, `"rsgan"`, `"lsgan"`, `"wgan"`, `"hinge"`, `"wgan_sn"`, `"wgan_gp"`,
            `"wgan_lp"`, `"wgan_div"` or `"gan_qp"`; or an `Objective` of your own.
        r1, r2: Weights of the zero-centred penalties `weight / 2 E |grad D|^2` at the real and at the fake, at least 0,
            default 0. Here both gradients are phi.
        weight_decay: Weight of `weight / 2 |phi|^2`, at least 0, default 0.
        instance_noise: Standard deviation of Gaussian noise on the real and the fake, default 0; for the two SGANs,
            lsgan and wgan.
        dim: Dimension of the points, default 1.
        penalty: A `Radial` of your own, for an `Objective` of your own.
        **knobs: Of the objective: `targets` of lsgan (default (-1, 1, 1)), `lam` and `target` of wgan_gp and wgan_lp
            (0.1 and 1), `k` and `p` of wgan_div (2 and 6), `lam` and `distance` of gan_qp (1 and `"l2"`).

    Raises:
        ValueError, TypeError: For an unknown objective or knob (the nearest is named) and negative weights.

    Example:
        >>> gan = keras_gans.analysis.dynamics.DiracGAN("sgan_ns", r1=0.3)
        >>> gan.eigenvalues()
        >>> print(gan.verdict())

    Reference: Mescheder, Geiger, Nowozin, 2018, arXiv:1801.04406, whose critic has the other sign.
    """

    def __init__(self, objective, r1=0.0, r2=0.0, weight_decay=0.0, instance_noise=0.0, dim=1, penalty=None, **knobs):
        self.knobs = knobs
        if isinstance(objective, Objective):
            checks.no_unknown("A DiracGAN with an Objective of yours", knobs, (*_COMMON, "penalty"))
            self.objective = objective
        else:
            if penalty is not None:
                raise ValueError("`penalty` is for an Objective of your own; the names have theirs.")
            build, penalized = OBJECTIVES[checks.one_of("objective", objective, OBJECTIVES)]
            own = penalized if penalized is not None else build
            known = tuple(inspect.signature(own).parameters)
            unknown = [knob for knob in knobs if knob not in known]
            checks.no_unknown(f"DiracGAN({objective!r})", unknown, (*known, *_COMMON))
            self.objective = build(**knobs) if penalized is None else build()
            penalty = None if penalized is None else penalized(**knobs)
        self.penalty = penalty
        self.r1 = checks.number("r1", r1, minimum=0)
        self.r2 = checks.number("r2", r2, minimum=0)
        self.weight_decay = checks.number("weight_decay", weight_decay, minimum=0)
        self.instance_noise = checks.number("instance_noise", instance_noise, minimum=0)
        if self.instance_noise and (self.objective.real_curvature is None or self.objective.normalized or penalty):
            raise ValueError(
                "`instance_noise` is known for 'sgan_sat', 'sgan_ns', 'lsgan' and 'wgan'. "
                f"{checks.received(objective=self.objective.name)}"
            )
        self.dim = checks.positive_integer("dim", dim)

    @property
    def name(self):
        """The objective and its regularisers in words."""
        weights = {"R1": self.r1, "R2": self.r2, "decay": self.weight_decay, "noise": self.instance_noise}
        own = [f"{key}={value}" for key, value in self.knobs.items()]
        return " ".join([self.objective.name, *own, *(f"{key} {value:g}" for key, value in weights.items() if value)])

    @property
    def damping(self):
        """The weight of the penalties that are quadratic in phi: R1, R2 and weight decay."""
        return self.r1 + self.r2 + self.weight_decay

    def split(self, state):
        """Returns `(phi, theta)`, arrays (dim,), of a state (2 dim,)."""
        state = np.asarray(state, "float64")
        if state.shape != (2 * self.dim,):
            raise ValueError(
                f"`state` must be {2 * self.dim} numbers, phi and then theta (dim={self.dim}). "
                f"Received: shape {state.shape}."
            )
        return state[: self.dim], state[self.dim :]

    # The flow ---------------------------------------------------------------------------------------------

    def critic_field(self, phi, theta):
        """Returns phi' (dim,): where the critic's gradient descent goes."""
        u = phi @ theta
        if self.objective.normalized:
            r = max(np.linalg.norm(phi), SMALLEST)
            motion = -theta / r + u * phi / r**3
        elif self.instance_noise:
            # E (theta + s e) A(phi . (theta + s e)) = theta E A + s^2 phi E A', by Stein's identity
            s = self.instance_noise
            scores = s * np.linalg.norm(phi) * NODES
            slopes = self.objective.critic(u + scores, theta)
            curvatures, _ = self.objective.curvatures(u + scores, theta)
            bent = WEIGHTS @ (curvatures + self.objective.real_curvature(scores))
            motion = -theta * np.sum(WEIGHTS * slopes) - s**2 * bent * phi
        else:
            motion = -self.objective.critic(u, theta) * theta
        if self.penalty is not None:
            motion = motion - self.penalty.factor(np.linalg.norm(phi)) * phi
        return motion - self.damping * phi

    def generator_field(self, phi, theta):
        """Returns theta' (dim,)."""
        u = phi @ theta
        if self.objective.normalized:
            return phi / max(np.linalg.norm(phi), SMALLEST)
        if self.instance_noise:
            scores = u + self.instance_noise * np.linalg.norm(phi) * NODES
            return np.sum(WEIGHTS * self.objective.generator(scores, theta)) * phi
        return self.objective.generator(u, theta) * phi

    def field(self, state):
        """Returns the velocity (2 dim,) of the flow at a state (2 dim,)."""
        phi, theta = self.split(state)
        return np.concatenate([self.critic_field(phi, theta), self.generator_field(phi, theta)])

    def jacobian(self, state=None):
        """Returns the Jacobian (2 dim, 2 dim) of the field at a state, by default the equilibrium 0.

        Raises:
            ValueError: At 0 for `wgan_sn` and for `wgan_gp` with a target, whose fields have no derivative there.
        """
        if state is None and self.objective.name in NO_LINEARISATION and self.knobs.get("target", 1.0) != 0:
            raise ValueError(
                f"The field of {self.objective.name!r} has no derivative at the equilibrium. Give a `state` elsewhere."
            )
        phi, theta = self.split(np.zeros(2 * self.dim) if state is None else state)
        if self.instance_noise:
            return self._differences(np.concatenate([phi, theta]))
        u, r, identity = phi @ theta, max(np.linalg.norm(phi), SMALLEST), np.eye(self.dim)
        if self.objective.normalized:
            turned = identity / r - np.outer(phi, phi) / r**3
            by_phi = (np.outer(theta, phi) + np.outer(phi, theta) + u * identity) / r**3
            top = by_phi - 3.0 * u * np.outer(phi, phi) / r**5, -turned
            bottom = turned, np.zeros_like(identity)
        else:
            a, b = self.objective.critic(u, theta), self.objective.generator(u, theta)
            bent_a, bent_b = self.objective.curvatures(u, theta)
            drift = 0.0 if self.objective.critic_drift is None else self.objective.critic_drift(u, theta)
            top = -bent_a * np.outer(theta, theta), -np.outer(theta, bent_a * phi + drift) - a * identity
            bottom = bent_b * np.outer(phi, theta) + b * identity, bent_b * np.outer(phi, phi)
        damped = self.damping * identity
        if self.penalty is not None:
            norm = np.linalg.norm(phi)
            damped = damped + self.penalty.factor(norm) * identity
            damped = damped + self.penalty.slope(norm) * np.outer(phi, phi) / r
        return np.block([[top[0] - damped, top[1]], list(bottom)])

    def _differences(self, state, step=1e-5):
        columns = [self.field(state + d) - self.field(state - d) for d in step * np.eye(len(state))]
        return np.stack(columns, axis=1) / (2.0 * step)

    def eigenvalues(self, state=None):
        """Returns the eigenvalues (2 dim,) of the Jacobian, the largest real part first; see `jacobian`."""
        values = np.linalg.eigvals(self.jacobian(state))
        return values[np.lexsort((-values.imag, -values.real))]

    def critical_weight(self):
        """Returns the damping g = 2 sqrt(a b) with which nearby states come to rest fastest; ours, from J."""
        zero = np.zeros(self.dim)
        slopes = self.objective.critic(0.0, zero), self.objective.generator(0.0, zero)
        return 2.0 * float(np.sqrt(max(0.0, slopes[0] * slopes[1])))

    # What stays -------------------------------------------------------------------------------------------

    def invariants(self, state):
        """Returns `{name: number}` of what the flow keeps constant at a state.

        `wedge`: phi_i theta_j - phi_j theta_i for all i < j, its norm with a sign for dim = 2, of every flow without
        damping (with damping g it is proportional to e^-gt, see `wedge_rate`). `radius_squared`: |phi|^2 + |theta|^2 of
        sgan_sat, wgan, and hinge while u > -1. `norm` and `energy`, of wgan_sn.
        """
        phi, theta = self.split(state)
        found, undamped = {}, self.penalty is None and not self.damping and not self.instance_noise
        if self.dim > 1 and undamped and not self.objective.normalized:
            found["wedge"] = wedge(phi, theta)
        turning = ("sgan_sat", "wgan", "hinge") if phi @ theta > -1 else ("sgan_sat", "wgan")
        if undamped and self.objective.name in turning:
            found["radius_squared"] = float(phi @ phi + theta @ theta)
        if undamped and self.objective.normalized:
            norm = np.linalg.norm(phi)
            across = theta @ theta - (theta @ phi / norm) ** 2
            found["norm"] = float(norm)
            if self.dim > 1:
                found["energy"] = float(theta @ theta - norm**2 * np.log(max(across, SMALLEST)))
        return found

    def wedge_rate(self):
        """Returns g with wedge(t) = wedge(0) e^-gt, or None where the wedge follows no such law."""
        if self.objective.normalized or self.instance_noise:
            return None
        if self.penalty is None:
            return self.damping
        constant = self.knobs.get("target") == 0 or self.knobs.get("p") == 2
        return self.damping + self.penalty.factor(1.0) if constant else None

    def exact(self, times, start):
        """Returns the states (len(times), 2 dim) of the flow in closed form, exp(t J) start, where the field is linear.

        Raises:
            ValueError: For a field that is not linear; `simulate` integrates it.
        """
        flat = self.objective.name.startswith("wgan") and not self.objective.normalized
        if not flat or self.wedge_rate() is None or self.instance_noise:
            raise ValueError(
                f"There is no closed form for {self.name!r}: only for wgan, wgan_gp with target=0 and wgan_div with "
                "p=2, with R1, R2 or weight decay. Use simulate(..., method='flow')."
            )
        matrix, (phi, theta) = self.jacobian(np.zeros(2 * self.dim)), self.split(start)
        return np.stack([expm(t * matrix) @ np.concatenate([phi, theta]) for t in np.atleast_1d(times)])

    # Paths ------------------------------------------------------------------------------------------------

    def simulate(self, start, steps, rate, method="alternating", **options):
        """Returns the `Path` from a state; see `keras_gans.analysis.dynamics.simulate`, also for `options`."""
        return simulation.simulate(self, start, steps, rate, method, **options)

    def step_radius(self, rate, method="alternating", momentum=0.0):
        """Returns by what a step multiplies a small radius; see `keras_gans.analysis.dynamics.step_radius`."""
        return simulation.step_radius(self, rate, method, momentum)

    def verdict(self):
        """Returns what becomes of the game; see `keras_gans.analysis.dynamics.verdict`."""
        return simulation.verdict(self)

    def __repr__(self):
        return f"DiracGAN({self.name!r}, dim={self.dim})"


def wedge(phi, theta):
    """Returns phi_1 theta_2 - phi_2 theta_1 of two points of the plane; in more dimensions the norm of all such."""
    if len(phi) == 2:
        return float(phi[0] * theta[1] - phi[1] * theta[0])
    matrix = np.outer(phi, theta)
    return float(np.linalg.norm(matrix - matrix.T) / np.sqrt(2.0))


_COMMON = ("r1", "r2", "weight_decay", "instance_noise", "dim")
