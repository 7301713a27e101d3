#!/usr/bin/env python
"""Compares the step of R3GAN with its penalties taken in passes of their own, in those of the scores, and by noise.

The three train equal networks on the same images and take turns. `own passes` is how the library did it until 0.2: the
penalty scores the images a second time. Runs on the backend named by KERAS_BACKEND.

usage: python scripts/bench/penalties.py [--network dcgan] [--width 32] [--turns 7] [--steps 4]
"""

import argparse
import statistics
import time

import keras_gans as kg
from keras_gans.engine import Score

import keras
import numpy as np

REMEMBERING = Score.gradients


def in_a_pass_of_its_own(score, images):
    """Returns the gradient at images as `Score.gradients` does, whatever the score remembers."""
    passes, score._passes = score._passes, []
    try:
        return REMEMBERING(score, images)
    finally:
        score._passes = passes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="dcgan", choices=["dcgan", "r3", "resnet"])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=7, help="turns of each side, default 7")
    parser.add_argument("--steps", type=int, default=4, help="steps per turn, default 4")
    arguments = parser.parse_args()
    count = arguments.steps * arguments.batch_size
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), "uint8")
    options = {"network": arguments.network, "network_options": {"width": arguments.width}}
    models = {}
    for name, estimate in [("own passes", "gradient"), ("the scores' passes", "gradient"), ("noise", "noise")]:
        keras.utils.set_random_seed(0)
        models[name] = kg.create("r3gan", (32, 32, 3), 64, estimate=estimate, **options)
        models[name].compile()
    times = {name: [] for name in models}
    for turn in range(arguments.turns + 1):
        for name, model in models.items():
            Score.gradients = in_a_pass_of_its_own if name == "own passes" else REMEMBERING  # while the step is traced
            begun = time.perf_counter()
            model.fit(images, batch_size=arguments.batch_size, shuffle=False, verbose=0)
            if turn:
                times[name].append((time.perf_counter() - begun) / arguments.steps)
    first = statistics.median(times["own passes"])
    print("| penalties of R3GAN | ms per step, median (range) | share |\n|---|---|---|")
    for name, seconds in times.items():
        low, middle, high = (1000 * each for each in (min(seconds), statistics.median(seconds), max(seconds)))
        print(f"| {name} | {middle:.1f} ({low:.1f} to {high:.1f}) | {middle / 1000 / first:.2f} |")


if __name__ == "__main__":
    main()
