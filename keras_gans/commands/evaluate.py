"""`keras-gans evaluate` and `keras-gans verify`: scores of a model, and whether they can be reproduced."""

import json
import os
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands.encode import DATA_HELP, SPLIT_HELP
from keras_gans.commands.generate import AVERAGE_HELP, MODEL_HELP
from keras_gans.commands.startup import load_library

TOLERANCE = 1e-3  # relative: the same weights on another backend or machine


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[str | None, typer.Option(help="A .json file for the scores and all settings.")] = None,
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP)] = None,
    features: Annotated[
        str, typer.Option(help="auto, classifier (32x32, shipped), inception (downloads 96 MB), random or pixels.")
    ] = "auto",
    weights: Annotated[str | None, typer.Option(help="The Inception weights, where they cannot be downloaded.")] = None,
    neighbours: Annotated[
        str | None, typer.Option(help="A .png file for the images nearest to training images; data with a test split.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Generated images. [default: as many as the data has]")] = None,
    seed: Annotated[int, typer.Option(help="Fixes the latents and the subsets.")] = 0,
    average: Annotated[bool | None, typer.Option("--average/--no-average", help=AVERAGE_HELP)] = None,
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
    from keras_gans.commands import drawing

    checks.positive_integer("--seed", seed, minimum=0)
    checks.one_of("--features", features, ("auto", "classifier", "inception", "random", "pixels"))
    if weights is not None and features != "inception":
        raise ValueError(f"`--weights` goes with --features inception. {checks.received(features=features)}")
    for option, path, suffix in (("--out", out, ".json"), ("--neighbours", neighbours, ".png")):
        if path is not None:
            drawing.output(option, path, suffix)
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


def verify(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A .json file written by evaluate.")],
):
    """Compute the scores of a file again, and compare.

    Exits with 1 where the model, the data or a score is not that of the file.

    \b
    Example:
      keras-gans verify scores.json
    """
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        asked, seed, samples = record["asked"], record["seed"], record["samples"]
        missing = {"model", "data", "split", "features", "weights", "average", "neighbours"} - asked.keys()
        if missing:
            raise KeyError(*sorted(missing))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"The file {path} was not written by keras-gans evaluate: {error!r}.") from error
    load_library()
    from keras_gans.runs import evaluation

    found = evaluation.record(asked, samples, seed)
    wrong = [f"the {part} is another one" for part in ("data", "model", "features") if found[part] != record[part]]
    for name, value in record["scores"].items():
        now = found["scores"].get(name, float("nan"))
        if not abs(now - value) <= TOLERANCE * max(abs(value), 1e-3):
            wrong.append(f"{name} is {now:.6g}, in the file {value:.6g}")
    if wrong:
        raise OSError(f"The scores in {path} are not reproduced: {'; '.join(wrong)}.")
    typer.echo(f"All {len(record['scores'])} scores in {path} are reproduced.")
