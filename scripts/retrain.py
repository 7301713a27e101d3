#!/usr/bin/env python
"""Trains presets again from their recipes, with other seeds, and writes docs/retraining.md: the spread and the time.

Finished runs and their scores are kept in the folder: stopped, the same command goes on. The tables of presets that
are not named stay as they are.

usage: python scripts/retrain.py NAME [NAME ...] [--seeds 1 2] [--folder runs/retraining]
"""

import argparse
import os

import compare
import pages
from keras_gans import zoo

PAGE = os.path.join(compare.DOCS, "retraining.md")
COLUMNS = {**compare.COLUMNS, "latent_correlation": "correlation", "reconstruction_psnr": "PSNR (dB)"}
COLUMNS["cpu_minutes"] = "CPU min"
DIGITS = {"kernel_distance": 4, "cpu_minutes": 0}  # 2 elsewhere


def table(name, arguments):
    """Returns the table of a preset: its scores and those of each training with another seed."""
    about = zoo.metadata(name)
    found = {f"preset, seed {about['seed']}": about["scores"] | {"cpu_minutes": about["cpu_minutes"]}}
    for seed in arguments.seeds:
        run = compare.trained(f"recipe:{name}", seed, arguments)
        minutes = sum(float(row["cpu_seconds"]) for row in run.rows()) / 60
        found[f"seed {seed}"] = compare.scored(run, None, None) | {"cpu_minutes": minutes}
    columns = {key: label for key, label in COLUMNS.items() if all(key in scores for scores in found.values())}
    lines = [f"| | {' | '.join(columns.values())} |", "|---" + "|---:" * len(columns) + "|"]
    for label, scores in found.items():
        cells = [f"{scores[key]:.{DIGITS.get(key, 2)}f}" for key in columns]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=zoo.list_presets(), metavar="NAME", help="a preset of the package")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="default: 1 and 2")
    parser.add_argument("--folder", default="runs/retraining", help="the run folders go there")
    parser.set_defaults(epochs=None, limit=None)
    arguments = parser.parse_args()
    for name in arguments.names:
        content = table(name, arguments)
        pages.put(PAGE, name, content, "Presets, trained again", f"## {name}")
        print(f"{name}\n{content}", flush=True)


if __name__ == "__main__":
    main()
