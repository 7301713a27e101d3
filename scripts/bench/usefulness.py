#!/usr/bin/env python
"""Whether the images of presets can train a classifier of Fashion-MNIST: `kg.metrics.usefulness`, as a table.

The presets were trained on the 60,000 training images, from which the labelled reals are drawn; all classifiers are
judged on the first `--test` of the 10,000 test images, which neither the presets nor the classifiers have seen.

usage: python scripts/bench/usefulness.py [--presets NAME ...] [--sizes 100 1000 10000] [--repeats 3] [--steps 300]
                                          [--test 5000] [--seed 0]
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gans as kg

PRESETS = ["cascading_rejection_gan_fashion_mnist_conditional", "r3gan_fashion_mnist"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--test", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    images, labels = kg.data.load("fashion_mnist")
    test_images, test_labels = (each[: arguments.test] for each in kg.data.load("fashion_mnist", "test"))
    about = {"sizes": arguments.sizes, "repeats": arguments.repeats, "steps": arguments.steps, "seed": arguments.seed}
    for name in arguments.presets:
        start = time.process_time()
        found = kg.metrics.usefulness(kg.from_preset(name), images, labels, test_images, test_labels, **about)
        print(f"{name} (seed {arguments.seed}, {time.process_time() - start:.0f} CPU seconds)\n{found}\n", flush=True)


if __name__ == "__main__":
    main()
