"""`keras-gans dynamics`: whether a game comes to rest, turns or leaves."""

from typing import Annotated

import typer

from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def dynamics(
    objective: Annotated[str, typer.Argument(metavar="OBJECTIVE", help="Such as sgan_ns, wgan, hinge, lsgan.")],
    r1: Annotated[float, typer.Option(help="Weight of R1.")] = 0.0,
    r2: Annotated[float, typer.Option(help="Weight of R2.")] = 0.0,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of the critic.")] = 0.0,
    rate: Annotated[float, typer.Option(help="Learning rate of the steps.")] = 0.2,
    steps: Annotated[int, typer.Option(help="Steps that are drawn.")] = 500,
    out: Annotated[str, typer.Option(help=options.PNG_HELP)] = "dynamics.png",
):
    """Say whether a GAN of two numbers converges with an objective and penalties, and draw its paths.

    The Dirac-GAN has one generated point, data at 0, and a critic that is one slope. It orders methods; it does not
    predict images. --r1 adds a penalty on the critic's gradient at real images, --r2 at generated ones.

    \b
    Example:
      keras-gans dynamics sgan_ns
      keras-gans dynamics wgan --r1 0.3 --out wgan_r1.png
    """
    options.output("--out", out, ".png")
    load_library()
    from keras_gans import checks
    from keras_gans.analysis import dynamics as theory
    from keras_gans.output import files

    checks.one_of("objective", objective, theory.OBJECTIVES)
    rate, steps = checks.number("rate", rate, above=0), checks.positive_integer("steps", steps)
    gan = theory.DiracGAN(objective, r1=r1, r2=r2, weight_decay=weight_decay)
    options.say(str(gan.verdict()))
    options.say(f"Eigenvalues at rest: {', '.join(f'{value:.3g}' for value in gan.eigenvalues())}.")
    for method in ("simultaneous", "alternating"):
        radius = gan.step_radius(rate, method)
        words = "comes to rest" if radius < 1 - 1e-9 else "leaves" if radius > 1 + 1e-9 else "turns for ever"
        options.say(f"{method.capitalize()} steps of {rate:g}: {words}, distance times {radius:.6g} per step.")
    with files.replacing(out, suffix=".png") as temporary:
        theory.phase_portrait(gan, rate=rate, steps=steps).savefig(temporary)
    options.say(f"Wrote {out}.")
