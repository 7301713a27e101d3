"""`keras-gans generate` and `keras-gans interpolate`: pictures from a trained model."""

import os
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands.startup import load_library

MODEL_HELP = "A .keras file or a run folder."
AVERAGE_HELP = "Use the moving average or the last weights. [default: the average, where there is one]"


def generate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    out: Annotated[str, typer.Option(help="The .png file to write.")] = "samples.png",
    count: Annotated[int, typer.Option(help="Number of images.")] = 64,
    seed: Annotated[int, typer.Option(help="Fixes the latents: the same seed, the same images.")] = 0,
    labels: Annotated[
        str | None, typer.Option(help="Classes of a conditional model, 3 or 0,1,2; taken in turn. [default: all]")
    ] = None,
    average: Annotated[bool | None, typer.Option("--average/--no-average", help=AVERAGE_HELP)] = None,
    columns: Annotated[int | None, typer.Option(help="Images per row. [default: about a square]")] = None,
    scale: Annotated[int, typer.Option(help="Enlarge each image so many times.")] = 1,
    npz: Annotated[str | None, typer.Option(help="Also write the images as an array into this .npz file.")] = None,
):
    """Draw images from a trained model as one sheet.

    \b
    Example:
      keras-gans generate runs/digits --out samples.png --count 64
      keras-gans generate model.keras --labels 7 --count 16 --columns 4 --scale 2 --npz samples.npz
    """
    from keras_gans.commands import drawing

    for option, value in (
        ("--count", count),
        ("--scale", scale),
        *([("--columns", columns)] if columns is not None else []),
    ):
        checks.positive_integer(option, value)
    checks.positive_integer("--seed", seed, minimum=0)
    drawing.output("--out", out, ".png")
    if npz is not None:
        drawing.output("--npz", npz, ".npz")
    load_library()
    import numpy as np

    from keras_gans import pictures
    from keras_gans.output import files
    from keras_gans.runs import loading

    network = loading.load_model(model)
    chosen = None if labels is None else np.resize(np.asarray(parse_labels(labels)), count)
    if len(network.image_shape) != 3 and npz is None:
        loading.require_images(network, "generate")
    with loading.weights_in_use(network, average):
        images = network.generate(count, labels=chosen, seed=seed)
    if npz is not None:
        arrays = {"images": images}
        used = network.labels_for(count, chosen)
        if used is not None:
            arrays["labels"] = used
        with files.replacing(npz, suffix=".npz") as temporary:
            np.savez_compressed(temporary, **arrays)
        typer.echo(f"Wrote {count} images as an array to {npz}.")
    if len(network.image_shape) == 3:
        if columns is None and labels is None and network.num_classes:
            columns = min(network.num_classes, count)
        pictures.save_png(out, pictures.grid(images, columns=columns, scale=scale))
        typer.echo(f"Wrote {count} images to {out}.")


def interpolate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    out: Annotated[str, typer.Option(help="The .png file to write.")] = "interpolation.png",
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
    average: Annotated[bool | None, typer.Option("--average/--no-average", help=AVERAGE_HELP)] = None,
    scale: Annotated[int, typer.Option(help="Enlarge each image so many times.")] = 1,
):
    """Draw what lies between pairs of images or latents.

    With --data, every row begins and ends with a real image; between them are the images on the line between their
    encodings. Without it the ends are random latents.

    \b
    Example:
      keras-gans interpolate runs/digits --data digits --out strip.png --pairs 4 --steps 8
      keras-gans interpolate model.keras --renormalize --gif
    """
    from keras_gans.commands import drawing

    checks.positive_integer("--pairs", pairs)
    checks.positive_integer("--steps", steps, minimum=2)
    checks.positive_integer("--scale", scale)
    checks.positive_integer("--seed", seed, minimum=0)
    drawing.output("--out", out, ".png")
    load_library()
    from keras_gans import pictures
    from keras_gans.runs import interpolation, loading

    network = loading.load_model(model)
    loading.require_images(network, "interpolate")
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


def parse_labels(text):
    """Returns the labels in `"3"` or `"0,1,2"` as a list of integers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"`labels` must be integers with commas between them. {checks.received(labels=text)}"
        ) from None
