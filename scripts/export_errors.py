#!/usr/bin/env python
"""Exports presets in every format and precision that the running backend makes, and writes sizes and errors.

The weights are moved by a thousandth first: those of presets are stored as float16, which would cost nothing more. The
table goes into docs/export.md: one on TensorFlow, one on PyTorch. About three minutes on one core.

usage: KERAS_BACKEND=tensorflow python scripts/export_errors.py [PRESET ...]
"""

import argparse
import contextlib
import io
import os
import re
import tempfile

import keras_gans as kg
import pages
from keras_gans.engine.export import formats

import keras
import numpy as np

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "export.md")
PRESETS = ("o_gan_fashion_mnist", "o_gan_cifar10", "r3gan_fashion_mnist", "ign_fashion_mnist")


def moved(model):
    """Returns a model whose weights are multiplied by 1 + 0.001 e, e ~ N(0, 1)."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(keras.ops.convert_to_numpy(variable.value) * (1 + 1e-3 * rng.standard_normal(variable.shape)))
    return model


def row(preset, model, part, format, folder):
    """Returns a row of the table."""
    cells = []
    for precision in formats.PRECISIONS:
        path = os.path.join(folder, f"{preset}-{part}-{precision}{formats.FORMATS[format].ending}")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            getattr(model, f"export_{part}")(path, format, precision=precision)
        found = re.search(r": ([\d,]+) bytes, .* at most (\S+), on average (\S+) ", said.getvalue())
        cells.append(f"{int(found[1].replace(',', '')) / 1000:,.0f} kB, {found[2]} ({found[3]})")
    return f"| `{preset}` | {part} | {format} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=PRESETS, metavar="PRESET", help=f"default: {' '.join(PRESETS)}")
    backend = keras.config.backend()
    made = [name for name, each in formats.FORMATS.items() if backend in each.backends and name != "npz"]
    lines = [f"| preset | part | format | {' | '.join(formats.PRECISIONS)} |", "|---|---|---|---|---|---|"]
    for preset in parser.parse_args().presets:
        model = moved(kg.from_preset(preset))
        parts = ["generator", *(["encoder"] if hasattr(model, "export_encoder") else [])]
        with tempfile.TemporaryDirectory() as folder:
            lines += [row(preset, model, part, format, folder) for part in parts for format in made]
        print(f"{preset}: done", flush=True)
    name = formats.NAMES[backend]
    pages.put(PAGE, f"errors_{backend}", "\n".join(lines), "Export", f"### Made on {name}")


if __name__ == "__main__":
    main()
