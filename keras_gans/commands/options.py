"""Options and arguments that several commands take, their help, and their checks. Imports no Keras."""

import os
from typing import Annotated

import typer

from keras_gans import checks

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

DATA_HELP = "digits, fashion_mnist, mnist, cifar10, or the path of a folder of images or of an .h5 file."
IMAGE_SIZE_HELP = "Pixels per side."
CHANNELS_HELP = "1 for gray, 3 for RGB."
PNG_HELP = "The .png file to write."

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .keras file, a run folder or a preset.")]
Classifier = Annotated[str, typer.Argument(metavar="MODEL", help="A .keras file of a classifier of images.")]
Count = Annotated[int, typer.Option(help="Images to take, the same ones each time.")]
Units = Annotated[
    str | None,
    typer.Option(
        help="Range of the pixels the model takes: 0..1, -1..1 or 0..255. [default: 0..255 if a layer of it "
        "rescales them, else 0..1]"
    ),
]
Data = Annotated[str, typer.Option(help=DATA_HELP)]
Split = Annotated[str | None, typer.Option(help="train or test. [default: test; a folder has only train]")]
Average = Annotated[
    bool | None,
    typer.Option(
        "--average/--no-average",
        help="Use the moving average or the last weights. [default: the average, where there is one]",
    ),
]
Scale = Annotated[int, typer.Option(help="Enlarge each image so many times.")]
Limit = Annotated[int | None, typer.Option(help="Train on so many images, drawn by the seed, for a quick trial.")]
Restart = Annotated[
    bool, typer.Option("--restart", help="Remove the run in the folder, and nothing else, and start over.")
]


def say(text):
    """Prints text, which may come from a file of somebody else."""
    typer.echo(checks.printable(text))


def output(option, path, suffix):
    """Returns `path` once its ending is right and its folder, created where needed, can be written.

    Raises:
        ValueError: Another ending, or a folder that cannot be written; the sentence names both.
    """
    path = os.fspath(path)
    try:
        os.lstat(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # a name that is too long, or no name
        raise ValueError(
            f"`{option}` must be the name of a file that can be written. Received: {checks.shown(path)} "
            f"({getattr(error, 'strerror', None) or error})."
        ) from error
    if not path.lower().endswith(suffix) or os.path.isdir(path):
        kinds = suffix if isinstance(suffix, str) else " or ".join(suffix)
        raise ValueError(f"`{option}` must be the name of a {kinds} file. Received: {path!r}.")
    checks.writable_folder(f"folder of {option}", os.path.dirname(path) or ".")
    return path


def parse_labels(text, model):
    """Returns the labels in `"3"`, `"0,1,2"` or `"Dress,Coat"` as a list of integers.

    Args:
        text: Class names of the model, or integers, with commas between them.
        model: A conditional model.

    Raises:
        ValueError: Something is neither; the sentence lists the names.
    """
    names = list(model.class_names or ())
    parts = [text] if text in names else [part.strip() for part in text.split(",")]
    numbered = any(name.lstrip("-").isdigit() for name in names)
    if numbered and not set(parts) <= set(names):  # "1" would be the name of one class and the place of another
        raise ValueError(
            f"`--labels` must be names of classes, since some of these are numbers: {', '.join(names)}. "
            f"{checks.received(labels=text)}"
        )
    try:
        return [names.index(part) if part in names else int(part) for part in parts]
    except ValueError:
        known = f", or of {', '.join(names)}" if names else ""
        wrong = next(part for part in parts if part not in names and not part.lstrip("-").isdigit())
        raise ValueError(
            f"`--labels` must be integers{known}, with commas between them. {checks.nearest(wrong, names)}"
            f"{checks.received(labels=text)}"
        ) from None


def class_place(option, text, names):
    """Returns the place of a class that is given by name or as an integer.

    Args:
        option: Name of the option.
        text: What was given.
        names: List of the names, or None.

    Raises:
        ValueError: It is neither; the nearest name is suggested.
    """
    names = list(names or ())
    if text in names:
        return names.index(text)
    if not text.isdigit():
        known = f"one of {', '.join(names)}, or its place" if names else "the place of a class, an integer"
        raise ValueError(
            f"`{option}` must be {known}. {checks.nearest(text, names)}Received: {checks.shown(text, 80)}."
        )
    return int(text)
