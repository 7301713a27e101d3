"""`keras-gans interpolate`: what lies between pairs of images or latents."""

import os
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def interpolate(
    model: options.Model,
    out: Annotated[str, typer.Option(help=options.PNG_HELP)] = "interpolation.png",
    data: Annotated[
        str | None, typer.Option(help="Images whose encodings are the ends, for a model with an encoder; else random.")
    ] = None,
    pairs: Annotated[int, typer.Option(help="Number of lines.")] = 4,
    steps: Annotated[int, typer.Option(help="Images per line, both ends included.")] = 8,
    seed: Annotated[int, typer.Option(help="Fixes which images or latents are taken.")] = 0,
    gif: Annotated[bool, typer.Option("--gif", help="Also write an animation beside the PNG, ending in .gif.")] = False,
    renormalize: Annotated[
        bool,
        typer.Option("--renormalize", help="Put every point back on the shell on which the generator was trained."),
    ] = False,
    average: options.Average = None,
    scale: options.Scale = 1,
):
    """Draw what lies between pairs of images or latents.

    With --data, every row begins and ends with a real image; between them are the images on the line between their
    encodings. Without it the ends are random latents.

    \b
    Example:
      keras-gans interpolate runs/digits --data digits --out strip.png --pairs 4 --steps 8
      keras-gans interpolate model.keras --renormalize --gif
    """
    checks.positive_integer("--pairs", pairs)
    checks.positive_integer("--steps", steps, minimum=2)
    checks.positive_integer("--scale", scale)
    checks.positive_integer("--seed", seed, minimum=0)
    options.output("--out", out, ".png")
    load_library()
    from keras_gans import pictures
    from keras_gans.runs import interpolation, loading

    network = loading.load_model(model)
    loading.require_images(network, "interpolate")
    loading.require_memory(network, "--pairs", pairs * steps)
    pictures.grid_size(pairs * steps, network.image_shape, steps, scale=scale)
    with loading.weights_in_use(network, average):
        if data is None:
            images = interpolation.between_latents(network, pairs, steps, seed, renormalize)
        else:
            loading.require_encoder(network, "interpolate --data")
            images = interpolation.between_images(network, data, pairs, steps, seed, renormalize)
    pictures.save_png(out, pictures.strips(images, scale=scale))
    typer.echo(f"Wrote {pairs} lines of {steps} steps to {out}.")
    if gif:
        animation = os.path.splitext(out)[0] + ".gif"
        pictures.save_gif(animation, pictures.back_and_forth(images, scale=scale), seconds=0.15)
        typer.echo(f"Wrote the animation {animation}.")
