#!/usr/bin/env python
"""Compares `model.fit` per step with a hand-written `tf.function` that does the same updates, interleaved.

Both train the same DCGAN (32x32x3, batch 64 by default) with the same optimisers on the same images; the two take
turns of a dozen steps each, and the medians are compared. TensorFlow only.

usage: python scripts/bench/step_overhead.py [--variant gan] [--turns 25] [--steps 12] [--width 64]
"""

import argparse
import statistics
import time

import keras_gans as kg

import keras
import numpy as np
import tensorflow as tf


def build(variant, width, steps_per_execution=1):
    keras.utils.set_random_seed(0)
    model = kg.create(variant, (32, 32, 3), latent_dim=128, network_options={"width": width})
    model.compile()
    return model


def handwritten_step(model, loss):
    """Returns the alternating update of a non-saturating GAN as one would write it by hand."""
    generator, discriminator = model.generator, model.discriminator
    d_optimizer, g_optimizer = model.optimizer.of("discriminator"), model.optimizer.of("generator")
    softplus = tf.math.softplus

    @tf.function
    def step(images):
        reals = tf.cast(images, "float32") / 127.5 - 1.0
        fakes = generator(tf.random.normal((tf.shape(reals)[0], 128)), training=True)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in discriminator.trainable_variables])
            real_logits, fake_logits = discriminator(reals, training=True), discriminator(fakes, training=True)
            d_loss = tf.reduce_mean(softplus(-real_logits)) + tf.reduce_mean(softplus(fake_logits))
        gradients = tape.gradient(d_loss, [v.value for v in discriminator.trainable_variables])
        d_optimizer.apply(gradients, discriminator.trainable_variables)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in generator.trainable_variables])
            fakes = generator(tf.random.normal((tf.shape(reals)[0], 128)), training=True)
            g_loss = tf.reduce_mean(softplus(-discriminator(fakes, training=True)))
        gradients = tape.gradient(g_loss, [v.value for v in generator.trainable_variables])
        g_optimizer.apply(gradients, generator.trainable_variables)
        return d_loss, g_loss

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=25, help="turns of each side, default 25")
    parser.add_argument("--steps", type=int, default=12, help="steps per turn, default 12")
    parser.add_argument("--width", type=int, default=64, help="width of the DCGAN, default 64")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()

    count = arguments.steps * arguments.batch_size
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype="uint8")
    model, by_hand = build("gan", arguments.width), build("gan", arguments.width)
    step = handwritten_step(by_hand, "non_saturating")
    clock = {}

    class Clock(keras.callbacks.Callback):
        """Takes the time of the steps alone: `fit` sets up once per call, a training once per run."""

        def on_epoch_begin(self, epoch, logs=None):
            clock["begin"] = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            fit_times.append((time.perf_counter() - clock["begin"]) / arguments.steps)
            batches = [
                images[i * arguments.batch_size : (i + 1) * arguments.batch_size] for i in range(arguments.steps)
            ]
            begin = time.perf_counter()
            for batch in batches:
                losses = step(tf.constant(batch))
            float(losses[0])
            hand_times.append((time.perf_counter() - begin) / arguments.steps)

    fit_times, hand_times = [], []
    model.fit(images, batch_size=arguments.batch_size, epochs=arguments.turns + 2, callbacks=[Clock()], verbose=0)
    ours, hand = statistics.median(fit_times[2:]), statistics.median(hand_times[2:])
    ratios = [a / b for a, b in zip(fit_times[2:], hand_times[2:], strict=True)]
    print(f"model.fit            {1000 * ours:8.2f} ms per step (median of {arguments.turns} turns)")
    print(f"hand-written step    {1000 * hand:8.2f} ms per step")
    print(
        f"overhead             {100 * (ours / hand - 1):8.2f} % of the medians, "
        f"{100 * (statistics.median(ratios) - 1):.2f} % median of the turns' ratios"
    )


if __name__ == "__main__":
    main()
