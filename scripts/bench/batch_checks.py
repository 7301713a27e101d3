#!/usr/bin/env python
"""Compares the check of a batch with the training step that it stands before, in turns.

A DCGAN of 32x32x3 at batch 64 by default; batches of uint8, of floats in [-1, 1], and with labels. Runs on the backend
named by KERAS_BACKEND.

usage: python scripts/bench/batch_checks.py [--width 64] [--batch-size 64] [--turns 20]
"""

import argparse
import statistics
import time

import keras_gans as kg
from keras_gans.engine.batch_check import BatchCheck

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (arguments.batch_size, 32, 32, 3), "uint8")
    labels = rng.integers(0, 10, arguments.batch_size)
    floats = images.astype("float32") / 127.5 - 1
    model = kg.create("gan", (32, 32, 3), 128, network_options={"width": arguments.width})
    model.compile()
    model.train_on_batch(images)  # traces the step
    plain, conditional = BatchCheck((32, 32, 3), 0), BatchCheck((32, 32, 3), 10)
    checks = {
        "uint8": lambda: plain((images,), 1),
        "floats": lambda: plain((floats,), 1),
        "floats and labels": lambda: conditional((floats, labels), 1),
    }
    times = {name: [] for name in ("step", *checks)}
    for _ in range(arguments.turns):
        for name, function in {"step": lambda: model.train_on_batch(images), **checks}.items():
            begun = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - begun)
    step = statistics.median(times["step"])
    print("| | ms, median | share of the step |\n|---|---:|---:|")
    for name, seconds in times.items():
        print(f"| {name} | {1000 * statistics.median(seconds):.3f} | {statistics.median(seconds) / step:.2%} |")


if __name__ == "__main__":
    main()
