"""Sheets of pictures, and where they are written."""

import os

import numpy as np

from keras_gans import checks, pictures


def output(option, path, suffix):
    """Returns `path` once its ending is right and its folder, created where needed, can be written.

    Raises:
        ValueError: Another ending, or a folder that cannot be written; the sentence names both.
    """
    path = os.fspath(path)
    if not path.lower().endswith(suffix) or os.path.isdir(path):
        raise ValueError(f"`{option}` must be the name of a {suffix} file. Received: {path!r}.")
    checks.writable_folder(f"folder of {option}", os.path.dirname(path) or ".")
    return path


def side_by_side(first, second, pairs_per_row=4, scale=1, gap=6):
    """Returns one picture of pairs: each image of `first` with that of `second` on its right.

    Args:
        first, second: uint8 arrays (n, h, w, c).
        pairs_per_row: Pairs in a row.
        scale: Integer enlargement.
        gap: White pixels between pairs.
    """
    count, height, width, channels = first.shape
    pairs = np.full((count, height, 2 * width + 1, channels), 255, "uint8")
    pairs[:, :, :width], pairs[:, :, width + 1 :] = first, second
    return pictures.grid(pairs, columns=min(pairs_per_row, count), padding=gap, scale=scale)


def strips(images, scale=1):
    """Returns one picture of `images`, uint8 (n, steps, h, w, c): a row for each of the n lines."""
    count, steps = images.shape[:2]
    return pictures.grid(images.reshape(count * steps, *images.shape[2:]), columns=steps, scale=scale)


def back_and_forth(images, scale=1):
    """Returns the frames of an animation that walks all lines of `images`, (n, steps, h, w, c), there and back."""
    steps = images.shape[1]
    order = [*range(steps), *range(steps - 2, 0, -1)]
    return [pictures.grid(images[:, step], columns=len(images), scale=scale) for step in order]


def enlargement(image_shape):
    """Returns the integer scale at which images of this shape are drawn: 2 below 64 pixels, else 1."""
    return 2 if image_shape[0] < 64 else 1
