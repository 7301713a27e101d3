#!/usr/bin/env python
"""What PGD training does to a classifier of scikit-learn's digits: accuracy without an attack, and under PGD.

A small convolutional network on 8x8 images in 0..1, trained on 1,297 of 1,797 digits and judged on the other 500, plain
and with PGD training (infinity norm), over several seeds; robust accuracy is that under PGD-20 with 5 restarts.

usage: python scripts/comparisons/adversarial_digits.py [--seeds 5] [--epochs 40] [--epsilon 0.2]
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gans as kg  # before Keras: it prepares the machine

import keras
import numpy as np
from sklearn.datasets import load_digits


def digits(seed):
    """Returns training and test images (n, 8, 8, 1) in 0..1 with their labels, split by the seed."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 8, 8, 1).astype("float32")
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order[500:]], labels[order[500:]], images[order[:500]], labels[order[:500]]


def classifier(seed):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=False)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--epsilon", type=float, default=0.2)
    arguments = parser.parse_args()
    table = {"plain": [], "PGD training": []}
    for seed in range(arguments.seeds):
        x, y, x_test, y_test = digits(seed)
        for name, rows in table.items():
            model = classifier(seed)
            if name != "plain":
                kg.regularization.adversarial_training(model, "pgd", epsilon=arguments.epsilon, steps=5)
            model.fit(x, y, batch_size=64, epochs=arguments.epochs, verbose=0)
            clean = model.evaluate(x_test, y_test, verbose=0)[1]
            robust = kg.robust_accuracy(model, x_test, y_test, epsilon=arguments.epsilon, batch_size=500)
            rows.append((100 * clean, 100 * robust))
            print(f"seed {seed}  {name:<13} clean {100 * clean:5.1f} %  robust {100 * robust:5.1f} %", flush=True)
    print(f"\n{keras.backend.backend()}, epsilon {arguments.epsilon:g} (infinity norm), {arguments.epochs} epochs")
    for name, rows in table.items():
        means, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) if len(rows) > 1 else (0.0, 0.0)
        print(f"{name:<13} clean {means[0]:5.1f} +- {spread[0]:.1f} %  robust {means[1]:5.1f} +- {spread[1]:.1f} %")


if __name__ == "__main__":
    main()
