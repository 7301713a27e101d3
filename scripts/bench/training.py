#!/usr/bin/env python
"""Times training steps of keras_gans beside those of others: equal networks, batch, optimiser and updates.

Every side is a process of its own; they take turns of a few steps, so that what else the machine does meets all of
them. A table gives the median time of a step, its range, images per second, the share of what the machine's matrix
product reaches for so many operations, and the peak memory of the process. The sides:

    ours            keras_gans: fit on the backend of --backend, alternating updates
    simultaneous    the same, with update="simultaneous" (gradient reuse; not with batch norm or hinge)
    auto            ours in the precision that `precision: auto` takes on this machine, where that is not float32
    keras           a keras.Model with a train_step as the tutorials of Keras write it, our networks (TensorFlow)
    pytorch         the step as one writes it in PyTorch, eager
    channels_last   the same by hand: channels_last, one optimiser call for all tensors, no fakes drawn twice in a graph
    compiled        the same, with torch.compile (minutes to compile on a CPU)
    torchgan        that package's own networks and train_ops (dcgan only)
    mimicry         that package's own networks and train_step (sngan only)

The last two are imported from --torchgan PATH and --mimicry PATH, checkouts of their repositories, or as installed.
TensorFlow and PyTorch may live in two environments: --torch-python names the interpreter of the second.

usage: python scripts/bench/training.py --network dcgan --torchgan ../torchgan --torch-python .venv-torch/bin/python
       python scripts/bench/training.py --network sngan --width 16 --mimicry ../mimicry --sides ours mimicry
       KERAS_BACKEND=jax python scripts/bench/training.py --network r3gan --sides ours pytorch compiled --device cuda
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

from training_pytorch import BETAS, LATENT_DIM, SIZE, Torch

NETWORKS = ("dcgan", "sngan", "r3gan", "ign")
OF_KERAS = ("ours", "simultaneous", "auto", "keras")
OF_TORCH = ("pytorch", "channels_last", "compiled", "torchgan", "mimicry")
SIDES = (*OF_KERAS, *OF_TORCH)
# Forward passes of generator and discriminator that a step is worth; gradients of weights and inputs are one each.
PASSES = {
    "alternating": (4, 8),
    "constant_ratio": (3, 6),
    "per_sample": (3, 6),
    "two_pullbacks": (3, 7),
    "r3gan": (4, 15),
}


class Keras:
    """Our model, or a step as the tutorials write it around the same networks."""

    def __init__(self, arguments, side):
        import keras_gans as kg  # first: it tells TensorFlow how to compute on this machine

        import keras
        import numpy as np

        if side == "auto":
            keras.config.set_dtype_policy(kg.machine.precision())
        self.precision = keras.config.dtype_policy().name
        variant = {"dcgan": "gan", "sngan": "gan"}.get(arguments.network, arguments.network)
        knobs = {"loss": "hinge"} if arguments.network == "sngan" else {}
        network = "resnet" if arguments.network == "sngan" else "dcgan"
        options = {"width": arguments.width}
        if arguments.network == "dcgan":
            options["discriminator"] = {"use_output_bias": False}
        keras.utils.set_random_seed(0)
        latent_dim = {} if variant == "ign" else {"latent_dim": LATENT_DIM}
        model = kg.create(variant, (SIZE, SIZE, 3), **latent_dim, network=network, network_options=options, **knobs)
        self.players = [getattr(model, name) for name in model.networks]
        count = arguments.batch_size * arguments.steps
        self.images = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), "uint8")
        if side == "keras":
            model = _tutorial(keras, model, BETAS[arguments.network])
            self.images = self.images.astype("float32") / 127.5 - 1.0
        else:
            update = {"update": "simultaneous"} if side == "simultaneous" else {}
            model.compile(**update)
            if variant == "ign":
                model.adapt(self.images)
        self.model, self.batch_size = model, arguments.batch_size
        passes = (
            kg.engine.simultaneous.form(model)
            if side == "simultaneous"
            else "r3gan"
            if variant == "r3gan"
            else "alternating"
        )
        operations = [_operations(player) for player in self.players]
        self.operations = (
            None if variant == "ign" else sum(a * b for a, b in zip(PASSES[passes], operations, strict=True))
        )
        self.clock = _clock(keras)

    def parameters(self):
        return [sum(math.prod(v.shape) for v in player.trainable_variables) for player in self.players]

    def turn(self):
        self.model.fit(self.images, batch_size=self.batch_size, verbose=0, callbacks=[self.clock])
        return self.clock.seconds


def _clock(keras):
    class Clock(keras.callbacks.Callback):
        """Takes the time of an epoch's steps: `fit` sets up once per call, a training once per run."""

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.begun

    return Clock()


