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


def _scores(model, data, split, features, samples, seed, average):
    from rich.console import Console
    from rich.progress import Progress

    from keras_gans import metrics
    from keras_gans.commands import models
    from keras_gans.commands.encode import images_for

    network = models.load_model(model)
    models.require_images(network, "evaluate")
    images, labels = images_for(network, data, split)
    count = len(images) if samples is None else checks.positive_integer("--samples", samples, minimum=8)
    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    with models.weights_in_use(network, average), progress as bar:
        task = bar.add_task(f"Generating {count:,} images", total=count)
        return metrics.evaluate(
            network, images, features, labels, count, seed, lambda done: bar.update(task, completed=done)
        )


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[str | None, typer.Option(help="A .json file for the scores and all settings.")] = None,
    split: Annotated[str | None, typer.Option(help=SPLIT_HELP)] = None,
    features: Annotated[str, typer.Option(help="random (a fixed random projection) or pixels.")] = "random",
    samples: Annotated[int | None, typer.Option(help="Generated images. [default: as many as the data has]")] = None,
    seed: Annotated[int, typer.Option(help="Fixes the latents and the subsets.")] = 0,
    average: Annotated[bool | None, typer.Option("--average/--no-average", help=AVERAGE_HELP)] = None,
):
    """Score a model against images: Frechet and kernel distance, precision, recall, density, coverage.

    The numbers hold for these features alone: they are not the published FID, which needs the Inception network. Lower
    distances are better; precision tells how many of the generated images look real, recall how much of the data is
    generated.

    \b
    Example:
      keras-gans evaluate runs/digits --data digits --out scores.json
    """
    from keras_gans.commands import drawing

    checks.positive_integer("--seed", seed, minimum=0)
    checks.one_of("--features", features, ("random", "pixels"))
    if out is not None:
        drawing.output("--out", out, ".json")
    load_library()
    from rich.console import Console
    from rich.table import Table

    from keras_gans.callbacks.checkpoint import write_json

    record = _scores(model, data, split, features, samples, seed, average)
    table = Table(title=f"{record['samples']:,} images, features {record['features']['name']}", title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in record["scores"].items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)
    if out is not None:
        asked = {
            "model": os.path.abspath(model),
            "data": data,
            "split": split,
            "features": features,
            "average": average,
        }
        write_json(out, {**record, "asked": asked})
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
        model, data, split, features = (asked[key] for key in ("model", "data", "split", "features"))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"The file {path} was not written by keras-gans evaluate: {error!r}.") from error
    load_library()
    again = _scores(model, data, split, features, samples, seed, asked["average"])
    wrong = [f"the {part} is another one" for part in ("data", "model", "features") if again[part] != record[part]]
    for name, value in record["scores"].items():
        found = again["scores"].get(name, float("nan"))
        if not abs(found - value) <= TOLERANCE * max(abs(value), 1e-3):
            wrong.append(f"{name} is {found:.6g}, in the file {value:.6g}")
    if wrong:
        raise OSError(f"The scores in {path} are not reproduced: {'; '.join(wrong)}.")
    typer.echo(f"All {len(record['scores'])} scores in {path} are reproduced.")
