"""Sheets of pictures, and where they are written."""

import os

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