def _operations(network):
    """Returns the multiplications and additions of a forward pass of one image in convolutions and dense layers."""
    import keras

    total = 0
    for layer in network._flatten_layers():
        layer_inputs = getattr(layer, "input", None)
        kernel = getattr(layer, "kernel", None)
        if kernel is None or layer_inputs is None or isinstance(layer_inputs, list):
            inner = getattr(layer, "layer", None)  # a wrapper such as spectral normalisation
            kernel = getattr(inner, "kernel", None)
            if kernel is None or layer_inputs is None:
                continue
        else:
            inner = layer
        places = (
            layer_inputs.shape[1:-1] if isinstance(inner, keras.layers.Conv2DTranspose) else layer.output.shape[1:-1]
        )
        total += 2 * math.prod(kernel.shape) * math.prod(places)
    return total


def _tutorial(keras, ours, betas):
    """Returns a GAN as the tutorials of Keras write it, around the networks of one of ours."""
    import tensorflow as tf

    class GAN(keras.Model):
        def __init__(self, generator, discriminator):
            super().__init__()
            self.generator, self.discriminator = generator, discriminator

        def compile(self, d_optimizer, g_optimizer, loss_fn):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

        def train_step(self, reals):
            rows = tf.shape(reals)[0]
            fakes = self.generator(tf.random.normal((rows, LATENT_DIM)), training=True)
            with tf.GradientTape() as tape:
                real_scores = self.discriminator(reals, training=True)
                fake_scores = self.discriminator(fakes, training=True)
                d_loss = self.loss_fn(tf.ones_like(real_scores), real_scores)
                d_loss += self.loss_fn(tf.zeros_like(fake_scores), fake_scores)
            gradients = tape.gradient(d_loss, self.discriminator.trainable_weights)
            self.d_optimizer.apply_gradients(zip(gradients, self.discriminator.trainable_weights, strict=True))
            with tf.GradientTape() as tape:
                fakes = self.generator(tf.random.normal((rows, LATENT_DIM)), training=True)
                scores = self.discriminator(fakes, training=True)
                g_loss = self.loss_fn(tf.ones_like(scores), scores)
            gradients = tape.gradient(g_loss, self.generator.trainable_weights)
            self.g_optimizer.apply_gradients(zip(gradients, self.generator.trainable_weights, strict=True))
            return {"d_loss": d_loss, "g_loss": g_loss}

    gan = GAN(ours.generator, ours.discriminator)
    optimizers = [keras.optimizers.Adam(2e-4, beta_1=betas[0], beta_2=betas[1]) for _ in range(2)]
    gan.compile(*optimizers, keras.losses.BinaryCrossentropy(from_logits=True))
    return gan


def serve(arguments):
    """Builds a side, tells its parameters, and takes a turn for every line that comes."""
    import resource

    side = (Keras if arguments.serve in OF_KERAS else Torch)(arguments, arguments.serve)
    said = {"parameters": side.parameters(), "precision": side.precision, "operations": side.operations}
    for _ in range(arguments.warm_up):
        side.turn()
    print(json.dumps(said), flush=True)
    for line in sys.stdin:
        if line.strip() == "product":
            print(json.dumps(_product(arguments.serve in OF_KERAS)), flush=True)
            continue
        seconds = side.turn() / arguments.steps
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


