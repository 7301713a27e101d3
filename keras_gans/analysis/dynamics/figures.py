"""Six pictures of the Dirac-GAN; each function returns a `matplotlib` figure."""

import numpy as np

from keras_gans import checks
from keras_gans.analysis.dynamics.dirac import DiracGAN
from keras_gans.analysis.dynamics.objectives import OBJECTIVES
from keras_gans.analysis.dynamics.simulation import average_residual

PLANE = np.array([0.1, 0.2, 0.2, 0.1])  # phi and theta, each in the plane


def _figure(width, height):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _of_dimension(gan, dim):
    if not isinstance(gan, DiracGAN) or gan.dim != dim:
        raise ValueError(f"`gan` must be a DiracGAN with dim={dim}. {checks.received(gan=gan)}")
    return gan


def phase_portrait(gan, start=(1.0, 1.0), rate=0.2, steps=500, extent=2.0):
    """Draws the field of a game of numbers, its flow, and the paths of simultaneous and alternating steps.

    Args:
        gan: A `DiracGAN` with dim=1.
        start: State (phi, theta) where the paths begin.
        rate, steps: Of the discrete steps; the flow takes the same time.
        extent: Half the side of the picture.
    """
    _of_dimension(gan, 1)
    figure = _figure(5.2, 5)
    axes = figure.subplots()
    grid = np.linspace(-extent, extent, 21)
    field = np.array([[gan.field((phi, theta)) for phi in grid] for theta in grid])
    axes.quiver(grid, grid, field[..., 0], field[..., 1], np.linalg.norm(field, axis=-1), cmap="Greys", alpha=0.6)
    paths = [("flow", {}), ("simultaneous", {}), ("alternating", {}), ("alternating", {"critic_steps": 5})]
    for method, options in paths:
        path = gan.simulate(start, steps, rate, method, **options)
        label = method if not options else "alternating, 5 critic steps"
        axes.plot(
            *path.states.T,
            label=label,
            lw=1.5 if method == "flow" else 0.8,
            marker="" if method == "flow" else ".",
            ms=2,
        )
    axes.plot(0, 0, "k+", ms=10)
    axes.set(
        xlim=(-extent, extent), ylim=(-extent, extent), xlabel="critic's slope phi", ylabel="generated point theta"
    )
    axes.set_title(f"{gan.name}, rate {rate:g}, {steps} steps", fontsize=9)
    axes.set_aspect("equal")
    axes.legend(fontsize=7, loc="upper right")
    return figure


def trajectories(gans, start=PLANE, time=100.0, ema_decay=0.999, step=0.05):
    """Draws the paths of the generated point in the plane with their moving averages, a panel per game.

    Args:
        gans: A `DiracGAN` with dim=2, or a list of them.
        start: State (4,).
        time: Length of the flow.
        ema_decay: Decay of the average per `step`.
        step: Time between two points.
    """
    gans = [_of_dimension(gan, 2) for gan in (gans if isinstance(gans, (list, tuple)) else [gans])]
    figure = _figure(3.2 * len(gans), 3.4)
    for axes, gan in zip(np.atleast_1d(figure.subplots(1, len(gans))), gans, strict=True):
        path = gan.simulate(start, round(time / step), step, "flow", ema_decay=ema_decay)
        axes.plot(*path.states[:, 2:].T, lw=0.7, label="theta")
        axes.plot(*path.averages[:, 2:].T, lw=1.2, label=f"average, decay {ema_decay:g}")
        axes.plot(*path.states[0, 2:], "o", ms=4, color="C0")
        axes.plot(0, 0, "k+", ms=10, label="data")
        axes.set_title(gan.name, fontsize=9)
        axes.set(xlabel="theta_1", ylabel="theta_2")
        axes.set_aspect("equal", "datalim")
    axes.legend(fontsize=7)
    return figure


