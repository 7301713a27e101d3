"""`keras-gans evaluate`: scores of a model."""

import os
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def evaluate(
    model: options.Model,
    data: options.Data,
    out: Annotated[str | None, typer.Option(help="A .json file for the scores and all settings.")] = None,
    split: options.Split = None,
    features: Annotated[
        str, typer.Option(help="auto, classifier (32x32, shipped), inception (downloads 96 MB), random or pixels.")
    ] = "auto",
    weights: Annotated[str | None, typer.Option(help="The Inception weights, where they cannot be downloaded.")] = None,
    neighbours: Annotated[
        str | None, typer.Option(help="A .png file for the images nearest to training images; data with a test split.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Generated images. [default: as many as the data has]")] = None,
    seed: Annotated[int, typer.Option(help="Fixes the latents and the subsets.")] = 0,
    average: options.Average = None,
):
    """Score a model against images: Frechet and kernel distance, precision, recall, density, coverage.

    The numbers hold for these features alone; only with --features inception is the Frechet distance the published FID.
    Lower distances are better; precision tells how many of the generated images look real, recall how much of the data
    is generated. With --neighbours, the generated images are compared with the training images: a share copied of about
    0.01 is that of new images.

    \b
    Example:
      keras-gans evaluate runs/digits --data digits --out scores.json
      keras-gans evaluate runs/fashion --data fashion_mnist --neighbours nearest.png
    """
    checks.positive_integer("--seed", seed, minimum=0)
    checks.one_of("--features", features, ("auto", "classifier", "inception", "random", "pixels"))
    if weights is not None and features != "inception":
        raise ValueError(f"`--weights` goes with --features inception. {checks.received(features=features)}")
    for option, path, suffix in (("--out", out, ".json"), ("--neighbours", neighbours, ".png")):
        if path is not None:
            options.output(option, path, suffix)
    load_library()
    from rich.console import Console
    from rich.table import Table

    from keras_gans.output.files import write_json
    from keras_gans.runs import evaluation, loading

    if neighbours is not None and loading.is_folder(data):
        raise ValueError("`--neighbours` needs data with a training and a test split, which your own does not have.")
    asked = {
        "model": os.path.abspath(model) if os.path.exists(model) else model,  # a preset has no path
        "data": data,
        "split": split,
        "features": features,
        "weights": None if weights is None else os.path.abspath(weights),
        "average": average,
        "neighbours": neighbours is not None,
    }
    record = evaluation.record(asked, samples, seed, neighbours)
    if neighbours is not None:
        typer.echo(f"Wrote the 16 images nearest to training images, each beside that one, to {neighbours}.")
    table = Table(title=f"{record['samples']:,} images, features {record['features']['name']}", title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in record["scores"].items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)
    if out is not None:
        write_json(out, record)
        typer.echo(f"Wrote the scores and their settings to {out}.")
