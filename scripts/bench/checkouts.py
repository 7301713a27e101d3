#!/usr/bin/env python
"""Compares the training step of a variant in two checkouts of this repository, in turns.

Every turn is a process of its own, first of the one, then of the other; the networks are those of `create` at 32x32x3.
For a change of a step: `git worktree add ../before HEAD~1`, then give `--before ../before`. Runs on the backend named
by KERAS_BACKEND.

usage: python scripts/bench/checkouts.py --before FOLDER [--variant ign] [--width 32] [--turns 5] [--steps 6]
"""

import argparse
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TURN = """
import os, sys, time
import keras_gans as kg, keras, numpy as np
assert os.path.dirname(os.path.dirname(kg.__file__)) == os.getcwd(), kg.__file__
variant, network, width, batch, steps = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
images = np.random.default_rng(0).integers(0, 256, (batch, 32, 32, 3), "uint8")
keras.utils.set_random_seed(0)
model = kg.create(variant, (32, 32, 3), 64, network=network, network_options={"width": width})
model.compile()
if hasattr(model, "adapt"):
    model.adapt(images)
for _ in range(2):
    model.train_on_batch(images)
for _ in range(steps):
    begun = time.perf_counter()
    model.train_on_batch(images)
    print("ms", 1000 * (time.perf_counter() - begun))
"""


def turn(folder, arguments):
    """Returns the milliseconds of the steps of one process that imports the package from a folder."""
    options = (arguments.variant, arguments.network, arguments.width, arguments.batch_size, arguments.steps)
    environment = {**os.environ, "PYTHONPATH": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", TURN, *map(str, options)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"The step in {folder} failed:\n{done.stderr}")
    return [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("ms ")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, metavar="FOLDER", help="the other checkout")
    parser.add_argument("--variant", default="ign")
    parser.add_argument("--network", default="dcgan")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5, help="processes of each checkout, default 5")
    parser.add_argument("--steps", type=int, default=6, help="steps of each process after two, default 6")
    arguments = parser.parse_args()
    folders = {"before": os.path.abspath(arguments.before), "now": HERE}
    times = {name: [] for name in folders}
    for _ in range(arguments.turns):
        for name, folder in folders.items():
            times[name] += turn(folder, arguments)
    first = statistics.median(times["before"])
    print(f"| step of {arguments.variant} | ms, median (range) | share |\n|---|---|---|")
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"| {name} | {middle:.1f} ({min(found):.1f} to {max(found):.1f}) | {middle / first:.2f} |")


if __name__ == "__main__":
    main()
