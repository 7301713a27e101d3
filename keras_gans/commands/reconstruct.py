"""`keras-gans reconstruct`: images to latents, and back."""

from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def reconstruct(
    model: options.Model,
    data: options.Data,
    out: Annotated[str, typer.Option(help=options.PNG_HELP)] = "reconstructions.png",
    count: Annotated[int, typer.Option(help="Number of images on the sheet.")] = 32,
    split: options.Split = None,
    seed: Annotated[int, typer.Option(help="Fixes which images are taken.")] = 0,
    truncation: Annotated[float, typer.Option(help="Scale of the encodings: below 1 more typical, less true.")] = 1.0,
    average: options.Average = None,
    scale: options.Scale = 1,
):
    """Encode images and generate them again, side by side.

    Prints the mean squared error per pixel, images in [-1, 1], and that of the mean image of the same data: what a
    model that has learnt nothing but the average would reach.

    \b
    Example:
      keras-gans reconstruct runs/digits --data digits --out reconstructions.png --count 32
    """
    checks.positive_integer("--count", count)
    checks.positive_integer("--scale", scale)
    checks.positive_integer("--seed", seed, minimum=0)
    checks.number("--truncation", truncation, above=0)
    options.output("--out", out, ".png")
    load_library()
    import numpy as np

    from keras_gans import pictures
    from keras_gans.runs import loading, reconstruction

    network = loading.load_model(model)
    loading.require_encoder(network, "reconstruct")
    loading.require_images(network, "reconstruct")
    images, labels = loading.images_for(network, data, split)
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    images, mean_image = images[chosen], reconstruction.mean_of(images)
    labels = None if labels is None else labels[chosen]
    pictures.grid_size(2 * len(images), network.image_shape, scale=scale)
    with loading.weights_in_use(network, average):
        again = network.reconstruct(images, *([] if labels is None else [labels]), truncation=truncation)
    pictures.save_png(out, pictures.side_by_side(images, again, scale=scale))
    error = reconstruction.squared_error(images, again)
    baseline = reconstruction.squared_error(images, mean_image)
    typer.echo(f"Wrote {len(images)} images beside their reconstructions to {out}.")
    typer.echo(f"Mean squared error per pixel: {error:.4f}; of the mean image: {baseline:.4f} (images in [-1, 1]).")
