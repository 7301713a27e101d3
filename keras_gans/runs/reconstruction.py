"""How far reconstructions are from their images, and what the mean image alone would reach."""

import numpy as np


def mean_of(images):
    """Returns the mean of uint8 images (n, h, w, c) as one float64 image, in 0..255."""
    total = np.zeros(images.shape[1:])
    for start in range(0, len(images), 1024):
        total += images[start : start + 1024].sum(axis=0, dtype="float64")
    return total / len(images)


def squared_error(images, others):
    """Returns the mean squared error per pixel of images in 0..255, in the units of [-1, 1]."""
    return float(np.mean(np.square((images.astype("float64") - others) / 127.5)))
