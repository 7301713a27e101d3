#!/usr/bin/env python
"""What an encoder is good for: a linear probe and nearest neighbours on its encodings, against PCA and pixels.

Encodes the training and test images of Fashion-MNIST (or `--data`) with a preset or a trained model, fits a multinomial
logistic regression (standardised inputs, C = 1) and 5 nearest neighbours on the encodings, on as many principal
components and on all pixels, and writes docs/encoder.md with sheets of reconstructions and interpolations. The
paragraphs around the table are kept.

usage: python scripts/encoder_probe.py [MODEL] [--data fashion_mnist] [--docs docs] [--limit N]
"""

import argparse
import os

import keras_gans as kg
import pages
from keras_gans import pictures
from keras_gans.runs import loading

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def encoded(model, images, chunk=2000):
    """Returns the encodings (n, d) of images."""
    return np.concatenate([model.encode(images[start : start + chunk]) for start in range(0, len(images), chunk)])


def accuracies(train, labels, test, test_labels):
    """Returns the test accuracies of a linear probe and of 5 nearest neighbours."""
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(train, labels)
    nearest = KNeighborsClassifier(5, algorithm="brute").fit(train, labels)
    return linear.score(test, test_labels), nearest.score(test, test_labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="o_gan_fashion_mnist")
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--docs", default=os.path.join(ROOT, "docs"))
    parser.add_argument("--limit", type=int, help="use the first images of both sets only")
    arguments = parser.parse_args()
    model = loading.load_model(arguments.model)
    loading.require_encoder(model, "encoder_probe")
    train, labels = (array[: arguments.limit] for array in kg.data.load(arguments.data))
    test, test_labels = (array[: arguments.limit] for array in kg.data.load(arguments.data, split="test"))
    with loading.weights_in_use(model):
        codes = encoded(model, train), encoded(model, test)
        fakes = model.generate(16, seed=0)
        again = model.reconstruct(test[:16]), model.reconstruct(fakes)
        ends = [np.flatnonzero(test_labels == kind)[:2] for kind in range(min(8, test_labels.max() + 1))]
        lines = np.concatenate([model.interpolate(test[a], test[b], steps=10) for a, b in ends])
    flat = [images.reshape(len(images), -1) / np.float32(127.5) - 1 for images in (train, test)]
    pca = PCA(model.latent_dim, random_state=0).fit(flat[0])
    sets = {
        f"O-GAN's encoder, {model.latent_dim} numbers": codes,
        f"PCA, {model.latent_dim} numbers": tuple(map(pca.transform, flat)),
        f"pixels, {flat[0].shape[1]} numbers": tuple(flat),
    }
    rows = ["| features | linear probe | 5 nearest neighbours |", "|---|---:|---:|"]
    for name, (known, held_out) in sets.items():
        linear, nearest = accuracies(known, labels, held_out, test_labels)
        rows.append(f"| {name} | {100 * linear:.1f} % | {100 * nearest:.1f} % |")
        print(rows[-1], flush=True)
    settings = f"`{arguments.model}`, {len(train):,} training and {len(test):,} test images; written by "
    table = "\n".join([*rows, "", settings + "`scripts/encoder_probe.py`."])
    folder = os.path.join(arguments.docs, "encoder")
    os.makedirs(folder, exist_ok=True)
    for name, first, second in (("test", test[:16], again[0]), ("generated", fakes, again[1])):
        pictures.save_png(os.path.join(folder, f"reconstructions_{name}.png"), pictures.side_by_side(first, second))
    pictures.save_png(os.path.join(folder, "interpolations.png"), pictures.grid(lines, columns=10))
    pages.put(os.path.join(arguments.docs, "encoder.md"), "table", table, "O-GAN as an encoder")


if __name__ == "__main__":
    main()
