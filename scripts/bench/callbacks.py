#!/usr/bin/env python
"""What WeightMovingAverage and Inspect add to a training step, interleaved in one process.

Three copies of one DCGAN (32x32x3, batch 64) train side by side: without a callback, with a moving average, and with
`Inspect` every 100 steps on eight images. They take turns of 100 steps, in changing order; the first turn is not
counted. The median of the turns' ratios is what counts: the machine's speed changes from turn to turn.

usage: python scripts/bench/callbacks.py [--turns 10] [--steps 100] [--width 64]
"""

import argparse
import statistics
import time

import keras_gans as kg

import keras
import numpy as np


class Clock(keras.callbacks.Callback):
    """Takes the time of the steps alone: `fit` sets up once per call, a training once per run."""

    def __init__(self, steps):
        super().__init__()
        self.steps, self.times = steps, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.times.append((time.perf_counter() - self.begun) / self.steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100, help="steps per turn")
    parser.add_argument("--width", type=int, default=64, help="of the DCGAN")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    shape = (arguments.steps * arguments.batch_size, 32, 32, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")

    contestants = {}
    for name in ("alone", "WeightMovingAverage", "Inspect"):
        keras.utils.set_random_seed(0)
        model = kg.create("gan", shape[1:], latent_dim=128, network_options={"width": arguments.width})
        model.compile()
        callbacks = []
        if name == "WeightMovingAverage":
            callbacks = [kg.callbacks.WeightMovingAverage(0.999)]
        elif name == "Inspect":
            callbacks = [kg.callbacks.Inspect(images[:8], ["generator/*", "discriminator/*"], every=100)]
        contestants[name] = model, callbacks, Clock(arguments.steps)
    names = list(contestants)
    for turn in range(arguments.turns + 1):
        for name in names[turn % 3 :] + names[: turn % 3]:
            model, callbacks, clock = contestants[name]
            model.fit(images, batch_size=arguments.batch_size, callbacks=[*callbacks, clock], verbose=0)
    alone = contestants["alone"][2].times[1:]
    print(f"alone                {1000 * statistics.median(alone):7.2f} ms per step")
    for name in names[1:]:
        times = contestants[name][2].times[1:]
        ratio = statistics.median(a / b for a, b in zip(times, alone, strict=True))
        best = min(times) / min(alone)
        print(
            f"{name:20} {1000 * statistics.median(times):7.2f} ms per step, "
            f"{100 * (ratio - 1):+.2f} % median of the turns' ratios, {100 * (best - 1):+.2f} % of the best turns"
        )


if __name__ == "__main__":
    main()