def _product(of_keras):
    """Returns the operations per second of a product of two float32 matrices of 2048 x 2048."""
    if of_keras:
        from keras import ops
    else:
        import torch as ops
    a = ops.ones((2048, 2048))
    best = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        float(ops.matmul(a, a)[0, 0])
        best = max(best, 2 * 2048**3 / (time.perf_counter() - begun))
    return best


class Side:
    """A process that takes turns."""

    def __init__(self, name, arguments):
        python = arguments.torch_python if name in OF_TORCH else sys.executable
        command = [python, os.path.abspath(__file__), "--serve", name, *sys.argv[1:]]
        self.name, self.seconds, self.peak = name, [], 0.0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"The side {self.name!r} ended; its error stands above.")
        return json.loads(line)

    def asked(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self._read()

    def turn(self):
        said = self.asked("go")
        self.seconds.append(said["seconds"])
        self.peak = said["peak"]

    def row(self, reference, batch_size, product):
        middle = statistics.median(self.seconds)
        times = f"{1e3 * middle:.0f} ({1e3 * min(self.seconds):.0f} to {1e3 * max(self.seconds):.0f})"
        share = ""
        if self.said["operations"] and self.said["precision"] == "float32":
            share = f"{100 * self.said['operations'] * batch_size / middle / product:.0f} %"
        ratio = statistics.median([b / a for a, b in zip(self.seconds, reference, strict=True)])
        cells = [self.name, self.said["precision"], times, f"{batch_size / middle:.0f}", f"{ratio:.2f}x", share]
        return f"| {' | '.join(cells)} | {self.peak:.2f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="dcgan", help="default dcgan, 32x32x3")
    parser.add_argument("--width", type=int, default=64, help="width of the networks, default 64")
    parser.add_argument("--batch-size", type=int, default=64, help="default 64")
    parser.add_argument("--sides", nargs="+", choices=SIDES, help="default: all that fit but `auto` and `compiled`")
    parser.add_argument("--turns", type=int, default=7, help="turns of each side, default 7")
    parser.add_argument("--steps", type=int, default=6, help="steps per turn, default 6")
    parser.add_argument("--warm-up", type=int, default=1, help="turns of each side that are not timed, default 1")
    parser.add_argument("--torchgan", metavar="PATH", help="a checkout of torchgan; default: as installed")
    parser.add_argument("--mimicry", metavar="PATH", help="a checkout of mimicry; default: as installed")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON", help="interpreter that has PyTorch")
    parser.add_argument("--device", default="cpu", help="of the PyTorch sides: cpu (default) or cuda")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments)
        return
    fitting = {
        "dcgan": ["ours", "simultaneous", "keras", "pytorch", "channels_last", "torchgan"],
        "sngan": ["ours", "simultaneous", "pytorch", "channels_last", "mimicry"],
        "r3gan": ["ours", "pytorch", "channels_last"],
        "ign": ["ours"],
    }[arguments.network]
    names = arguments.sides or fitting
    for name in names:
        if name not in (*fitting, "auto", "compiled") or (arguments.network == "ign" and name in OF_TORCH):
            parser.error(f"--sides: {arguments.network} has {', '.join(fitting)}. Received: {name}.")
    sides = [Side(name, arguments) for name in names]
    counts = {side.name: side.said["parameters"] for side in sides}
    if len({tuple(count) for count in counts.values()}) > 1:
        sys.exit(f"The networks differ in their numbers of parameters (generator, discriminator): {counts}.")
    product = max(side.asked("product") for side in sides)
    for _ in range(arguments.turns):
        for side in sides:
            side.turn()
    print(
        f"{arguments.network}, width {arguments.width}, batch {arguments.batch_size}, parameters {counts[names[0]]}; "
        f"matrix product {product / 1e9:.0f} GFLOP/s\n\n"
        "| side | precision | ms per step (range) | images/s | speed against the first | share of the product | GB |\n"
        "|---|---|---:|---:|---:|---:|---:|"
    )
    for side in sides:
        print(side.row(sides[0].seconds, arguments.batch_size, product))
        side.process.stdin.close()


if __name__ == "__main__":
    main()
