"""`keras-gans verify`: whether the scores of a model can be reproduced."""

import json
from typing import Annotated

import typer

from keras_gans import checks
from keras_gans.commands.startup import load_library

ASKED = {"model", "data", "split", "features", "weights", "average", "neighbours"}  # see `evaluation.record`
KINDS = {
    "model": lambda value: isinstance(value, str),
    "data": lambda value: isinstance(value, str),
    "split": lambda value: value in (None, "train", "test"),
    "features": lambda value: isinstance(value, str),
    "weights": lambda value: value is None or isinstance(value, str),
    "average": lambda value: value in (None, True, False),
    "neighbours": lambda value: value in (True, False),
}
PARTS = ("data", "model", "features")  # of a record: what was compared
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
            record = json.loads(file.read(2**23))  # what is longer is no JSON any more
        asked, seed, samples = record["asked"], record["seed"], record["samples"]
        missing = ASKED - asked.keys()
        if missing:
            raise KeyError(*sorted(missing))
        wrong = [name for name, right in KINDS.items() if not right(asked[name])]
        if wrong:
            raise TypeError(f"`{wrong[0]}` is {checks.shown(asked[wrong[0]], 60)}")
        if not isinstance(seed, int) or not isinstance(samples, int) or seed < 0:
            raise TypeError("`seed` and `samples` must be integers")
        scores = record["scores"]
        if not scores or not all(type(value) in (int, float) for value in scores.values()):
            raise TypeError("`scores` must map names to numbers")
        for part in PARTS:
            if not isinstance(record[part], dict):
                raise TypeError(f"`{part}` must be a mapping")
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"The file {path} was not written by keras-gans evaluate: {what}.") from error
    load_library()
    from keras_gans.runs import evaluation

    found = evaluation.record(asked, samples, seed)
    wrong = [f"the {part} is another one" for part in PARTS if found[part] != record[part]]
    for name, value in record["scores"].items():
        now = found["scores"].get(name, float("nan"))
        if not abs(now - value) <= TOLERANCE * max(abs(value), 1e-3):
            wrong.append(f"{name} is {now:.6g}, in the file {value:.6g}")
    if wrong:
        raise OSError(f"The scores in {path} are not reproduced: {'; '.join(wrong)}.")
    typer.echo(f"All {len(record['scores'])} scores in {path} are reproduced.")
