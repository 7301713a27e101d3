#!/usr/bin/env python
"""Writes the zoo table of README.md from the metadata and the receipts of the presets.

usage: python scripts/zoo_table.py [--check]
"""

import argparse
import json
import os
import sys

from keras_gans import zoo

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
README, BEGIN, END = (
    os.path.join(ROOT, "README.md"),
    "<!-- zoo table: scripts/zoo_table.py -->",
    "<!-- end of table -->",
)
COLUMNS = "preset, parameters, steps, CPU min, FD, KD, precision, recall, density, coverage, copied, encoder"
HEAD = f"| {COLUMNS.replace(', ', ' | ')} |"


def row(name):
    """Returns the table's row of a preset."""
    about = zoo.metadata(name)
    with open(os.path.join(ROOT, "docs", "receipts", f"{name}.json"), encoding="utf-8") as file:
        scores = json.load(file)["scores"]
    told = {
        "latent_correlation": "correlation {:.2f}",
        "reconstruction_psnr": "PSNR {:.1f} dB",
        "bits_per_dim": "{:.2f} bits per dimension",
        "inversion_error": "inverse to {:.0e}",
    }
    encoder = ", ".join(words.format(scores[key]) for key, words in told.items() if scores.get(key) is not None)
    values = [f"{scores[key]:.2f}" for key in ("precision", "recall", "density", "coverage")]
    cells = [
        f"`{name}`<br>[![samples of {name}](docs/zoo/{name}.png)](keras_gans/zoo/presets/{name}/samples.png)"
        + (f"<br>{about['note']}" if about.get("note") else ""),
        f"{sum(about['parameters'].values()):,}",
        f"{about['steps']:,}",
        f"{about['cpu_minutes']:.0f}",
        f"{scores['frechet_distance']:.2f}",
        f"{scores['kernel_distance']:.4f}",
        *values,
        f"[{100 * scores['copied']:.1f} %](docs/zoo/{name}_nearest.png)",
        encoder,
    ]
    return f"| {' | '.join(cells)} |"


def table():
    """Returns the table, in the order of the Frechet distance within each set of data."""

    def order(name):
        about = zoo.metadata(name)
        return about["data"] == "digits", about["data"], about["scores"]["frechet_distance"]

    names = sorted(zoo.list_presets(), key=order)
    return "\n".join([HEAD, "|---" + "|---:" * 10 + "|---|", *map(row, names)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if the README is not up to date")
    arguments = parser.parse_args()
    with open(README, encoding="utf-8") as file:
        text = file.read()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    new = f"{text[:begin]}\n{table()}\n{text[end:]}"
    if arguments.check:
        sys.exit(new != text)
    with open(README, "w", encoding="utf-8") as file:
        file.write(new)


if __name__ == "__main__":
    main()
