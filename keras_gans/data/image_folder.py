"""A folder of pictures of any size and kind, as training images of one size."""

import collections
import concurrent.futures
import contextlib
import functools
import io
import operator
import os
import sys
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_gans import checks
from keras_gans.data.arrays import height_and_width, resampling
from keras_gans.data.source import ImageSource
from keras_gans.output.images import SUFFIXES

_HEIF = (".heic", ".heif")  # of phones; read where the package pillow-heif is installed

# Only these decoders look at the bytes: a PostScript file named .png must not reach Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "HEIF")
# Pictures and films that people keep in such folders and that are not read: they are counted, not left out in silence.
_UNREAD = (*_HEIF, ".jxl", ".svg", ".psd", ".eps", ".ico", ".tga", ".raw", ".cr2", ".nef", ".arw", ".dng")
_UNREAD += (".mp4", ".mov", ".avi", ".mkv", ".webm")
_HIDDEN = "hidden (their names begin with a dot)"
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102  # tags of EXIF and TIFF
_UPRIGHT = {  # EXIF orientation -> the operation that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BLOCK = 256  # images handed to the threads at a time: bounds what a stop or an error has to wait for
_SHOW_PROGRESS_FROM = 500  # images
_MOST_NAMED = 10  # broken files, one line each


class ImageFolder(ImageSource):
    """The images below a folder, in a fixed order, each decoded when it is asked for.

    Found are the files named .png .jpg .jpeg .jfif .bmp .gif .webp .tif .tiff .ppm .pgm .avif .jp2 in any case, and
    .heic .heif where pillow-heif is installed, at any depth, through symbolic links too; names that begin with a dot
    are passed over. They are in the order of their paths below the folder. A warning counts pictures of other kinds.

    A picture is turned upright by its EXIF orientation, composited on white where it is transparent, reduced to 8 bit
    (16-bit gray by its full range), converted to gray or RGB, resized and cropped. Of an animation the first frame is
    taken. JPEG files much larger than needed are decoded at a half, a quarter or an eighth of their size, never below
    twice `image_size`.

    Args:
        path: the folder.
        image_size: one integer or (height, width), in pixels. Default 64.
        channels: 3 for RGB (default), 1 for gray, None for those of the pictures: 1 if up to 256 of them, taken evenly,
            are all gray.
        labels: "folders" (default) labels an image by the first folder below `path` that it lies in; None does not.
        on_error: what a file that cannot be decoded does. "skip" (default) warns, naming the file and the reason, and
            goes on; "raise" raises a ValueError that names both.
        crop: if True (default) the shorter side is resized to fit and the middle is cut out; if False the whole picture
            is squeezed into `image_size`.

    Attributes:
        paths: list of absolute paths, one per file, broken ones included: decoding is what tells.
        names: after `load`, the path below the folder of each image of the array; before, None.
        classes: sorted names of the first-level folders with images, or None: no such folders, `labels=None`, or images
            beside these folders, which have no class (a warning says so).
        labels: int64 (n,), places in `classes`, or None.

    Raises:
        TypeError: `path` is not a path, or a size is not an integer.
        ValueError: `path` does not exist, is not a folder or has no images; a bad value of another argument.

    Example:
        >>> folder = ImageFolder("photos", image_size=64)
        >>> folder[0].shape, folder[0].dtype
        ((64, 64, 3), dtype('uint8'))
        >>> images, labels = folder.load()  # everything in memory
        >>> model.fit(folder.dataset(batch_size=64, workers=2), epochs=10)  # decoded while it trains
    """

    def __init__(self, path, image_size=64, channels=3, labels="folders", on_error="skip", crop=True):
        self.path = _existing_folder(path)
        self.image_size = height_and_width("image_size", image_size)
        known = checks.one_of("channels", channels, (1, 3, None))
        self.on_error = checks.one_of("on_error", on_error, ("skip", "raise"))
        self.crop = bool(crop)
        checks.one_of("labels", labels, ("folders", None))

        unread: collections.Counter = collections.Counter()
        found = sorted(_image_files(self.path, self.on_error, unread))
        passed_over = _passed_over(unread)
        if not found:
            raise ValueError(
                f"`path` must be a folder with images ({' '.join(SUFFIXES)}). Received: path={self.path!r}, in "
                f"which, and in the folders below which, there is none.{passed_over and ' ' + passed_over}"
            )
        if passed_over:
            _warn(passed_over)
        self.paths = [os.path.join(self.path, *parts) for parts in found]
        self.names = None
        if known is None:
            known = 1 if all(map(_is_gray, self.paths[:: -(-len(self.paths) // 256)])) else 3
        self.channels = int(known)
        self.classes, self.labels = _class_labels(self.path, found) if labels == "folders" else (None, None)

    def __len__(self):
        """The number of files, broken ones included."""
        return len(self.paths)

    def __getitem__(self, index):
        """The image at `index`.

        With `on_error="skip"` a broken file gives, with a warning, the next readable image of the same label in its
        place, so that the length and the labels hold and every process gets the same image.

        Args:
            index: integer, from the end if negative.

        Returns:
            uint8 array (height, width, channels), 0 to 255.

        Raises:
            IndexError: there is no such index.
            ValueError: the file is broken (`on_error="raise"`), or so are all files that could take its place.
        """
        index = range(len(self.paths))[operator.index(index)]
        image, reason = self._decode(index)
        if image is not None:
            return image
        if self.on_error == "raise":
            raise _broken(self.paths[index], reason)
        for other in (*range(index + 1, len(self.paths)), *range(index)):
            if self.labels is not None and self.labels[other] != self.labels[index]:
                continue
            image, _ = self._decode(other)
            if image is not None:
                _warn(f"Skipped {self.paths[index]!r}: {reason}. {self.paths[other]!r} takes its place.")
                return image
        raise ValueError(
            f"The file {self.paths[index]!r} is broken: {reason}. So are all others that could take its place."
        )

    def __repr__(self):
        classes = "" if self.classes is None else f", {len(self.classes)} classes"
        return f"<ImageFolder {self.path!r}: {len(self)} files{classes}>"

    def load(self, progress=True):
        """All images in one array of `n * height * width * channels` bytes, decoded in several threads.

        Args:
            progress: show a progress bar for 500 images or more, if the standard error is a terminal.

        Returns:
            `(images, labels)`: uint8 (n, height, width, channels), and int64 (n,) or None. Broken files are left out of
            both (`on_error="skip"`).

        Raises:
            ValueError: the array would not fit in the memory that is free; a file is broken (`on_error="raise"`); all
                files are broken.
        """
        shape = (len(self.paths), *self.image_size, self.channels)
        _check_memory(shape)
        images = np.empty(shape, np.uint8)
        kept, broken, first_reason = [], 0, None
        with _progress(progress, len(images)) as advance:
            for index, (image, reason) in enumerate(self.decoded(range(len(images)))):
                advance()
                if image is not None:
                    images[len(kept)] = image
                    kept.append(index)
                elif self.on_error == "raise":
                    raise _broken(self.paths[index], reason)
                else:
                    first_reason, broken = first_reason or reason, broken + 1
                    if broken <= _MOST_NAMED:
                        _warn(f"Skipped {self.paths[index]!r}: {reason}.")
        if broken > _MOST_NAMED:
            _warn(f"Skipped {broken - _MOST_NAMED:,} more files of {self.path!r} that cannot be read.")
        if not kept:
            raise ValueError(
                f"None of the {len(self)} image files in {self.path!r} can be read. The first is {self.paths[0]!r}: "
                f"{first_reason}."
            )
        self.names = [os.path.relpath(self.paths[index], self.path) for index in kept]
        return images[: len(kept)], None if self.labels is None else self.labels[kept]

    def decoded(self, indices):
        """Yields `(image, None)`, or `(None, reason)` for a broken file, for each of `indices`; several threads decode.

        Args:
            indices: range of places in `paths`.
        """
        with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(indices), _BLOCK):
                yield from pool.map(self._decode, indices[start : start + _BLOCK])

    def _decode(self, index):
        """(image, None), or (None, the reason why the file cannot be decoded)."""
        try:
            return _decoded(self.paths[index], self.image_size, self.channels, self.crop), None
        except UnidentifiedImageError:
            return None, "it is not an image in a known format"
        except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return None, (words or type(error).__name__).rstrip(".")


def _decoded(path, image_size, channels, crop):
    """The picture at `path` as a uint8 array (height, width, channels)."""
    height, width = image_size
    with open(path, "rb") as file:
        content = file.read()
    if not content:
        raise ValueError("the file is empty")
    with Image.open(io.BytesIO(content), formats=_formats()) as picture:
        if picture.format == "JPEG" and min(picture.size) > 2 * max(height, width):
            enough = 2 * max(height, width)  # square, for the picture may lie on its side
            picture.draft(None, (enough, enough))
        picture.load()
        # After `load`: a TIFF is upright by then, and its tag is gone.
        orientation = picture.getexif().get(_ORIENTATION)
        flat = _flat(picture, "L" if channels == 1 else "RGB")
    if orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[orientation])
    if flat.size != (width, height):
        box = _middle(flat.size, width, height) if crop else (0, 0, *flat.size)
        resample = resampling((box[3] - box[1], box[2] - box[0]), image_size)
        flat = flat.resize((width, height), resample, box=box)
    return np.asarray(flat).reshape(height, width, channels)


def _is_gray(path):
    """Whether the picture at `path`, of which the head is read, has no colours; True for a broken one."""
    try:
        with Image.open(path, formats=_formats()) as picture:
            return picture.mode in ("1", "L", "LA", "La", "I", "F") or picture.mode.startswith("I;")
    except Exception:  # decoding is what tells what is wrong with it
        return True


def _middle(size, width, height):
    """The largest box of the shape `width`:`height` in the middle of `size`: (left, top, right, bottom)."""
    # Multiplied first, then divided: a picture of that very shape gets itself as its box, with no rounding.
    box_width, box_height = min(size[0], size[1] * width / height), min(size[1], size[0] * height / width)
    left, top = (size[0] - box_width) / 2, (size[1] - box_height) / 2
    return left, top, left + box_width, top + box_height


def _flat(picture, mode):
    """The picture without transparency, in `mode` "L" or "RGB", 8 bit."""
    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is not known")
    if picture.mode.startswith("I"):
        return _eight_bit(picture).convert(mode)
    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture if picture.mode == mode else picture.convert(mode)


def _eight_bit(picture):
    """A 16-bit gray picture in 8 bit: 0..65535 (0..4095 in a 12-bit TIFF) to 0..255, rounded.

    Pillow's own conversion clips at 255, which turns most of such a picture white.
    """
    bits = getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
    top = 4095 if bits == 12 else 65535
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > top:
        raise ValueError(f"its pixels are {values.min()} to {values.max()}, not in 0 to {top}")
    return Image.fromarray(((values * 255 + top // 2) // top).astype(np.uint8))


def _existing_folder(path):
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"`path` must be the path of a folder. {checks.received(path=path)}")
    given = os.fspath(path)
    folder = os.path.abspath(os.path.expanduser(given))
    if not given or not os.path.isdir(folder):
        state = "is a file" if os.path.isfile(folder) else "does not exist"
        raise ValueError(f"`path` must be an existing folder. Received: path={given!r}, which {state}.")
    return folder


@functools.cache
def _reads_heif():
    """Returns whether pillow-heif is installed, and lets it read."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


@functools.cache
def _formats():
    """Returns those of `_FORMATS` that this Pillow has."""
    Image.init()
    _reads_heif()
    return [name for name in _FORMATS if name in Image.OPEN]


def _passed_over(unread):
    """Returns the sentence about files that are not read, by kind with what to do, or ""."""
    if not unread:
        return ""
    listed = [
        f"{count} {suffix}{' (pip install pillow-heif)' if suffix in _HEIF else ''}"
        for suffix, count in sorted(unread.items(), key=lambda item: (-item[1], item[0]))
    ]
    return f"Passed over {', '.join(listed)}: files of these kinds are not read."


def _image_files(folder, on_error, unread, below=(), above=()):
    """Yields the image files under `folder`, each as the tuple of names that leads to it.

    Args:
        folder: where to look.
        on_error: "skip" or "raise", for folders that cannot be read.
        unread: `collections.Counter` that is told the suffixes of pictures of other kinds.
        below: the names that lead to `folder`.
        above: (device, inode) of the folders around it: a link to one of them is a loop, and is not followed.
    """
    try:
        status = os.stat(folder)
        names = os.listdir(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        if on_error == "raise":
            raise ValueError(f"The folder {folder!r} cannot be read: {reason}.") from error
        _warn(f"Skipped the folder {folder!r}: {reason}.")
        return
    if (status.st_dev, status.st_ino) in above:
        return
    above = (*above, (status.st_dev, status.st_ino))
    for name in names:
        path = os.path.join(folder, name)
        if name.startswith("."):
            if name.lower().endswith(SUFFIXES) and not name.startswith("._"):  # a Mac's notes about another file
                unread[_HIDDEN] += 1
            continue
        if os.path.isdir(path):
            yield from _image_files(path, on_error, unread, (*below, name), above)
        # A link to nothing is kept, so that it is reported; pipes and sockets are no files.
        elif not os.path.isfile(path) and os.path.exists(path):
            continue
        elif name.lower().endswith(SUFFIXES) or (name.lower().endswith(_HEIF) and _reads_heif()):
            yield (*below, name)
        elif name.lower().endswith(_UNREAD):
            unread[os.path.splitext(name)[1].lower()] += 1


def _class_labels(folder, found):
    """(sorted names of the first-level folders, int64 (n,) places in it), or (None, None)."""
    loose = sum(len(parts) == 1 for parts in found)
    if loose == len(found):
        return None, None
    if loose:
        first = next(parts[0] for parts in found if len(parts) == 1)
        _warn(
            f"{loose} of the {len(found)} images lie beside the class folders in {folder!r}, the first is {first!r}: "
            "they have no class, and so no image gets a label. Move them into a class folder."
        )
        return None, None
    classes = sorted({parts[0] for parts in found})
    place = {name: label for label, name in enumerate(classes)}
    return classes, np.array([place[parts[0]] for parts in found], np.int64)


def _check_memory(shape):
    needed, free = int(np.prod(shape, dtype=object)), _free_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"The {shape[0]} images of shape {shape[1:]} need {needed / 2**30:.1f} GiB as one array, and "
            f"{free / 2**30:.1f} GiB of memory are free. Choose a smaller `image_size`, or read the images one by "
            "one, as `folder[i]`."
        )


def _free_memory():
    """Bytes of memory that can still be had, by Linux's own estimate and the container's limit; None if unknown."""
    free = []
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo") as file:
        free += [int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable")]
    with contextlib.suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max") as file:
        free.append(int(file.read()))  # "max", no limit, is no integer
    return min(free, default=None)


@contextlib.contextmanager
def _progress(wanted, total):
    """Gives a function to call after every image."""
    if not (wanted and total >= _SHOW_PROGRESS_FROM and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading images", total=total)
        yield lambda: bar.advance(task)


def _broken(path, reason):
    return ValueError(f"The file {path!r} is broken: {reason}.")


def _warn(sentence):
    warnings.warn(sentence, stacklevel=3)
