"""Pictures of pictures: grids, PNG and GIF files."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_gans.output.images import save_gif, save_png, to_pillow

__all__ = ["back_and_forth", "captioned", "enlargement", "grid", "save_gif", "save_png", "side_by_side", "strips"]
__all__ += ["to_pillow"]
LARGEST_PICTURE = 2**28  # pixels


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
    size = grid_size(len(images), images.shape[1:], columns, padding, scale)
    images = np.repeat(np.repeat(images, scale, axis=1), scale, axis=2)
    count, height, width, _ = images.shape
    columns = _columns(count, columns)
    canvas = np.full(size, 255, "uint8")
    for i, image in enumerate(images):
        top = padding + (i // columns) * (height + padding)
        left = padding + (i % columns) * (width + padding)
        canvas[top : top + height, left : left + width] = image
    return canvas


def _columns(count, columns):
    return min(columns or int(np.ceil(np.sqrt(count))), count)


def grid_size(count, image_shape, columns=None, padding=2, scale=1):
    """Returns the shape of the picture that `grid` makes.

    Raises:
        ValueError: It would have more than 2**28 pixels.
    """
    (height, width, channels), columns = image_shape, _columns(count, columns)
    rows = -(-count // columns)
    size = rows * (height * scale + padding) + padding, columns * (width * scale + padding) + padding, channels
    if size[0] * size[1] > LARGEST_PICTURE:
        raise ValueError(
            f"A picture must have at most {LARGEST_PICTURE:,} pixels. {count:,} images of {height}x{width}, enlarged "
            f"{scale:,} times, make {size[0]:,} x {size[1]:,}: take fewer of them, or a smaller scale."
        )
    return size


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


def strips(images, scale=1):
    """Returns one picture of `images`, uint8 (n, steps, h, w, c): a row for each of the n lines."""
    count, steps = images.shape[:2]
    return grid(images.reshape(count * steps, *images.shape[2:]), columns=steps, scale=scale)


def back_and_forth(images, scale=1):
    """Returns the frames of an animation that walks all lines of `images`, (n, steps, h, w, c), there and back."""
    steps = images.shape[1]
    order = [*range(steps), *range(steps - 2, 0, -1)]
    return [grid(images[:, step], columns=len(images), scale=scale) for step in order]


def captioned(picture, text):
    """Returns a picture with a line of text below it, on white.

    Args:
        picture: uint8 array (h, w, c), c = 1 or 3. It is made wider where the text needs it.
        text: One line.
    """
    font = ImageFont.load_default()
    right, bottom = (int(np.ceil(side)) for side in font.getbbox(text)[2:])
    height, width, channels = picture.shape
    canvas = np.full((height + bottom + 6, max(width, right + 6), channels), 255, "uint8")
    canvas[:height, :width] = picture
    line = Image.new("L", (right, bottom), 255)
    ImageDraw.Draw(line).text((0, 0), text, fill=0, font=font)
    canvas[height + 2 : height + 2 + bottom, 3 : 3 + right] = np.asarray(line)[..., None]
    return canvas


def enlargement(image_shape):
    """Returns the integer scale at which images of this shape are drawn: 2 below 64 pixels, else 1."""
    return 2 if image_shape[0] < 64 else 1
