"""`keras-gans encode` and `keras-gans reconstruct`: images to latents, and back."""

from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands.generate import AVERAGE_HELP, MODEL_HELP
from keras_gans.commands.startup import load_library

DATA_HELP = "digits, fashion_mnist, mnist, cifar10, or the path of a folder of images or of an .h5 file."
SPLIT_HELP = "train or test. [default: test; a folder has only train]"


def reconstruct(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[str, typer.Option(help="The .png file to write.")] = "reconstructions.png",
    count: Annotated[int, typer.Option(help="Number of images on the sheet.")] = 32,
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP)] = None,
    seed: Annotated[int, typer.Option(help="Fixes which images are taken.")] = 0,
    truncation: Annotated[float, typer.Option(help="Scale of the encodings: below 1 more typical, less true.")] = 1.0,
    average: Annotated[bool | None, typer.Option("--average/--no-average", help=AVERAGE_HELP)] = None,
    scale: Annotated[int, typer.Option(help="Enlarge each image so many times.")] = 1,
):
    """Encode images and generate them again, side by side.

    Prints the mean squared error per pixel, images in [-1, 1], and that of the mean image of the same data: what a
    model that has learnt nothing but the average would reach.

    \b
    Example:
      keras-gans reconstruct runs/digits --data digits --out reconstructions.png --count 32
    """
    from keras_gans.commands import drawing

    checks.positive_integer("--count", count)
    checks.positive_integer("--scale", scale)
    checks.positive_integer("--seed", seed, minimum=0)
    checks.number("--truncation", truncation, above=0)
    drawing.output("--out", out, ".png")
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
    with loading.weights_in_use(network, average):
        again = network.reconstruct(images, *([] if labels is None else [labels]), truncation=truncation)
    pictures.save_png(out, pictures.side_by_side(images, again, scale=scale))
    error = reconstruction.squared_error(images, again)
    baseline = reconstruction.squared_error(images, mean_image)
    typer.echo(f"Wrote {len(images)} images beside their reconstructions to {out}.")
    typer.echo(f"Mean squared error per pixel: {error:.4f}; of the mean image: {baseline:.4f} (images in [-1, 1]).")


def encode(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[str, typer.Option(help="The .npz file to write.")] = "encodings.npz",
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP)] = None,
    average: Annotated[bool | None, typer.Option("--average/--no-average", help=AVERAGE_HELP)] = None,
):
    """Write the encodings of images, with their labels, as arrays.

    The file holds `encodings`, float32 (n, latent_dim), and `labels`, (n,), where the data has labels. Read it with
    numpy.load.

    \b
    Example:
      keras-gans encode runs/digits --data digits --out codes.npz
    """
    from keras_gans.commands import drawing

    drawing.output("--out", out, ".npz")
    load_library()
    import numpy as np

    from keras_gans.output import files
    from keras_gans.runs import loading

    network = loading.load_model(model)
    loading.require_encoder(network, "encode")
    loading.require_images(network, "encode")
    images, labels = loading.all_for(network, data, split)
    conditions = loading.conditions_for(network, labels, len(images))
    with loading.weights_in_use(network, average):
        arrays = {"encodings": network.encode(images, *([] if conditions is None else [conditions]))}
    if labels is not None:
        arrays["labels"] = labels
    with files.replacing(out, suffix=".npz") as temporary:
        np.savez_compressed(temporary, **arrays)
    shape = " x ".join(map(str, arrays["encodings"].shape))
    typer.echo(f"Wrote encodings ({shape}){' and labels' if labels is not None else ''} to {out}.")