def radii(gans=None, start=(0.0, 1.0), time=200.0, points=400):
    """Draws the distance from the equilibrium against time, both logarithmic, of many games.

    Args:
        gans: List of `DiracGAN` of one dimension; default every objective and sgan_ns with R1.
        start: State (2 dim,).
        time: Length of the flow.
        points: Points of a line.
    """
    if gans is None:
        gans = [*(DiracGAN(name) for name in OBJECTIVES if name != "wgan_sn"), DiracGAN("sgan_ns", r1=0.3)]
    figure = _figure(7, 4.4)
    axes = figure.subplots()
    for k, gan in enumerate(gans):
        path = gan.simulate(start, points, time / points, "flow")
        axes.loglog(path.times[1:], np.maximum(path.radii[1:], 1e-12), label=gan.name, lw=1, ls=["-", "--", ":"][k % 3])
    axes.set(xlabel="time", ylabel="distance from the equilibrium", ylim=(1e-3, None))
    axes.legend(fontsize=7, ncols=2)
    return figure


def eigenvalue_curves(objective="sgan_ns", largest=None, **knobs):
    """Draws real and imaginary parts of the eigenvalues against the weight of R1, and the weight that damps best.

    Args:
        objective: Name of an objective whose field has a derivative at the equilibrium.
        largest: Largest weight, default twice the critical one.
        **knobs: Of the objective.
    """
    critical = DiracGAN(objective, **knobs).critical_weight()
    largest = 2.0 * critical if largest is None else checks.number("largest", largest, above=0)
    weights = np.linspace(0.0, largest, 200)
    values = np.array([DiracGAN(objective, r1=weight, **knobs).eigenvalues() for weight in weights])
    figure = _figure(6, 4)
    axes = figure.subplots()
    for k in range(2):
        axes.plot(weights, values[:, k].real, color="C0", label="real parts" if k == 0 else None)
        axes.plot(weights, values[:, k].imag, color="C1", ls="--", label="imaginary parts" if k == 0 else None)
    axes.axvline(critical, color="grey", lw=0.8, label=f"critical weight {critical:g}")
    axes.set(xlabel="weight of R1", ylabel="eigenvalues at the equilibrium", title=objective)
    axes.legend(fontsize=8)
    return figure


def stability_map(objective="sgan_ns", largest_rate=2.0, largest_weight=None, momentum=0.0, points=60, **knobs):
    """Draws by what a step multiplies a small radius, for learning rates and weights of R1, in both modes.

    Args:
        objective, **knobs: As for `eigenvalue_curves`.
        largest_rate: Largest learning rate.
        largest_weight: Largest weight, default twice the critical one.
        momentum: Heavy-ball momentum of both players.
        points: Points per side.
    """
    critical = DiracGAN(objective, **knobs).critical_weight()
    rates = np.linspace(largest_rate / points, largest_rate, points)
    weights = np.linspace(0.0, 2.0 * critical if largest_weight is None else largest_weight, points)
    games = [DiracGAN(objective, r1=weight, **knobs) for weight in weights]
    figure = _figure(8.5, 3.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, method in zip(panels, ("simultaneous", "alternating"), strict=True):
        values = np.array([[game.step_radius(rate, method, momentum) for rate in rates] for game in games])
        drawn = axes.pcolormesh(rates, weights, values, cmap="RdBu_r", vmin=0.5, vmax=1.5, shading="nearest")
        if values.min() < 1.0 < values.max():
            axes.contour(rates, weights, values, levels=[1.0 + 1e-6], colors="k", linewidths=1)
        axes.set(xlabel="learning rate", title=f"{method} steps of {objective}")
    panels[0].set_ylabel("weight of R1")
    figure.colorbar(drawn, ax=list(panels), label="radius per step (line: 1)")
    return figure


def average_attenuation(decays=(0.9, 0.99, 0.999, 0.9999)):
    """Draws what a moving average leaves of an orbit, against the angle that it turns per step."""
    phases = np.logspace(-4, np.log10(np.pi), 300)
    figure = _figure(6, 4)
    axes = figure.subplots()
    for decay in decays:
        checks.number("decays", decay, minimum=0, below=1)
        axes.loglog(phases, average_residual(phases, decay), label=f"decay {decay:g}")
    axes.set(xlabel="radians per step", ylabel="share of the amplitude that is left")
    axes.legend(fontsize=8)
    return figure
