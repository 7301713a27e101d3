"""Arrays of uint8 images (n, h, w, c) brought to a size and to a number of channels."""

import numpy as np
from PIL import Image

from keras_gans import checks


def height_and_width(argument, value):
    """Returns `value`, one integer or (height, width), as two positive integers.

    Raises:
        TypeError: `value` is neither an integer nor a pair of integers.
        ValueError: a side is below 1.
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(
                f"`{argument}` must be an integer or (height, width). {checks.received(**{argument: value})}"
            )
        height, width = value
    else:
        height = width = value
    return tuple(checks.positive_integer(argument, side, maximum=checks.LARGEST_SIDE) for side in (height, width))


def resampling(source, target):
    """The Pillow filter from `source` to `target`, both (height, width): Lanczos to shrink, bicubic to enlarge.

    Pillow widens either filter when it shrinks, so nothing aliases. Enlarged four times, as the 8x8 digits are,
    Lanczos leaves visible rings around the strokes; bicubic does not.
    """
    enlarges = target[0] > source[0] or target[1] > source[1]
    return Image.Resampling.BICUBIC if enlarges else Image.Resampling.LANCZOS


def to_size(images, size, pad=False):
    """Images of another size, by resizing or by a border of zeros.

    Args:
        images: uint8 array (n, h, w, c), c being 1 or 3.
        size: one integer or (height, width), in pixels.
        pad: if True the images stay as they are, in the middle of a black frame (an odd pixel goes to the bottom
            and to the right); `size` must then be at least theirs. If False (default) they are resized by Pillow,
            Lanczos to shrink and bicubic to enlarge, each side on its own: the aspect ratio is not kept.

    Returns:
        uint8 array (n, height, width, c); `images` itself, not a copy, when it has that size.

    Raises:
        TypeError: `images` is not a uint8 array, or `size` is not made of integers.
        ValueError: `images` is not (n, h, w, 1 or 3), or `pad` is asked for a size below that of the images.

    Example:
        >>> to_size(np.zeros((5, 28, 28, 1), np.uint8), 32, pad=True).shape
        (5, 32, 32, 1)
    """
    height, width = target = height_and_width("size", size)
    _check_images(images)
    n, *source, channels = images.shape
    source = tuple(source)
    if source == target:
        return images
    if pad:
        if height < source[0] or width < source[1]:
            raise ValueError(
                f"`size` must be at least the size of the images, {source}, to pad them. Received: size={target}."
            )
        top, left = (height - source[0]) // 2, (width - source[1]) // 2
        resized = np.zeros((n, height, width, channels), np.uint8)
        resized[:, top : top + source[0], left : left + source[1]] = images
        return resized
    resized = np.empty((n, height, width, channels), np.uint8)
    resample = resampling(source, target)
    for i, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        resized[i] = np.asarray(picture.resize((width, height), resample)).reshape(height, width, channels)
    return resized


def to_channels(images, channels):
    """Images of 1 or 3 channels: gray is repeated, RGB becomes its luma (ITU-R 601-2, as Pillow does).

    Args:
        images: uint8 array (n, h, w, 1 or 3).
        channels: 1, 3, or None for as it is.

    Returns:
        uint8 array (n, h, w, channels).
    """
    _check_images(images)
    channels = images.shape[-1] if channels is None else int(checks.one_of("channels", channels, (1, 3)))
    if channels == images.shape[-1]:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    gray = np.empty((*images.shape[:-1], 1), np.uint8)
    for i, image in enumerate(images):
        gray[i, ..., 0] = np.asarray(Image.fromarray(image).convert("L"))
    return gray


def _check_images(images):
    dtype = getattr(images, "dtype", type(images).__name__)
    if dtype != np.uint8:
        raise TypeError(f"`images` must be an array of uint8, 0 to 255. Received: dtype {dtype}.")
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"`images` must be (n, height, width, 1 or 3). Received: shape {images.shape}.")
