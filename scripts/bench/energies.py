#!/usr/bin/env python
"""What the energy of a model trained on Fashion-MNIST knows: strange images, missing halves, and samples from noise.

Strange images: the area under the ROC curve of the energy for test garments against handwritten digits, garments upside
down and mirrored ones, beside three scores that learn nothing or little (mean gray, error of 64 principal components,
size as PNG; each by the better of its two signs). Missing halves: squared error of the lower half of test images,
in-painted, against the mean image of the training data. Samples: the classes that the shipped classifier sees in images
from noise, their distance, and that of images from the buffer.

usage: python scripts/bench/energies.py MODEL [--count 1000]   MODEL: a run folder, a .keras file or a preset
"""

import argparse
import io

import keras_gans as kg
from keras_gans.metrics.networks import feature_network

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score


def png_size(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.tell()


def areas(model, inside, others, train):
    """Prints the areas under the ROC curve, for strange images as positives."""
    pca = PCA(64, random_state=0).fit(train[:10_000].reshape(10_000, -1) / 255.0)

    def error(images):
        flat = images.reshape(len(images), -1) / 255.0
        return np.square(flat - pca.inverse_transform(pca.transform(flat))).mean(1)

    scores = {
        "energy": lambda images: model.energy(images),
        "mean gray": lambda images: images.reshape(len(images), -1).mean(1),
        "PCA error": error,
        "PNG size": lambda images: np.array([png_size(image) for image in images]),
    }
    print("| strange images | " + " | ".join(scores) + " |\n|---|" + "---:|" * len(scores))
    for name, images in others.items():
        truth, row = np.repeat([0, 1], [len(inside), len(images)]), []
        for kind, score in scores.items():
            area = roc_auc_score(truth, np.concatenate([score(inside), score(images)]))
            row.append(f"{area if kind == 'energy' else max(area, 1 - area):.3f}")
        print(f"| {name} | " + " | ".join(row) + " |")


def restored(model, test, train):
    mask = np.zeros(test.shape[1:3])
    mask[mask.shape[0] // 2 :] = 1
    lower = slice(mask.shape[0] // 2, None)
    again = model.restore(test, mask=mask).astype("float64") / 255
    mean = train.mean(axis=0) / 255

    def squared(made):
        return np.square(made[:, lower] - test[:, lower] / 255.0).mean()

    ours, theirs = squared(again), squared(np.broadcast_to(mean, test.shape))
    print(
        f"Lower halves: squared error {ours:.4f} in-painted, {theirs:.4f} by the mean image: {ours / theirs:.2f} of it."
    )


def samples(model, count, test):
    network = feature_network("classifier", (32, 32, 1))
    real = network(test)
    for start in ("noise", "buffer"):
        made = model.generate(count, seed=0, start=start)
        fake, logits = network.with_logits(made)
        classes = np.bincount(logits[:, :10].argmax(1), minlength=10)
        print(
            f"From {start}: distance {kg.metrics.frechet_distance(real=real, fake=fake):.2f}, coverage "
            f"{kg.metrics.prdc(real=real, fake=fake).coverage:.2f}; of the ten garments {' '.join(map(str, classes))}."
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    model = kg.load(arguments.model)
    train, _ = kg.data.load("fashion_mnist", image_size=32)
    test, _ = kg.data.load("fashion_mnist", split="test", image_size=32)
    digits, _ = kg.data.load("digits", image_size=32)
    test = test[: arguments.count]
    others = {
        "digits": digits[: arguments.count],
        "upside down": test[:, ::-1].copy(),
        "mirrored": test[:, :, ::-1].copy(),
    }
    areas(model, test, others, train)
    if hasattr(model, "restore"):
        restored(model, test, train)
        samples(model, arguments.count, test)


if __name__ == "__main__":
    main()
