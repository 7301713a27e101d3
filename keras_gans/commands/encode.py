"""`keras-gans encode` and `keras-gans reconstruct`: images to latents, and back."""

from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands.generate import AVERAGE_HELP, MODEL_HELP
from keras_gans.commands.startup import load_library

DATA_HELP = "digits, fashion_mnist, mnist, cifar10, or the path of a folder of images or of an .h5 file."
SPLIT_HELP = "train or test. [default: test; a folder has only train]"


def images_for(model, data, split=None):
    """Returns `(images, labels)` in the size and channels of a model; labels None for an unconditional one.

    Args:
        model: A model of images.
        data: A set by name, or a folder.
        split: "train", "test", or None: the test split of a named set, all of a folder.

    Raises:
        ValueError: The data has no labels and the model needs them, or they do not fit.
    """
    images, labels = all_for(model, data, split)
    if model.num_classes == 0:
        return images, None
    if labels is None:
        raise ValueError(
            f"The model is conditional on {model.num_classes} classes, and the data has no labels: sort the images "
            "into one folder per class."
        )
    return images, checks.labels(labels, len(images), model.num_classes)


def all_for(model, data, split=None):
    """Returns `(images, labels)` in the size and channels of a model, with whatever labels the data has."""
    from keras_gans.commands import runs

    height, width, channels = model.image_shape
    split = split or ("train" if runs.is_folder(data) else "test")
    return runs.load_data(data, split, [height, width], channels)


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
    from keras_gans.commands import models

    network = models.load_model(model)
    models.require_encoder(network, "reconstruct")
    models.require_images(network, "reconstruct")
    images, labels = images_for(network, data, split)
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    images, mean_image = images[chosen], mean_of(images)
    labels = None if labels is None else labels[chosen]
    with models.weights_in_use(network, average):
        again = network.reconstruct(images, *([] if labels is None else [labels]), truncation=truncation)
    pictures.save_png(out, pictures.side_by_side(images, again, scale=scale))
    error, baseline = squared_error(images, again), squared_error(images, mean_image)
    typer.echo(f"Wrote {len(images)} images beside their reconstructions to {out}.")
    typer.echo(f"Mean squared error per pixel: {error:.4f}; of the mean image: {baseline:.4f} (images in [-1, 1]).")


def mean_of(images):
    """Returns the mean of uint8 images (n, h, w, c) as one float64 image, in 0..255."""
    import numpy as np

    total = np.zeros(images.shape[1:])
    for start in range(0, len(images), 1024):
        total += images[start : start + 1024].sum(axis=0, dtype="float64")
    return total / len(images)


def squared_error(images, others):
    """Returns the mean squared error per pixel of images in 0..255, in the units of [-1, 1]."""
    import numpy as np

    return float(np.mean(np.square((images.astype("float64") - others) / 127.5)))


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

    from keras_gans.commands import models
    from keras_gans.output import files

    network = models.load_model(model)
    models.require_encoder(network, "encode")
    models.require_images(network, "encode")
    images, conditions = images_for(network, data, split)
    labels = all_for(network, data, split)[1]
    with models.weights_in_use(network, average):
        arrays = {"encodings": network.encode(images, *([] if conditions is None else [conditions]))}
    if labels is not None:
        arrays["labels"] = labels
    with files.replacing(out, suffix=".npz") as temporary:
        np.savez_compressed(temporary, **arrays)
    shape = " x ".join(map(str, arrays["encodings"].shape))
    typer.echo(f"Wrote encodings ({shape}){' and labels' if labels is not None else ''} to {out}.")
