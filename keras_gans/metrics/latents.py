"""What the latent space of a model is like: whether it is encoded again, and whether paths through it are smooth."""

import typing

import numpy as np

from keras_gans import checks


class Smoothness(typing.NamedTuple):
    """`evenness`: longest step over mean step, at least 1; `detour`: length of the path over its span, at least 1."""

    evenness: float
    detour: float


def latent_correlation(model, samples=512, seed=0):
    """Returns the mean correlation of latents with what the encoder makes of their images: 1 is a perfect inverse.

    Args:
        model: A model with `generate`'s latents and `encode`.
        samples: Number of latents, default 512.
        seed: Integer that fixes them.

    Reference: Su, 2019, arXiv:1903.01931, the quantity that O-GAN trains.
    """
    samples = checks.positive_integer("samples", samples, minimum=2)
    if not hasattr(model, "encode"):
        raise ValueError(f"`model` must have an encoder. Received: a {type(model).__name__}.")
    latents, labels = np.asarray(model.latents_for(samples, seed)), model.labels_for(samples, None)
    images = model.decode(latents, labels)
    encodings = np.asarray(model.encode(images) if labels is None else model.encode(images, labels))
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (latents, encodings))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(np.mean(np.sum(first * second, axis=1) / norms))


def interpolation_smoothness(model, features, pairs=64, steps=16, seed=0):
    """Returns how evenly and how directly straight lines between latents move through feature space.

    Both numbers are ours: they compare models under one feature network, and are not published scores.

    Args:
        model: A model that makes images from latents.
        features: A feature network, called on uint8 images.
        pairs: Number of lines, default 64.
        steps: Steps per line, default 16.
        seed: Integer that fixes the ends.

    Returns:
        A `Smoothness`, means over the lines.
    """
    pairs = checks.positive_integer("pairs", pairs)
    steps = checks.positive_integer("steps", steps, minimum=2)
    ends = np.asarray(model.latents_for(2 * pairs, seed)).reshape(2, pairs, -1)
    shares = np.linspace(0, 1, steps + 1)[:, None, None]
    latents = ((1 - shares) * ends[0] + shares * ends[1]).astype(np.float32)  # (steps + 1, pairs, d)
    labels = model.labels_for(pairs, None)
    found = np.stack([np.asarray(features(model.decode(row, labels)), np.float64) for row in latents])
    lengths = np.linalg.norm(np.diff(found, axis=0), axis=-1)  # (steps, pairs)
    span = np.linalg.norm(found[-1] - found[0], axis=-1)
    tiny = np.finfo(float).tiny
    return Smoothness(
        evenness=float(np.mean(lengths.max(axis=0) / np.maximum(lengths.mean(axis=0), tiny))),
        detour=float(np.mean(lengths.sum(axis=0) / np.maximum(span, tiny))),
    )
