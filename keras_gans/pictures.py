"""Pictures of pictures: grids, PNG and GIF files."""

import os

import numpy as np
from PIL import Image

from keras_gans import files


def grid(images, columns=None, padding=2, scale=1):
    """Returns one picture of many.

    Args:
        images: uint8 array (n, h, w, c), c = 1 or 3.
        columns: Images per row, default about the square root of n.
        padding: Pixels between images.
        scale: Integer factor by which each image is enlarged.

    Returns:
        uint8 array (height, width, c) on white.
    """
    images = np.repeat(np.repeat(images, scale, axis=1), scale, axis=2)
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    size = (rows * (height + padding) + padding, columns * (width + padding) + padding, channels)
    canvas = np.full(size, 255, "uint8")
    for i, image in enumerate(images):
        top = padding + (i // columns) * (height + padding)
        left = padding + (i % columns) * (width + padding)
        canvas[top : top + height, left : left + width] = image
    return canvas


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
    return grid(pairs, columns=min(pairs_per_row, count), padding=gap, scale=scale)


def to_pillow(picture):
    """Returns a `PIL.Image` of a uint8 array (h, w, 1 or 3)."""
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def save_png(path, picture):
    """Writes a uint8 array (h, w, 1 or 3) as a PNG, atomically."""
    with files.replacing(path, suffix=".png") as temporary:
        to_pillow(picture).save(temporary, optimize=True)


def save_gif(path, pictures, seconds=0.25):
    """Writes PNG files or uint8 arrays of one size as an endless GIF, atomically; the last frame stays longer."""
    frames = [Image.open(p) if isinstance(p, (str, os.PathLike)) else to_pillow(p) for p in pictures]
    frames = [frame.convert("RGB").quantize(32, dither=Image.Dither.NONE) for frame in frames]  # a film, not a print
    durations = [int(seconds * 1000)] * (len(frames) - 1) + [2000]
    with files.replacing(path, suffix=".gif") as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=durations, loop=0)
