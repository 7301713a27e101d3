"""PNG and GIF files, written atomically."""

import io
import os

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from keras_gans.output import files

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".jp2")


def to_pillow(picture):
    """Returns a `PIL.Image` of a uint8 array (h, w, 1 or 3)."""
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def save_png(path, picture, description=None):
    """Writes a uint8 array (h, w, 1 or 3) as a PNG, atomically.

    Args:
        path: The file.
        picture: The array.
        description: What it shows, for the text field `Description` of the file (`PIL.Image.open(path).text`); or None.
    """
    text, content = PngInfo(), io.BytesIO()
    if description is not None:
        text.add_text("Description", description)
    to_pillow(picture).save(content, "PNG", optimize=True, pnginfo=text)
    files.write(path, content.getbuffer())


def save_gif(path, pictures, seconds=0.25):
    """Writes PNG files or uint8 arrays as an endless GIF, atomically; the last frame stays longer.

    Frames that are smaller than others, as where a caption grows by a digit, are filled up with white.
    """
    frames = [Image.open(p) if isinstance(p, (str, os.PathLike)) else to_pillow(p) for p in pictures]
    size = max(frame.width for frame in frames), max(frame.height for frame in frames)
    frames = [_on_white(frame.convert("RGB"), size) for frame in frames]
    frames = [frame.quantize(32, dither=Image.Dither.NONE) for frame in frames]  # a film, not a print
    durations = [int(seconds * 1000)] * (len(frames) - 1) + [2000]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    files.write(path, content.getbuffer())


def _on_white(picture, size):
    if picture.size == size:
        return picture
    canvas = Image.new("RGB", size, "white")
    canvas.paste(picture, (0, 0))
    return canvas
