#!/usr/bin/env python
"""Compares the weight that `suggest_penalty` gives with a sweep of weights of R1, on four data sets.

On each data set a GAN (non-saturating, MLPs, Adam with betas (0, 0.9)) is trained with the suggested weight and with
seven others, 1e-3 to 1e3; the distance is the energy distance of 1,000 samples to 1,000 of the data, the median of
seeds. The suggestion is good where it is within 1.2 times the best of the sweep.

usage: python scripts/bench/suggest_penalty.py [--data ring grid digits fashion_mnist] [--steps 2000] [--seeds 1]
"""

import argparse
import statistics
import time

import keras_gans as kg

import keras
import numpy as np
import toy_modes
from scipy.spatial.distance import cdist

WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


def load(name):
    """Returns points (n, 2) or images (n, h, w, 1)."""
    if name in toy_modes.MIXTURES:
        return toy_modes.sample(*toy_modes.MIXTURES[name], 20_000, seed=0)
    return kg.data.load(name)[0][:20_000]


def build(data, weight, seed):
    """Returns a compiled GAN with R1 of this weight."""
    keras.utils.set_random_seed(seed)
    points = data.ndim == 2
    options = {"width": 128, "depth": 3 if points else 2}
    latent_dim = 2 if points else 32
    penalties = [kg.penalties.R1(weight)]
    shape = tuple(data.shape[1:])
    model = kg.create("gan", shape, latent_dim, network="mlp", network_options=options, penalties=penalties)
    rate = 1e-3 if points else 3e-4
    model.compile(**{f"{p}_optimizer": keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.9) for p in model.players})
    return model


def energy_distance(first, second):
    """Returns the energy distance of two samples (n, ...), images as floats in [-1, 1]."""
    first, second = (x.reshape(len(x), -1).astype("float64") for x in (first, second))
    if first.shape[1] > 2:
        first, second = first / 127.5 - 1, second / 127.5 - 1
    means = cdist(first, second).mean(), cdist(first, first).mean(), cdist(second, second).mean()
    return max(0.0, 2 * means[0] - means[1] - means[2]) ** 0.5


def distance(data, weight, steps, batch_size, seeds):
    """Returns the median distance of models trained with this weight; infinite where training diverged."""
    found = []
    for seed in range(seeds):
        model = build(data, weight, seed)
        model.fit(data, batch_size=batch_size, steps_per_epoch=steps, verbose=0)
        reals = data[np.random.default_rng(5).permutation(len(data))[:1000]]
        try:
            found.append(energy_distance(model.generate(len(reals), seed=1), reals))
        except ValueError:  # the images are not finite
            found.append(float("inf"))
    return statistics.median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["ring", "grid", "digits", "fashion_mnist"])
    parser.add_argument("--steps", type=int, default=2000, help="train steps per model, default 2000")
    parser.add_argument("--seeds", type=int, default=1, help="models per weight, default 1")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--weights", nargs="+", type=float, default=WEIGHTS)
    arguments = parser.parse_args()
    good = []
    for name in arguments.data:
        data, begun = load(name), time.process_time()
        advice = kg.analysis.suggest_penalty(build(data, 0.0, 0), data, batch_size=arguments.batch_size, verbose=False)
        print(f"{name}: R1 {advice.r1:.3g} suggested in {time.process_time() - begun:.0f} CPU seconds", flush=True)
        training = arguments.steps, arguments.batch_size, arguments.seeds
        found = {weight: distance(data, weight, *training) for weight in arguments.weights}
        suggested = distance(data, advice.r1, *training)
        for weight, value in found.items():
            print(f"    {weight:8g}  {value:.4f}", flush=True)
        ratio = suggested / min(found.values())
        good.append(ratio <= 1.2)
        print(f"    suggested {suggested:.4f}, {ratio:.2f} times the best of the sweep", flush=True)
    print(f"within 1.2 times the best on {sum(good)} of {len(good)} data sets")


if __name__ == "__main__":
    main()
