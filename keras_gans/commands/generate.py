"""`keras-gans generate`: pictures from a trained model."""

import os
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def generate(
    model: options.Model,
    out: Annotated[
        str, typer.Option(help="The .png file for a sheet, or a folder (ending in /) for a .png file per image.")
    ] = "samples.png",
    count: Annotated[int, typer.Option(help="Number of images.")] = 64,
    seed: Annotated[int, typer.Option(help="Fixes the latents: the same seed, the same images.")] = 0,
    labels: Annotated[
        str | None,
        typer.Option(help="Classes of a conditional model, Dress, 3 or 0,1,2; taken in turn. [default: all]"),
    ] = None,
    average: options.Average = None,
    columns: Annotated[int | None, typer.Option(help="Images per row. [default: about a square]")] = None,
    scale: options.Scale = 1,
    npz: Annotated[str | None, typer.Option(help="Also write the images as an array into this .npz file.")] = None,
):
    """Draw images from a trained model, as one sheet or as single files.

    \b
    Example:
      keras-gans generate runs/digits --out images/ --count 1000
      keras-gans generate runs/digits --out samples.png --count 64
      keras-gans generate model.keras --labels Dress,Coat --count 16 --columns 4 --scale 2 --npz samples.npz
    """
    checks.positive_integer("--count", count)
    checks.positive_integer("--scale", scale)
    if columns is not None:
        checks.positive_integer("--columns", columns)
    checks.positive_integer("--seed", seed, minimum=0)
    single = out.endswith(("/", os.sep)) or os.path.isdir(out)
    if single:
        checks.writable_folder("--out", out)
    else:
        options.output("--out", out, ".png")
    if npz is not None:
        options.output("--npz", npz, ".npz")
    load_library()
    import numpy as np

    from keras_gans import pictures
    from keras_gans.output import files
    from keras_gans.runs import loading

    network = loading.load_model(model)
    chosen = None if labels is None else np.resize(np.asarray(options.parse_labels(labels, network)), count)
    if len(network.image_shape) != 3 and npz is None:
        loading.require_images(network, "generate")
    loading.require_memory(network, "--count", count)
    if len(network.image_shape) == 3:
        pictures.grid_size(1 if single else count, network.image_shape, columns, scale=scale)
    with loading.weights_in_use(network, average):
        images = network.generate(count, labels=chosen, seed=seed)
    weights = loading.weights_shown(network, average)
    if npz is not None:
        arrays = {"images": images}
        used = network.labels_for(count, chosen)
        if used is not None:
            arrays["labels"] = used
        files.write_npz(npz, **arrays)
        typer.echo(f"Wrote {count} images as an array to {npz}, drawn with the {weights}.")
    if len(network.image_shape) == 3 and single:
        digits = max(5, len(str(count)))
        for number, image in enumerate(images, start=1):
            enlarged = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
            pictures.save_png(os.path.join(out, f"{number:0{digits}}.png"), enlarged, weights)
        typer.echo(f"Wrote {count} images to the folder {out}, drawn with the {weights}.")
    elif len(network.image_shape) == 3:
        if columns is None and labels is None and network.num_classes:
            columns = min(network.num_classes, count)
        pictures.save_png(out, pictures.grid(images, columns=columns, scale=scale), weights)
        typer.echo(f"Wrote {count} images to {out}, drawn with the {weights}.")
