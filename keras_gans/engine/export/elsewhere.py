"""A format that another backend makes, made in a process of that backend by `keras-gans export`."""

import os
import subprocess
import sys
import tempfile

from keras_gans import checks
from keras_gans.engine.export.formats import NAMES


def export(model, path, backend, options):
    """Saves a model, and lets the command line of another backend export it; prints what that prints.

    Args:
        model: A model of keras_gans, made of classes that another process knows.
        path: The file to make.
        backend: "tensorflow" or "torch".
        options: Arguments of `keras-gans export` behind the model and `--out`.

    Raises:
        ValueError: The other process failed; with its sentence.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = os.path.join(folder, "model.keras")
        model.save(saved)
        settings = {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        command = [sys.executable, "-m", "keras_gans", "export", saved, "--out", os.path.abspath(path), *options]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")] or done.stderr.splitlines()[
            -1:
        ]
        said = said[0].removeprefix("Error: ") if said else f"it ended with code {done.returncode}."
        own = f" Classes of your own are not known there: run this with KERAS_BACKEND={backend}."
        raise ValueError(
            f"The model could not be exported by {NAMES[backend]}, in a process of its own: {checks.printable(said)}"
            f"{own if 'cannot be read' in said else ''}"
        )
    print(done.stdout, end="")
