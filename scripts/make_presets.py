#!/usr/bin/env python
"""Makes presets of the package from finished runs of scripts/train_presets.sh, with a receipt for each.

Of each run folder the averaged weights go, as float16, into keras_gans/zoo/presets/NAME; the preset is evaluated
against the test images of its data, and the scores go into its metadata and into docs/receipts/NAME.json, which
`keras-gans verify` reproduces. A strip of samples goes into docs/zoo/NAME.png.

usage: python scripts/make_presets.py FOLDER [NAME ...] [--machine "two cores of ..."] [--notes FILE.yaml]
"""

import argparse
import os
import subprocess
import sys

import keras_gans as kg
from keras_gans import pictures, zoo
from keras_gans.runs import loading
from keras_gans.runs.folder import Run
from keras_gans.zoo import preset

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECEIPTS, STRIPS = os.path.join(ROOT, "docs", "receipts"), os.path.join(ROOT, "docs", "zoo")
LICENCES = {"fashion_mnist": "MIT", "digits": "CC BY 4.0", "cifar10": "see the data set"}


def about(run, machine, note):
    """Returns what metadata.json tells about a run."""
    config, recipe, rows = run.config(), run.recipe(), run.rows()
    critic_steps = config["knobs"].get("critic_steps", 1)
    steps = -(-config["data"]["images"] // (recipe.batch_size * critic_steps)) * len(rows)
    told = {
        "recipe": f"recipe:{os.path.basename(run.folder)}",
        "data": recipe.data,
        "data_sha256": config["data"]["sha256"],
        "data_licence": LICENCES.get(recipe.data, "unknown"),
        "seed": recipe.seed,
        "epochs": len(rows),
        "steps": steps,
        "minutes": round(sum(float(row["seconds"]) for row in rows) / 60, 1),
        "cpu_minutes": round(sum(float(row["cpu_seconds"]) for row in rows) / 60, 1),
        "machine": machine,
        "trained_with": config["versions"],
        "trained_in": recipe.precision,
    }
    return {**told, "note": note} if note else told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*", help="default: all finished runs in the folder")
    parser.add_argument("--machine", default="")
    parser.add_argument("--notes", default=os.path.join(ROOT, "docs", "zoo", "notes.yaml"), help="NAME: sentence")
    arguments = parser.parse_args()
    notes = {}
    if os.path.exists(arguments.notes):
        with open(arguments.notes, encoding="utf-8") as file:
            notes = yaml.safe_load(file) or {}
    names = arguments.names or sorted(
        name
        for name in os.listdir(arguments.folder)
        if os.path.exists(os.path.join(arguments.folder, name, "model.keras"))
    )
    for folder in (RECEIPTS, STRIPS, zoo.FOLDER):
        os.makedirs(folder, exist_ok=True)
    for name in names:
        run = Run(os.path.join(arguments.folder, name))
        model, told = loading.load_model(run.model_path), about(run, arguments.machine, notes.get(name))
        target = os.path.join(zoo.FOLDER, name)
        preset.save(model, target, told, "float16", overwrite=True)
        receipt = os.path.join(RECEIPTS, f"{name}.json")
        command = [sys.executable, "-m", "keras_gans.cli", "evaluate", name, "--data", told["data"], "--out", receipt]
        subprocess.run([*command, "--neighbours", os.path.join(STRIPS, f"{name}_nearest.png")], check=True)
        with open(receipt, encoding="utf-8") as file:
            told["scores"] = yaml.safe_load(file)["scores"]
        preset.save(model, target, told, "float16", overwrite=True)
        images = kg.from_preset(name).generate(20, seed=0)
        pictures.save_png(os.path.join(STRIPS, f"{name}.png"), pictures.grid(images, columns=10, scale=1))
        print(f"{name}: {target}")


if __name__ == "__main__":
    main()
