"""Paths of the Dirac-GAN: its flow and its discrete steps, what a step does to the radius, and a verdict."""

import dataclasses

import numpy as np
from scipy.integrate import solve_ivp

from keras_gans import checks

METHODS = ("flow", "rk4", "simultaneous", "alternating")


@dataclasses.dataclass(frozen=True)
class Path:
    """A path of states.

    Args:
        times: Array (steps + 1,), the step number times the rate.
        states: Array (steps + 1, 2 dim), phi and then theta.
        averages: The exponential moving average of the states, of the same shape, or None.
        method: How it was made.
    """

    times: np.ndarray
    states: np.ndarray
    averages: np.ndarray | None
    method: str

    @property
    def radii(self):
        """Returns sqrt(|phi|^2 + |theta|^2), (steps + 1,): the distance from the equilibrium."""
        return np.linalg.norm(self.states, axis=1)


def simulate(gan, start, steps, rate, method="alternating", critic_steps=1, momentum=0.0, ema_decay=None):
    """Returns the `Path` of a `DiracGAN` from a state.

    Args:
        gan: A `DiracGAN`.
        start: State (2 dim,), phi and then theta.
        steps: Number of steps, each of length `rate`.
        rate: Learning rate of both players, or the time of a step of the flow; above 0.
        method: `"flow"`: the differential equation, to 1e-10; `"rk4"`: by the classical Runge-Kutta steps;
            `"simultaneous"`: both gradients at the old point, which is Euler's method; `"alternating"` (default): the
            critic, then the generator against the new critic.
        critic_steps: Critic steps per generator step, for `"alternating"`, default 1.
        momentum: Heavy-ball momentum of both players in discrete steps, greater than -1 and less than 1, default 0.
        ema_decay: Decay of an average e <- decay e + (1 - decay) state that begins at `start`, in [0, 1); default none.

    Raises:
        ValueError, TypeError: For an unknown method (the nearest is named), a rate that is not positive, or options
            that the method does not have.
    """
    gan.split(start)
    steps = checks.positive_integer("steps", steps)
    rate = checks.number("rate", rate, above=0)
    checks.one_of("method", method, METHODS)
    critic_steps = checks.positive_integer("critic_steps", critic_steps)
    momentum = checks.number("momentum", momentum, above=-1, below=1)
    if ema_decay is not None:
        checks.number("ema_decay", ema_decay, minimum=0, below=1)
    if critic_steps > 1 and method != "alternating":
        raise ValueError(f"`critic_steps` is for method='alternating'. {checks.received(method=method)}")
    if momentum and method in ("flow", "rk4"):
        raise ValueError(f"`momentum` is for discrete steps. {checks.received(method=method)}")
    times, start = rate * np.arange(steps + 1), np.asarray(start, "float64")
    if method == "flow":
        solved = solve_ivp(
            lambda t, y: gan.field(y), (0.0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-10, atol=1e-12
        )
        if not solved.success:
            raise ValueError(f"The flow of {gan.name!r} cannot be followed from this state: {solved.message}")
        states = solved.y.T
    else:
        step = _runge_kutta(gan, rate) if method == "rk4" else _descent(gan, rate, method, critic_steps, momentum)
        states = np.empty((steps + 1, len(start)))
        states[0], memory = start, np.zeros_like(start)
        for k in range(steps):
            states[k + 1], memory = step(states[k], memory)
    averages = None if ema_decay is None else _average(states, ema_decay)
    return Path(times, states, averages, method)


def _runge_kutta(gan, h):
    def step(x, memory):
        k1 = gan.field(x)
        k2 = gan.field(x + h / 2.0 * k1)
        k3 = gan.field(x + h / 2.0 * k2)
        return x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + gan.field(x + h * k3)), memory

    return step


def _descent(gan, h, method, critic_steps, momentum):
    """Returns the step of gradient descent with heavy-ball momentum: v <- momentum v + h field, x <- x + v."""

    def simultaneous(x, v):
        v = momentum * v + h * gan.field(x)
        return x + v, v

    def alternating(x, v):
        phi, theta = gan.split(x)
        v_phi, v_theta = gan.split(v)
        for _ in range(critic_steps):
            v_phi = momentum * v_phi + h * gan.critic_field(phi, theta)
            phi = phi + v_phi
        v_theta = momentum * v_theta + h * gan.generator_field(phi, theta)
        return np.concatenate([phi, theta + v_theta]), np.concatenate([v_phi, v_theta])

    return simultaneous if method == "simultaneous" else alternating


