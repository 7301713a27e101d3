"""What a trained model draws between pairs of images or latents."""

import numpy as np

from keras_gans.runs.loading import images_for


def between_images(model, data, pairs, steps, seed, renormalize):
    """Returns uint8 images (pairs, steps + 2, h, w, c): two real ones with the line of their encodings between them."""
    images, labels = images_for(model, data)
    rng = np.random.default_rng(seed)
    if len(images) < 2:
        raise ValueError(f"`--data` must hold at least two images. Received: {len(images)}.")
    first = rng.choice(len(images), pairs, replace=len(images) < pairs)
    second = np.empty_like(first)
    for i, index in enumerate(first):  # the ends of a line differ, and are of one class in a conditional model
        others = np.arange(len(images)) if labels is None else np.flatnonzero(labels == labels[index])
        others = others[others != index] if len(others) > 1 else others
        second[i] = rng.choice(others)
    lines = model.interpolate(
        images[first],
        images[second],
        steps=steps,
        labels=None if labels is None else labels[first],
        renormalize=renormalize,
    )
    return np.concatenate([images[first][:, None], lines, images[second][:, None]], axis=1)


def between_latents(model, pairs, steps, seed, renormalize):
    """Returns uint8 images (pairs, steps, h, w, c) on the lines between random latents.

    With `renormalize`, the norm of the points goes evenly from that of one end to that of the other.
    """
    latents = model.latents_for(2 * pairs, seed)
    ends = latents.reshape(2, pairs, 1, -1)
    weights = np.linspace(0.0, 1.0, steps)[None, :, None]
    points = (1 - weights) * ends[0] + weights * ends[1]  # (pairs, steps, latent_dim)
    if renormalize:
        norms = np.linalg.norm(ends, axis=-1, keepdims=True)
        points *= ((1 - weights) * norms[0] + weights * norms[1]) / np.linalg.norm(points, axis=-1, keepdims=True)
    labels = model.labels_for(pairs)
    labels = None if labels is None else np.repeat(labels, steps)
    images = model.decode(points.reshape(-1, *latents.shape[1:]).astype("float32"), labels)
    return images.reshape(pairs, steps, *images.shape[1:])
