"""`keras-gans verify`: whether the scores of a model can be reproduced."""

import json
from typing import Annotated

import typer

from keras_gans.commands.startup import load_library

ASKED = {"model", "data", "split", "features", "weights", "average", "neighbours"}  # see `evaluation.record`
TOLERANCE = 1e-3  # relative: the same weights on another backend or machine


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
        missing = ASKED - asked.keys()
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
