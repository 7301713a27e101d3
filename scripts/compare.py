#!/usr/bin/env python
"""Trains the recipes of scripts/comparisons with several seeds, scores them and writes docs/comparisons.md.

Each question is put to models with equal networks, steps and optimisers that differ in one thing only. Every model is
judged with and without its moving average by 10,000 images against the 10,000 test images of Fashion-MNIST, in the
features of the shipped classifier. What is done already, runs and scores, is not done again: stopped, the same command
goes on. The paragraphs under the tables are kept.

usage: python scripts/compare.py [--folder runs/comparisons] [--seeds 3] [--epochs N] [--samples 10000] [--only KEY ...]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import keras_gans as kg
import pages
from keras_gans import recipes
from keras_gans.output.files import write_json
from keras_gans.runs import loading
from keras_gans.runs.folder import Run

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECIPES = os.path.join(ROOT, "scripts", "comparisons")
DOCS = os.path.join(ROOT, "docs")
QUESTIONS = {
    "rsgan": ("RSGAN against GAN", [("gan", True, "GAN"), ("rsgan", True, "RSGAN")]),
    "rsgan_spectral": (
        "RSGAN against GAN, with spectral norm",
        [("gan_spectral", True, "GAN"), ("rsgan_spectral", True, "RSGAN")],
    ),
    "cascading": (
        "Cascading rejection with 1, 2 and 4 levels",
        [(f"cascading_{levels}", True, f"N = {levels}") for levels in (1, 2, 4)],
    ),
    "cascading_spectral": (
        "Cascading rejection with 1 and 4 levels, with spectral norm",
        [(f"cascading_{levels}_spectral", True, f"N = {levels}") for levels in (1, 4)],
    ),
    "o_gan": (
        "What O-GAN's encoder costs",
        [("o_gan_plain", True, "correlation weight 0"), ("o_gan", True, "correlation weight 0.5")],
    ),
    "average": (
        "The moving average, on and off",
        [
            (name, average, f"{label}, {'averaged' if average else 'last weights'}")
            for name, label in (("gan", "GAN"), ("rsgan", "RSGAN"), ("o_gan", "O-GAN"), ("cascading_4", "N = 4"))
            for average in (True, False)
        ],
    ),
}
COLUMNS = {"frechet_distance": "FD", "kernel_distance": "KD", "precision": "precision", "recall": "recall"}
COLUMNS |= {"density": "density", "coverage": "coverage"}


def trained(recipe, seed, arguments):
    """Returns the finished run of a recipe with a seed, which is trained or resumed where it is not."""
    name = os.path.splitext(os.path.basename(recipe))[0].removeprefix(recipes.PREFIX)
    folder = os.path.join(arguments.folder, f"{name}_{seed}")
    command = [sys.executable, "-m", "keras_gans.cli", "train", recipe]
    command += ["--seed", str(seed), "--out", folder, "--samples", "16"]
    for option in ("epochs", "limit"):
        value = getattr(arguments, option)
        command += [f"--{option}", str(value)] if value else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Run(folder)


def scored(run, average, samples):
    """Returns the scores of a run's model, which lie beside it once they are computed.

    Args:
        run: A finished `Run`.
        average: Whether the moving average is judged, or the last weights; None for the average, if there is one.
        samples: Generated images; None for as many as the test images.
    """
    kind = {True: "average", False: "last", None: "usual"}[average]
    path = os.path.join(run.folder, f"scores_{kind}_{samples or 'all'}.json")
    if not os.path.exists(path):
        images, _ = kg.data.load(run.recipe().data, split="test")
        samples = samples or len(images)
        model = loading.load_model(run.folder)
        with loading.weights_in_use(model, average):
            write_json(path, kg.metrics.evaluate(model, images, samples=samples))
    with open(path, encoding="utf-8") as file:
        return json.load(file)["scores"]


def table(cases, found):
    """Returns the Markdown table of a question: the mean and the range over the seeds."""
    columns = dict(COLUMNS)
    if all("latent_correlation" in scores for case in cases for scores in found[case[:2]]):
        columns |= {"latent_correlation": "correlation", "reconstruction_psnr": "PSNR of reconstructions (dB)"}
    lines = [f"| model | {' | '.join(columns.values())} |", "|---" + "|---:" * len(columns) + "|"]
    for name, average, label in cases:
        cells = []
        for column in columns:
            values = [scores[column] for scores in found[name, average]]
            digits = 4 if column == "kernel_distance" else 2
            low, mean, high = (f"{x:z.{digits}f}" for x in (min(values), statistics.mean(values), max(values)))
            cells.append(f"{mean} ({low} to {high})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(path, title, cases, found):
    """Writes a plot with a point per seed for the Frechet distance, precision and recall."""
    import matplotlib.figure

    shown = {key: COLUMNS[key] for key in ("frechet_distance", "precision", "recall")}
    figure = matplotlib.figure.Figure(figsize=(11, 1 + 0.4 * len(cases)), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(1, len(shown), sharey=True), shown.items(), strict=True):
        for row, (name, average, _) in enumerate(cases):
            values = [scores[key] for scores in found[name, average]]
            axes.plot(values, [row] * len(values), "o", alpha=0.7)
            axes.plot(statistics.mean(values), row, "k|", markersize=16)
        axes.set_yticks(range(len(cases)), [label for *_, label in cases])
        axes.set_ylim(len(cases) - 0.5, -0.5)
        axes.set_xlabel(f"{label} ({'lower' if key == 'frechet_distance' else 'higher'} is better)")
        axes.grid(axis="x", alpha=0.3)
    figure.suptitle(f"{title}: a point per seed, the mean as a bar")
    figure.savefig(path, dpi=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="runs/comparisons", help="the run folders go there")
    parser.add_argument("--seeds", type=int, default=3, help="models per recipe, default 3")
    parser.add_argument("--epochs", type=int, help="default: those of the recipes")
    parser.add_argument("--limit", type=int, help="train on the first images only, for a trial")
    parser.add_argument("--samples", type=int, default=10_000, help="images that are judged, default 10,000")
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS), help="default: all")
    parser.add_argument("--docs", default=DOCS, help="folder of comparisons.md and of the plots, default docs")
    arguments = parser.parse_args()
    os.makedirs(os.path.join(arguments.docs, "comparisons"), exist_ok=True)
    page = os.path.join(arguments.docs, "comparisons.md")
    for key in arguments.only:
        title, cases = QUESTIONS[key]
        found = {}
        for name, average, _ in cases:
            finished = [
                trained(os.path.join(RECIPES, f"{name}.yaml"), seed, arguments) for seed in range(arguments.seeds)
            ]
            found[name, average] = [scored(run, average, arguments.samples) for run in finished]
        draw(os.path.join(arguments.docs, "comparisons", f"{key}.png"), title, cases, found)
        content = f"{table(cases, found)}\n\n![{title}](comparisons/{key}.png)"
        pages.put(page, key, content, "Comparisons", f"## {title}")
        print(f"{title}\n{table(cases, found)}", flush=True)


if __name__ == "__main__":
    main()
