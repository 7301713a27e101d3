#!/usr/bin/env python
"""Writes the zoo tables of README.md and docs/zoo.md from the metadata and the receipts of the presets.

usage: python scripts/zoo_table.py [--check]
"""

import argparse
import json
import os
import sys

from keras_gans import zoo

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
README, PAGE = os.path.join(ROOT, "README.md"), os.path.join(ROOT, "docs", "zoo.md")
BEGIN, END = "<!-- zoo table: scripts/zoo_table.py -->", "<!-- end of table -->"
SHORT = "preset, data, parameters, CPU min, FD"
COLUMNS = "preset, parameters, steps, CPU min, FD, KD, precision, recall, density, coverage, copied, encoder"


def scores_of(name):
    with open(os.path.join(ROOT, "docs", "receipts", f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)["scores"]


def short_row(name):
    """Returns the row of a preset in README.md."""
    about = zoo.metadata(name)
    cells = [
        f"[`{name}`](keras_gans/zoo/presets/{name}/samples.png)",
        f"{about['data']}, {'x'.join(map(str, about['image_shape'][:2]))}",
        f"{sum(about['parameters'].values()):,}",
        f"{about['cpu_minutes']:.0f}",
        f"{scores_of(name)['frechet_distance']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def row(name):
    """Returns the row of a preset in docs/zoo.md."""
    about, scores = zoo.metadata(name), scores_of(name)
    told = {
        "latent_correlation": "correlation {:.2f}",
        "reconstruction_psnr": "PSNR {:.1f} dB",
        "bits_per_dim": "{:.2f} bits per dimension",
        "inversion_error": "inverse to {:.0e}",
    }
    encoder = ", ".join(words.format(scores[key]) for key, words in told.items() if scores.get(key) is not None)
    values = [f"{scores[key]:.2f}" for key in ("precision", "recall", "density", "coverage")]
    cells = [
        f"`{name}`<br>[![samples of {name}](zoo/{name}.png)](../keras_gans/zoo/presets/{name}/samples.png)"
        + (f"<br>{about['note']}" if about.get("note") else ""),
        f"{sum(about['parameters'].values()):,}",
        f"{about['steps']:,}",
        f"{about['cpu_minutes']:.0f}",
        f"{scores['frechet_distance']:.2f}",
        f"{scores['kernel_distance']:.4f}",
        *values,
        f"[{100 * scores['copied']:.1f} %](zoo/{name}_nearest.png)",
        encoder,
    ]
    return f"| {' | '.join(cells)} |"


def table(columns, row):
    """Returns a table, in the order of the Frechet distance within each set of data."""

    def order(name):
        about = zoo.metadata(name)
        return about["data"] == "digits", about["data"], about["scores"]["frechet_distance"]

    names = sorted(zoo.list_presets(), key=order)
    words = columns.split(", ")
    kinds = ["---" if each in ("preset", "data", "encoder") else "---:" for each in words]
    return "\n".join([f"| {' | '.join(words)} |", f"|{'|'.join(kinds)}|", *map(row, names)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a table is not up to date")
    arguments = parser.parse_args()
    for path, made in {README: table(SHORT, short_row), PAGE: table(COLUMNS, row)}.items():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        new = f"{text[:begin]}\n{made}\n{text[end:]}"
        if arguments.check and new != text:
            sys.exit(1)
        if not arguments.check:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)


if __name__ == "__main__":
    main()