def _average(states, decay):
    averages = states.copy()
    for k in range(1, len(states)):
        averages[k] = decay * averages[k - 1] + (1.0 - decay) * states[k]
    return averages


def step_radius(gan, rate, method="alternating", momentum=0.0):
    """Returns by what a discrete step of the linearised game multiplies the radius, in the long run.

    It is the spectral radius of the step near the equilibrium: above 1 the game diverges, below 1 it converges.

    Args:
        gan: A `DiracGAN` whose field has a derivative at the equilibrium.
        rate, method, momentum: As for `simulate`, discrete methods only.
    """
    rate = checks.number("rate", rate, above=0)
    checks.one_of("method", method, ("simultaneous", "alternating"))
    momentum = checks.number("momentum", momentum, above=-1, below=1)
    matrix = rate * gan.jacobian()[:: gan.dim, :: gan.dim]  # of one coordinate: all are alike at the equilibrium

    def moved(players):  # of (v_phi, v_theta, phi, theta): v <- momentum v + rate J x, then x <- x + v
        step = np.eye(4)
        for player in players:
            step[player] = [*(momentum * np.eye(2)[player]), *matrix[player]]
            step[2 + player] = step[player] + np.eye(4)[2 + player]
        return step

    step = moved([0, 1]) if method == "simultaneous" else moved([1]) @ moved([0])
    return float(np.abs(np.linalg.eigvals(step)).max())


def average_residual(phase, decay):
    """Returns |(1 - d) / (1 - d e^-i phase)|, what an average of decay d leaves of an orbit turning `phase` a step."""
    return np.abs((1.0 - decay) / (1.0 - decay * np.exp(-1j * np.asarray(phase))))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What becomes of a game that starts near its equilibrium.

    Args:
        kind: `"exponential"`, `"sublinear"`, `"orbit"`, `"limit-cycle"` or `"divergent"`.
        sentence: The same in words.
        eigenvalues: At the equilibrium, or None where the field has no derivative there.
    """

    kind: str
    sentence: str
    eigenvalues: np.ndarray | None

    def __str__(self):
        return self.sentence


def verdict(gan, horizon=300.0):
    """Returns the `Verdict` on the flow of a `DiracGAN`: by eigenvalues, and where they say nothing by simulation.

    Args:
        gan: A `DiracGAN`.
        horizon: Time of the two simulations, from radius 1 and from 1/2, default 300.
    """
    try:
        values = gan.eigenvalues()
    except ValueError:
        values = None
    largest = 0.0 if values is None else values.real.max()
    if largest < -1e-9:
        turns = np.abs(values.imag).max()
        rest = f", turning {turns:.3g} radians per unit of time" if turns > 1e-9 else ", without turning"
        return Verdict("exponential", f"{gan.name}: comes to rest like exp({largest:.3g} t){rest}.", values)
    if largest > 1e-9:
        return Verdict("divergent", f"{gan.name}: leaves the equilibrium like exp({largest:.3g} t).", values)
    ends, starts, falls = [], [], []
    for size in (1.0, 0.5):
        start = np.random.default_rng(0).normal(size=2 * gan.dim)
        for player in gan.split(start):  # views of it: both players equally far away
            player *= size / np.sqrt(2.0) / np.linalg.norm(player)
        times = np.linspace(0.0, horizon, 400)
        solved = solve_ivp(lambda t, y: gan.field(y), (0.0, horizon), start, "DOP853", t_eval=times, rtol=1e-7)
        radii = np.linalg.norm(solved.y, axis=0)
        starts.append(size)
        ends.append(radii[300:].max())
        falls.append(ends[-1] / radii[100:200].max())  # of a power of time, not of an orbit that is reached
    if max(falls) < 0.9 and max(end / start for start, end in zip(starts, ends, strict=True)) < 0.5:
        words = "turns and comes to rest slower than any exponential, for nothing damps its linear part"
        return Verdict("sublinear", f"{gan.name}: {words}.", values)
    if abs(ends[0] - ends[1]) < 1e-3 * ends[0]:
        words = f"turns and ends on one circle of radius {ends[0]:.3g}, wherever it starts"
        return Verdict("limit-cycle", f"{gan.name}: {words}.", values)
    if max(ends) > 3.0:
        return Verdict("divergent", f"{gan.name}: leaves every neighbourhood of the equilibrium.", values)
    return Verdict("orbit", f"{gan.name}: turns for ever, on an orbit that its start decides.", values)
