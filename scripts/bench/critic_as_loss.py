#!/usr/bin/env python
"""What a critic as a second loss costs in L1, and what it brings in sharpness, on Fashion-MNIST.

Two parts, on the backend named by KERAS_BACKEND:

    start   An autoencoder of 16x16 images (means of 2x2 pixels, a code of 32 numbers) with the mean absolute error.
            The critic is switched on at three steps: as `kg.AdversarialLoss` does (adaptive weight, ramp, pretraining),
            and as it is written by hand (fixed weight, no ramp, no pretraining). What counts is the L1 of unseen images
            beside that of the same model without a critic at the same step: at the end, and the worst on the way.
    sharp   A network from 8x8 to 32x32 pixels, with the critic and without: PSNR, and the Frechet distance of its
            outputs from the true images in the features of the shipped classifier.

Runs that stand in the file of results are not repeated. --held-out judges on 5,000 of the training images, which no
model sees in either case: settings are chosen there.

usage: python scripts/bench/critic_as_loss.py [start] [sharp] [--seeds 0 1 2 3 4] [--scale 0.3] [--held-out]
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gans as kg  # before Keras: it prepares the machine

import keras
import numpy as np

K = keras.layers


def images_of(split):
    """Returns Fashion-MNIST as floats (n, 32, 32, 1) in [-1, 1]."""
    return kg.data.load("fashion_mnist", split)[0].astype("float32") / 127.5 - 1.0


def smaller(images, factor):
    """Returns the means of factor x factor pixels."""
    n, h, w, c = images.shape
    return images.reshape(n, h // factor, factor, w // factor, factor, c).mean((2, 4))


def autoencoder(width):
    def down(filters):
        return K.Conv2D(filters, 4, strides=2, padding="same", activation="relu")

    def up(filters, activation="relu"):
        return K.Conv2DTranspose(filters, 4, strides=2, padding="same", activation=activation)

    code = [K.Flatten(), K.Dense(32), K.Dense(16 * 2 * width, activation="relu"), K.Reshape((4, 4, 2 * width))]
    return keras.Sequential([keras.Input((16, 16, 1)), down(width), down(2 * width), *code, up(width), up(1, "tanh")])


def upscaler(width):
    def convolution(filters, activation="relu"):
        return K.Conv2D(filters, 3, padding="same", activation=activation)

    up = [K.UpSampling2D(), convolution(width), K.UpSampling2D(), convolution(width)]
    return keras.Sequential([keras.Input((8, 8, 1)), convolution(2 * width), *up, convolution(1, "tanh")])


class Course(keras.callbacks.Callback):
    """Measures at every so many steps."""

    def __init__(self, every, measure):
        super().__init__()
        self.every, self.measure, self.found = every, measure, {}

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.every == 0:
            self.found[batch + 1] = self.measure(self.model)


def trained(build, pairs, seed, options, measure, every, arguments):
    """Trains a model for so many steps, with the critic of `options` or without (None); returns what was measured."""
    keras.utils.set_random_seed(seed)
    model = build(arguments.width)
    model.compile(keras.optimizers.Adam(1e-3), "mae", jit_compile=False)
    if options is not None:
        shape = model.output_shape[1:]
        kg.AdversarialLoss(kg.networks.patch.critic(shape, width=arguments.width), **options).attach(model)
    course, size = Course(every, measure), arguments.batch_size
    order = np.random.default_rng(seed).permutation(len(pairs[0]))
    order = np.resize(order, arguments.steps * size)
    x, y = (each[order] for each in pairs)
    began = time.process_time()
    logs = model.fit(x, y, batch_size=size, shuffle=False, verbose=0, callbacks=[course]).history
    logs = {name: values[-1] for name, values in logs.items()}
    return {"course": course.found, "logs": logs, "cpu_seconds": time.process_time() - began}


def l1(images):
    return lambda model: float(np.abs(model.predict(images, batch_size=500, verbose=0) - images).mean())


def sharpness(low, high):
    """Returns a function of a model: PSNR and Frechet distance (to the true images) of its outputs."""

    def bytes_of(images):
        return np.clip(np.round((images + 1.0) * 127.5), 0, 255).astype("uint8")

    features = kg.metrics.Classifier("gray")
    real = features(bytes_of(high))

    def measure(model):
        outputs = np.clip(model.predict(low, batch_size=500, verbose=0), -1, 1)
        psnr = 10 * np.log10(4.0 / np.mean((outputs - high) ** 2, axis=(1, 2, 3))).mean()
        return {
            "psnr": float(psnr),
            "frechet": float(kg.metrics.frechet_distance(real=real, fake=features(bytes_of(outputs)))),
        }

    return measure


class Results:
    """Results by name in a JSON file."""

    def __init__(self, path):
        self.path, self.known = path, {}
        if os.path.exists(path):
            with open(path) as file:
                self.known = json.load(file)

    def of(self, name, run):
        if name not in self.known:
            self.known[name] = run()
            with open(self.path, "w") as file:
                json.dump(self.known, file, indent=1)
        return json.loads(json.dumps(self.known[name]))


def ratios(plain, other, start):
    """Returns the L1 beside that of the plain model: at the end, and the largest after the start."""
    after = {int(step): other["course"][step] / plain["course"][step] for step in other["course"] if int(step) > start}
    return after[max(after)], max(after.values())


def settings(arguments, start):
    ours = {
        "start": start,
        "ramp": arguments.ramp,
        "pretrain": min(start, arguments.pretrain),
        "scale": arguments.scale,
    }
    by_hand = {"start": start, "ramp": 0, "pretrain": 0, "weight": arguments.weight}
    found = {"AdversarialLoss": {**ours, "game": arguments.game}, "by hand": {**by_hand, "game": arguments.game}}
    if arguments.without_control:
        del found["by hand"]
    return found


def part_start(train, judged, arguments, results, key):
    train, judged = smaller(train, 2), smaller(judged, 2)[:2000]
    every = arguments.steps // 12
    starts = [arguments.steps * share // 4 for share in (1, 2, 3)]
    table = {}
    for seed in arguments.seeds:

        def run(options, seed=seed):
            return trained(autoencoder, (train, train), seed, options, l1(judged), every, arguments)

        plain = results.of(f"start plain {seed} {key}", lambda: run(None))
        for start in starts:
            for name, options in settings(arguments, start).items():
                found = results.of(f"start {name} {options} {seed} {key}", lambda o=options: run(o))
                table.setdefault((name, start), []).append(ratios(plain, found, start))
                end, worst = table[name, start][-1]
                print(f"seed {seed}  {name:<15} from {start}: L1 x {end:.3f}, worst x {worst:.3f}", flush=True)
    print(f"\nL1 beside the model without a critic, {arguments.steps} steps, seeds {arguments.seeds}:")
    for (name, start), rows in table.items():
        ends, worst = (np.array(each) for each in zip(*rows, strict=True))
        print(
            f"{name:<15} from {start:<5} end {ends.mean():.3f} ({ends.min():.3f} to {ends.max():.3f})  "
            f"worst {worst.max():.3f}  above 1.05 at the end: {(ends > 1.05).sum()} of {len(ends)}"
        )


def part_sharp(train, judged, arguments, results, key):
    judged = judged[:5000]
    measure = sharpness(smaller(judged, 4), judged)
    for seed in arguments.seeds:
        for name, options in {"plain": None, **settings(arguments, arguments.steps // 4)}.items():
            if name == "by hand":
                continue

            def run(options=options, seed=seed):
                pairs = smaller(train, 4), train
                return trained(upscaler, pairs, seed, options, measure, arguments.steps // 2, arguments)

            found = results.of(f"sharp {name} {options} {seed} {key}", run)
            last = found["course"][max(found["course"], key=int)]
            print(
                f"seed {seed}  {name:<15} PSNR {last['psnr']:.2f}  Frechet distance {last['frechet']:.2f}", flush=True
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["start"], help="start (default), sharp")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=8, help="channels of model and critic, default 8")
    parser.add_argument("--game", default="hinge")
    parser.add_argument("--scale", type=float, default=0.3, help="of the adaptive weight, default 0.3")
    parser.add_argument("--ramp", type=int, default=100)
    parser.add_argument("--pretrain", type=int, default=50)
    parser.add_argument("--weight", type=float, default=0.1, help="the fixed weight of the control, default 0.1")
    parser.add_argument("--without-control", action="store_true", help="leave out what is written by hand")
    parser.add_argument("--held-out", action="store_true", help="judge on training images that are held out")
    parser.add_argument("--results", default="critic_as_loss.json", help="file of results, default here")
    arguments = parser.parse_args()
    images = images_of("train")
    train, judged = images[:-5000], images[-5000:] if arguments.held_out else images_of("test")
    key = f"{arguments.steps} {arguments.batch_size} {arguments.width} {arguments.held_out} {keras.backend.backend()}"
    results = Results(arguments.results)
    for part in arguments.parts:
        {"start": part_start, "sharp": part_sharp}[part](train, judged, arguments, results, key)


if __name__ == "__main__":
    main()
