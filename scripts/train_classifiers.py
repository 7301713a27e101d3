#!/usr/bin/env python
"""Trains the classifiers that are shipped in keras_gans/metrics/weights, and measures their test accuracy.

    gray   Fashion-MNIST (28x28, padded to 32x32) and scikit-learn's digits (each four times), moved by up to two pixels
           and never mirrored: a mirrored shoe is another one
    rgb    CIFAR-10, mirrored, and moved by up to four pixels

The weights are written with the batch norms folded in, as float16. Accuracies are those of the written file.

usage: python scripts/train_classifiers.py {gray,rgb} [--epochs N] [--seed 0] [--out FILE.npz]
"""

import argparse
import json
import os
import time

import keras_gans as kg
from keras_gans import machine
from keras_gans.metrics import classifier
from keras_gans.output import files

import keras
import numpy as np

GARMENTS = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
OBJECTS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
EPOCHS = {"gray": 5, "rgb": 14}


class Moved(keras.utils.PyDataset):
    """Batches of moved, perhaps mirrored images, another way in every epoch."""

    def __init__(self, images, labels, seed, pixels, mirror, batch_size=128):
        super().__init__()
        self.images, self.labels, self.pixels, self.mirror = images, labels, pixels, mirror
        self.rng, self.batch_size = np.random.default_rng(seed), batch_size
        self.order = self.rng.permutation(len(images))

    def __len__(self):
        return len(self.images) // self.batch_size

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.images))

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rng, p = np.random.default_rng([index, int(rows[0]), int(rows[-1])]), self.pixels
        padded = np.pad(self.images[rows], ((0, 0), (p, p), (p, p), (0, 0)))
        images = np.empty_like(self.images[rows])
        for i, (top, left) in enumerate(rng.integers(0, 2 * p + 1, (len(rows), 2))):
            images[i] = padded[i, top : top + 32, left : left + 32]
        if self.mirror:
            mirrored = rng.random(len(rows)) < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        return images, self.labels[rows]


def data(kind, split):
    """Returns `{name: (images, labels)}`."""
    if kind == "rgb":
        return {"cifar10": kg.data.load("cifar10", split)}
    digits, numbers = kg.data.load("digits", split)
    return {"fashion_mnist": kg.data.load("fashion_mnist", split), "digits": (digits, numbers + 10)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=list(classifier.KINDS))
    parser.add_argument("--epochs", type=int, help="default 5 for gray, 14 for rgb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="auto", choices=machine.PRECISIONS)
    parser.add_argument("--out", help="default: into the package")
    arguments = parser.parse_args()
    kind, epochs = arguments.kind, arguments.epochs or EPOCHS[arguments.kind]
    folder = os.path.join(os.path.dirname(classifier.__file__), "weights")
    out = arguments.out or os.path.join(folder, f"classifier_{kind}.npz")

    keras.utils.set_random_seed(arguments.seed)
    train = data(kind, "train")
    times = {"digits": 4}
    images = np.concatenate([np.tile(x, (times.get(name, 1), 1, 1, 1)) for name, (x, _) in train.items()])
    labels = np.concatenate([np.tile(y, times.get(name, 1)) for name, (_, y) in train.items()])
    classes = OBJECTS if kind == "rgb" else GARMENTS + [str(digit) for digit in range(10)]
    options = classifier.KINDS[kind]
    norm = kg.layers.BatchNormalization
    precision = kg.engine.precision(arguments.precision)
    model = classifier.network(options["channels"], options["widths"], len(classes), precision, norm)
    batches = Moved(images, labels, arguments.seed, pixels=4 if kind == "rgb" else 2, mirror=kind == "rgb")
    warmup = len(batches) // 2
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * len(batches) - warmup, warmup_target=2e-3, warmup_steps=warmup
    )
    trained = keras.Model(model.input, model.output["logits"])
    trained.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=keras.config.backend() == "jax",
    )
    begun, cpu = time.perf_counter(), time.process_time()
    trained.fit(batches, epochs=epochs, shuffle=False, verbose=2)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu

    weights = [weight.astype(np.float16) for weight in classifier.folded(model)]
    judge = classifier.network(options["channels"], options["widths"], len(classes), "float32")
    judge.set_weights([weight.astype(np.float32) for weight in weights])
    accuracy = {}
    for name, (test_images, test_labels) in data(kind, "test").items():
        found = np.asarray(judge.predict(test_images, batch_size=256, verbose=0)["logits"]).argmax(1)
        accuracy[name] = round(float(np.mean(found == test_labels)), 4)
    meta = {
        "kind": kind,
        "classes": classes,
        "accuracy": accuracy,
        "weights": len(weights),
        "seed": arguments.seed,
        "epochs": epochs,
        "precision": precision,
        "keras_gans": kg.__version__,
        "backend": keras.config.backend(),
    }
    arrays = {f"weight_{i}": weight for i, weight in enumerate(weights)}
    files.write_npz(out, meta=json.dumps(meta), **arrays)
    print(f"test accuracy {accuracy}; {seconds:.0f} s, {cpu / 60:.1f} CPU minutes; wrote {out}")


if __name__ == "__main__":
    main()
