#!/usr/bin/env python
"""Checks that the shipped feature networks see what is wrong: the Frechet distance of damaged training images.

10,000 training images against the 10,000 test images: as they are, with noise, blurred, without a class, with few
images repeated, and put together from halves of two images. The distance must be tiny in the first case and grow with
the damage. Writes the table of docs/metrics.md.

usage: python scripts/classifier_ladder.py [--data fashion_mnist cifar10] [--docs docs]
"""

import argparse
import os

import keras_gans as kg
import pages

import numpy as np
from PIL import Image, ImageFilter

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COUNT = 10_000


def noisy(images, deviation, rng):
    """Returns images with Gaussian noise of so many grey levels."""
    return np.clip(np.rint(images + rng.normal(0, deviation, images.shape)), 0, 255).astype("uint8")


def blurred(images, radius):
    """Returns images blurred by a Gaussian of `radius` pixels."""
    smooth = ImageFilter.GaussianBlur(radius)
    squeezed = images[..., 0] if images.shape[-1] == 1 else images
    return np.stack([np.asarray(Image.fromarray(image).filter(smooth)) for image in squeezed]).reshape(images.shape)


def spliced(images, rng):
    """Returns images whose lower half is that of another."""
    found = images.copy()
    half = images.shape[1] // 2
    found[:, half:] = images[rng.permutation(len(images)), half:]
    return found


def ladder(data):
    """Returns `[(damage, Frechet distance), ...]` of a data set."""
    images, labels = kg.data.load(data)
    test, _ = kg.data.load(data, split="test")
    rng = np.random.default_rng(0)
    images, labels = images[: 2 * COUNT], labels[: 2 * COUNT]
    network = kg.metrics.Classifier("gray" if test.shape[-1] == 1 else "rgb")
    real = network(test[:COUNT])
    plain = images[:COUNT]
    cases = {"none": plain}
    cases |= {f"noise of {level} grey levels": noisy(plain, level, rng) for level in (2, 5, 10, 20, 40)}
    cases |= {f"blurred by {radius} pixels": blurred(plain, radius) for radius in (0.5, 1, 2)}
    cases["without class 0"] = images[labels != 0][:COUNT]
    cases |= {f"{count:,} images, repeated": np.resize(plain[:count], plain.shape) for count in (1000, 100)}
    cases["lower halves exchanged"] = spliced(plain, rng)
    return [(name, kg.metrics.frechet_distance(real=real, fake=network(each))) for name, each in cases.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["fashion_mnist", "cifar10"])
    parser.add_argument("--docs", default=os.path.join(ROOT, "docs"))
    arguments = parser.parse_args()
    columns = [ladder(data) for data in arguments.data]
    lines = [f"| damage | {' | '.join(arguments.data)} |", "|---" + "|---:" * len(columns) + "|"]
    for cells in zip(*columns, strict=True):
        lines.append(f"| {cells[0][0]} | {' | '.join(f'{distance:.3f}' for _, distance in cells)} |")
    print("\n".join(lines))
    pages.put(os.path.join(arguments.docs, "metrics.md"), "ladder", "\n".join(lines), "Metrics")


if __name__ == "__main__":
    main()
