#!/usr/bin/env python
"""What a train step costs with each regulariser, in plain steps: compiled, interleaved, the median of many rounds.

The model is a small convolutional network on images of 32x32x3; the step is the one that `fit` compiles.
Limits: FGM 2.2, PGD-k (1 + k) times 1.2, VAT 3.2.

usage: python scripts/bench/regularization.py [--rounds 15] [--batch 64] [--steps 3]
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gans as kg  # before Keras: it prepares the machine

import keras
import numpy as np

R = kg.regularization
WRAPPERS = {
    "plain": (lambda model: model, 1.0),
    "FGM": (lambda model: R.adversarial_training(model, epsilon=0.5), 2.2),
    "PGD-3": (lambda model: R.adversarial_training(model, "pgd", epsilon=0.1, steps=3), 4 * 1.2),
    "VAT": (lambda model: R.virtual_adversarial_training(model, epsilon=1.0), 3.2),
    "noise": (lambda model: R.noise(model, std=0.1), None),
    "agreement under noise": (lambda model: R.noise(model, std=0.1, consistency="kl"), None),
    "gradient penalty": (lambda model: R.gradient_penalty(model), None),
}


def network():
    keras.utils.set_random_seed(0)
    layers = []
    for width in (32, 64, 128):
        layers += [keras.layers.Conv2D(width, 3, strides=2, padding="same"), keras.layers.ReLU()]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile="auto" if keras.backend.backend() == "jax" else False)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3, help="steps in a row of each round")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    x = random.normal(size=(arguments.batch, 32, 32, 3)).astype("float32")
    y = random.integers(0, 10, arguments.batch)
    models = {name: wrap(network()) for name, (wrap, _) in WRAPPERS.items()}
    seconds: dict = {name: [] for name in models}
    for model in models.values():
        model.train_on_batch(x, y)
    for _ in range(arguments.rounds):
        for name, model in models.items():
            begun = time.perf_counter()
            for _ in range(arguments.steps):
                model.train_on_batch(x, y)
            seconds[name].append((time.perf_counter() - begun) / arguments.steps)
    plain = statistics.median(seconds["plain"])
    print(f"{keras.backend.backend()}, batch {arguments.batch}, plain step {1000 * plain:.1f} ms")
    for name, (_, limit) in WRAPPERS.items():
        ratio = statistics.median(own / base for own, base in zip(seconds[name], seconds["plain"], strict=True))
        said = (
            "" if limit is None or name == "plain" else f"  (limit {limit:.1f}{', EXCEEDED' if ratio > limit else ''})"
        )
        print(f"{name:<22} {ratio:5.2f}{said}")


if __name__ == "__main__":
    main()
