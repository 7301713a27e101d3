#!/usr/bin/env python
"""What an invertible residual network reaches beside simple models: likelihoods, and accuracy as a classifier.

    moons        test log-likelihood (nats) of two moons, exact, beside mixtures of Gaussians of scikit-learn
    digits       bits per dimension of the 297 test digits, 8x8, of a run or a preset, beside a Gaussian of full
                 covariance and probabilistic PCA of the same training images with the same noise in their levels
    classifier   test accuracy on the digits, with the norms of all layers bounded and without any bound

usage: python scripts/comparisons/invertible_resnet.py moons|digits|classifier [--steps 3000] [--model RUN] [--seeds 3]
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gans as kg  # before Keras: it prepares the machine

import keras
import numpy as np
from sklearn.covariance import empirical_covariance
from sklearn.datasets import make_moons
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

NOISE, TRAIN, TEST = 0.1, 20_000, 5_000
COMPONENTS = (5, 10, 20)


def moons(arguments):
    train = make_moons(TRAIN, noise=NOISE, random_state=0)[0].astype("float32")
    test = make_moons(TEST, noise=NOISE, random_state=1)[0].astype("float32")
    for components in COMPONENTS:
        fits = [GaussianMixture(components, random_state=seed).fit(train).score(test) for seed in range(3)]
        print(f"mixture of {components} Gaussians, best of 3 fits: {max(fits):.4f} nats", flush=True)
    keras.utils.set_random_seed(0)
    model = kg.create("invertible_resnet", (2,), network="mlp", log_det="neumann", terms=10)
    steps = arguments.steps
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(optimizer=keras.optimizers.Adamax(schedule))
    epochs = -(-steps // -(-TRAIN // 512))
    model.fit(train, batch_size=512, epochs=epochs, verbose=2)
    found = model.log_likelihood(test, exact=True).nats
    print(f"invertible residual network: {found.mean():.4f} +- {found.std() / np.sqrt(TEST):.4f} nats (exact)")
    estimated = model.log_likelihood(test, terms=20)
    print(f"by one probe and {estimated.terms} terms: {estimated.nats.mean():.4f}, bound {estimated.bound:.1e}")
    print(f"largest error of the inverse: {model.inversion_error(test).max():.1e}")
    print(f"largest bound of a block: {max(row['bound'] for row in model.lipschitz_report()):.4f}")


def digits(arguments):
    train, _ = kg.data.load("digits", image_size=8)
    test, _ = kg.data.load("digits", split="test", image_size=8)
    rng = np.random.default_rng(0)

    def points(images, copies):
        images = np.repeat(images.reshape(len(images), -1), copies, axis=0).astype("float64")
        return (images + rng.random(images.shape)) / 256 - 0.5

    train_points, test_points = points(train, 20), points(test, 20)

    def bits(nats):
        return 8 - np.mean(nats) / (64 * np.log(2))

    mean, covariance = train_points.mean(0), empirical_covariance(train_points)
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    centred = test_points - mean
    distances = np.einsum("ij,ij->i", centred @ np.linalg.inv(covariance), centred)
    print(f"Gaussian, full covariance: {bits(-0.5 * (distances + log_det)):.3f} bits per dimension")
    scores = {rank: bits(PCA(rank).fit(train_points).score_samples(test_points)) for rank in (4, 8, 16, 32, 48)}
    print("probabilistic PCA: " + ", ".join(f"{value:.3f} (rank {rank})" for rank, value in scores.items()))
    model = kg.load(arguments.model)
    for name, images in (("training", train), ("test", test)):
        print(f"invertible residual network, {name} digits: {model.bits_per_dim(images).mean():.3f} bits per dimension")
    exact = model.bits_per_dim(test, exact=True).mean()
    likelihood = model.log_likelihood(test)
    print(f"exact on the test digits: {exact:.3f}")
    print(f"{likelihood.terms} terms are off by at most {likelihood.bound:.1e} nats")
    print(f"largest error of the inverse: {model.inversion_error(test).max():.1e}")
    print(f"largest bound of a block: {max(row['bound'] for row in model.lipschitz_report()):.4f}")


def unbounded(network):
    """Takes the bounds off a flow: its kernels are used as they are."""
    for block in network.blocks:
        for layer in block.maps:
            object.__setattr__(layer, "used_kernel", lambda training=False, layer=layer: layer.kernel + 0.0)


def classifier(arguments):
    images, labels = kg.data.load("digits", image_size=8)
    test, test_labels = kg.data.load("digits", split="test", image_size=8)
    options = {"width": 32, "depth": 3, "scales": 1, "power_iterations": 1}
    found = {True: [], False: []}
    for seed in range(arguments.seeds):
        for bounded in found:
            keras.utils.set_random_seed(seed)
            model = kg.create(
                "invertible_resnet",
                (8, 8, 1),
                num_classes=10,
                network="resnet",
                network_options=options,
                mode="classifier",
            )
            if not bounded:
                unbounded(model.network)
            steps = arguments.epochs * -(-len(images) // 64)
            schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps)
            model.compile(optimizer=keras.optimizers.Adamax(schedule))
            model.fit(images, labels, batch_size=64, epochs=arguments.epochs, verbose=0)
            found[bounded].append(100 * np.mean(model.classify(test) == test_labels))
            print(f"seed {seed}, {'bounded' if bounded else 'no bound'}: {found[bounded][-1]:.2f} %", flush=True)
    for bounded, values in found.items():
        name = "bounded" if bounded else "no bound"
        print(f"{name}: {np.mean(values):.2f} % of {len(test)} digits, {len(values)} seeds")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("moons", "digits", "classifier"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--model", default="runs/invertible_resnet_digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    {"moons": moons, "digits": digits, "classifier": classifier}[arguments.what](arguments)
