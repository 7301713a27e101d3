#!/usr/bin/env python
"""Compares the warm-ups of the moving average with the last weights, early and late in one training.

One model carries an average of every warm-up (training does not see them). After each number of steps every one of them
is judged like the last weights: the Frechet distance of generated images from the data, in the features of the shipped
classifier (32x32) or of a random projection. An average that is worse than the last weights shows users a worse model
than they have.

usage: python scripts/bench/average_warmups.py [--data digits] [--steps 100 1000 10000] [--variant o_gan] [--width 16]
"""

import argparse
import time

import keras_gans as kg
from keras_gans.engine import WeightAverage
from keras_gans.runs import loading

import keras
import numpy as np

WARMUPS = ("mean", "fast", 25, 50, 100)


def distance(model, images, samples, average=None):
    """Returns the Frechet distance of generated images, with an average in use or the last weights."""
    if average is None:
        return kg.metrics.evaluate(model, images, samples=samples)["scores"]["frechet_distance"]
    with average.applied():
        return distance(model, images, samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="a set by name, or folder:PATH")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--steps", type=int, nargs="+", default=[30, 100, 300, 1000, 3000, 10000])
    parser.add_argument("--variant", default="o_gan")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--latent-dim", type=int, default=32)
    parser.add_argument("--decay", type=float, default=0.999)
    parser.add_argument("--samples", type=int, default=1000, help="generated images per distance, default 1000")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    images = loading.load_data(arguments.data, "train", arguments.image_size).images
    keras.utils.set_random_seed(arguments.seed)
    options = {"latent_dim": arguments.latent_dim, "network_options": {"width": arguments.width}}
    model = kg.create(arguments.variant, images.shape[1:], **options)
    model.compile()
    averages = {
        name: model.add_average(WeightAverage(arguments.decay, warmup=name, name=f"warmup_{name}")) for name in WARMUPS
    }
    judged = images[np.random.default_rng(0).permutation(len(images))[:2000]]
    print("| steps | last weights | " + " | ".join(map(str, WARMUPS)) + " | minutes |")
    print("|---:|---:" + "|---:" * len(WARMUPS) + "|---:|")
    done, begun = 0, time.perf_counter()
    for steps in sorted(arguments.steps):
        model.fit(images, batch_size=64, steps_per_epoch=steps - done, epochs=1, verbose=0)
        done = steps
        found = [distance(model, judged, arguments.samples)]
        found += [distance(model, judged, arguments.samples, averages[name]) for name in WARMUPS]
        minutes = (time.perf_counter() - begun) / 60
        print(f"| {steps} | " + " | ".join(f"{each:.2f}" for each in found) + f" | {minutes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
