#!/usr/bin/env python
"""Compares the step time of alternating and simultaneous updates of the same GAN, interleaved.

The DCGAN of 32x32x3 images at batch 64 by default, without batch norm in the discriminator, so that the non-saturating
game can reuse one backward pass for both players. Runs on the backend named by KERAS_BACKEND.

usage: python scripts/bench/update_modes.py [--variant gan] [--turns 15] [--steps 8] [--width 64]
"""

import argparse
import logging
import statistics
import time

import keras_gans as kg

import keras
import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="gan", help="a two-player variant, default gan")
    parser.add_argument("--turns", type=int, default=15, help="turns of each mode, default 15")
    parser.add_argument("--steps", type=int, default=8, help="steps per turn, default 8")
    parser.add_argument("--width", type=int, default=64, help="width of the DCGAN, default 64")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--normalization", default="none", choices=["none", "batch", "layer", "spectral"])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("keras_gans").setLevel(logging.INFO)

    images = np.random.default_rng(0).integers(0, 256, (arguments.steps * arguments.batch_size, 32, 32, 3), "uint8")
    normalization = None if arguments.normalization == "none" else arguments.normalization
    options = {"width": arguments.width, "discriminator": {"normalization": normalization}}
    models = {}
    for update in ("alternating", "simultaneous"):
        keras.utils.set_random_seed(0)
        models[update] = kg.create(arguments.variant, (32, 32, 3), 128, network_options=options, critic_steps=1)
        models[update].compile(update=update)

    times = {update: [] for update in models}

    class Clock(keras.callbacks.Callback):
        """Takes the time of the steps alone, without what `fit` sets up once per call."""

        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.begin

    for _ in range(arguments.turns + 1):
        for update, model in models.items():
            clock = Clock()
            model.fit(images, batch_size=arguments.batch_size, callbacks=[clock], verbose=0)
            times[update].append(clock.seconds / arguments.steps)
    medians = {update: 1000 * statistics.median(seconds[1:]) for update, seconds in times.items()}
    pairs = zip(times["alternating"][1:], times["simultaneous"][1:], strict=True)
    for update, median in medians.items():
        print(f"{update:14} {median:8.2f} ms per step (median of {arguments.turns} turns)")
    print(
        f"speed-up       {medians['alternating'] / medians['simultaneous']:8.2f} of the medians, "
        f"{statistics.median(a / b for a, b in pairs):.2f} median of the turns' ratios"
    )


if __name__ == "__main__":
    main()
