#!/usr/bin/env python
"""Draws from trained two-player models by generator, MALA, Langevin dynamics and rejection, and compares the samples.

The judge is the shipped classifier of garments and digits, against as many test images. Settings are the defaults of
`keras_gans.samplers`; the step size of MALA tunes itself. Writes a Markdown table.

usage: python scripts/bench/latent_samplers.py [--models gan_fashion_mnist ...] [--samples 2000] [--steps 100]
"""

import argparse
import os
import sys
import time

import keras_gans as kg
from keras_gans.metrics.networks import feature_network

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import pages

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "energy.md")


def drawn(model, how, arguments):
    """Returns images, the share that was accepted or kept, and seconds."""
    begun, options = time.perf_counter(), {"labels": None, "seed": arguments.seed}
    if how == "generator":
        images, share = model.generate(arguments.samples, seed=arguments.seed), None
    elif how == "rejection":
        found = kg.samplers.rejection(model, arguments.samples, **options)
        images, share = found.images, found.acceptance_rate
    else:
        found = getattr(kg.samplers, how)(model, arguments.samples, steps=arguments.steps, **options)
        images, share = found.images, found.acceptance_rate if how == "mala" else None
    return images, share, time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["gan_fashion_mnist", "rsgan_fashion_mnist"])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the table into docs/energy.md")
    arguments = parser.parse_args()
    network = feature_network("classifier", (32, 32, 1))
    images, _ = kg.data.load("fashion_mnist", split="test", image_size=32)
    real = network(images[: arguments.samples])
    rows = [
        "| model | drawn by | accepted or kept | distance | precision | recall | coverage | seconds |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in arguments.models:
        model = kg.load(name)
        for how in ("generator", "mala", "langevin", "rejection"):
            made, share, seconds = drawn(model, how, arguments)
            fake = network(made)
            scores = kg.metrics.prdc(real=real, fake=fake)
            distance = kg.metrics.frechet_distance(real=real, fake=fake)
            kept = "" if share is None else f"{share:.0%}"
            quality = f"{distance:.2f} | {scores.precision:.2f} | {scores.recall:.2f} | {scores.coverage:.2f}"
            rows.append(f"| `{name}` | {how} | {kept} | {quality} | {seconds:.0f} |")
            print(rows[-1], flush=True)
    if arguments.write:
        pages.put(PAGE, "samplers", "\n".join(rows), "Energies", "## Samplers in the latents of any game")


if __name__ == "__main__":
    main()
