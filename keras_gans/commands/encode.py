"""`keras-gans encode`: images to latents."""

from typing import Annotated

import typer

from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def encode(
    model: options.Model,
    data: options.Data,
    out: Annotated[str, typer.Option(help="The .npz file to write.")] = "encodings.npz",
    split: options.Split = None,
    average: options.Average = None,
):
    """Write the encodings of images, with their labels, as arrays.

    The file holds `encodings`, float32 (n, latent_dim), and `labels`, (n,), where the data has labels. Read it with
    numpy.load.

    \b
    Example:
      keras-gans encode runs/digits --data digits --out codes.npz
    """
    options.output("--out", out, ".npz")
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
