"""Readers of the files in which the well-known image sets are distributed; no pickle among them.

Every reader takes `(place, split)`, a file or folder and "train" or "test", and returns `(images, labels)` as the files
hold them, uint8 (n, h, w[, c]) and integers (n,), or None when there is nothing at that place. What is there but
missing a part, cut short or of another format raises a ValueError that names the file.
"""

import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

_IDX_UNSIGNED_BYTE = 0x08
_CIFAR10_RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue plane


def read_idx(path, dimensions):
    """The array in an idx file of unsigned bytes, the format of MNIST (gzip-compressed if `path` ends in .gz).

    The format: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a
    big-endian uint32, the values.

    Args:
        path: the file.
        dimensions: how many dimensions the array must have.

    Returns:
        uint8 array.

    Raises:
        ValueError: the file is damaged, cut short, too long, or not an idx file of unsigned bytes.
    """
    content = _decompressed(path, gzip.open if path.endswith(".gz") else open)
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise _damaged(path, f"it is cut short: {len(content)} bytes, its header alone has {header}")
    if content[:4] != bytes((0, 0, _IDX_UNSIGNED_BYTE, dimensions)):
        expected = bytes((0, 0, _IDX_UNSIGNED_BYTE, dimensions)).hex()
        raise _damaged(path, f"an idx file of this kind begins with {expected}, this one with {content[:4].hex()}")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected, found = int(np.prod(shape, dtype=object)), len(content) - header
    if found != expected:
        state = "cut short" if found < expected else "too long"
        raise _damaged(path, f"it is {state}: {found} bytes of values, {expected} expected for the shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()  # a view of bytes cannot be written


def idx_files(place, split):
    """The images and labels in the idx files of MNIST and Fashion-MNIST, under their usual names, gzipped or not."""
    prefix = {"train": "train", "test": "t10k"}[split]
    names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    paths = [_first_file(os.path.join(place, f"{name}.gz"), os.path.join(place, name)) for name in names]
    if paths == [None, None]:
        return None
    for name, path in zip(names, paths, strict=True):
        if path is None:
            raise ValueError(f"The folder {place!r} lacks the file '{name}.gz' (or '{name}').")
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    return images, _as_many(labels, images, paths[1])


def npz_file(place, split):
    """The arrays x_train, y_train, x_test, y_test of a .npz file, the form in which Keras keeps MNIST."""
    if not os.path.isfile(place):
        return None
    images, labels = _npz_arrays(_decompressed(place, open), place, (f"x_{split}", f"y_{split}"))
    if images.dtype != np.uint8:
        raise ValueError(f"The file {place!r} must hold images of uint8, 0 to 255. Received: dtype {images.dtype}.")
    return images, _as_many(labels.reshape(-1), images, place)


def cifar10_binary(place, split):
    """CIFAR-10 in its binary version, the folder `cifar-10-batches-bin`."""
    if not os.path.isdir(place):
        return None
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    batches = []
    for name in names:
        path = os.path.join(place, name)
        if not os.path.isfile(path):
            raise ValueError(f"The folder {place!r} lacks the file {name!r}.")
        content = _decompressed(path, open)
        if not content or len(content) % _CIFAR10_RECORD:
            raise _damaged(path, f"its {len(content)} bytes are not a whole number of {_CIFAR10_RECORD}-byte records")
        batches.append(np.frombuffer(content, np.uint8).reshape(-1, _CIFAR10_RECORD))
    records = np.concatenate(batches)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]


def cifar10_jpeg(place, split):
    """CIFAR-10 as one xz-compressed .npz per split, its images JPEG-recompressed.

    The arrays: `jpeg`, JPEG files one after the other (uint8); `offsets`, the n + 1 places where they begin and end;
    `labels` (n,). The images have been through JPEG once: a score measured on them is not comparable, to the digit,
    with one measured on the lossless set.
    """
    if not os.path.isfile(place):
        return None
    jpeg, offsets, labels = _npz_arrays(_decompressed(place, lzma.open), place, ("jpeg", "offsets", "labels"))
    jpeg, offsets = jpeg.tobytes(), offsets.astype(np.int64)
    ends = offsets[[0, -1]].tolist() if offsets.ndim == 1 and offsets.size else None
    if ends != [0, len(jpeg)] or (np.diff(offsets) < 0).any():
        raise _damaged(place, "its offsets do not cut its JPEG bytes into files")
    images = np.empty((len(offsets) - 1, 32, 32, 3), np.uint8)
    for i in range(len(images)):
        try:
            with Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]]), formats=("JPEG",)) as picture:
                if picture.size != (32, 32):  # 1x1 would be broadcast
                    raise ValueError(f"its size is {picture.size}")
                images[i] = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise _damaged(place, f"its image {i} is not a 32x32 JPEG ({error})") from error
    return images, _as_many(labels.reshape(-1), images, place)


def _first_file(*paths):
    return next((path for path in paths if os.path.isfile(path)), None)


def _decompressed(path, opener):
    try:
        with opener(path, "rb") as file:
            return file.read()
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, str(error)) from error


def _npz_arrays(content, path, names):
    try:
        # From memory: of a damaged file that it opened itself, `np.load` leaves the handle open.
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            present = sorted(archive)
            arrays = [archive[name] for name in names if name in present]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:  # ValueError: pickled objects
        raise _damaged(path, str(error)) from error
    if len(arrays) < len(names):
        missing = next(name for name in names if name not in present)
        raise _damaged(path, f"it lacks the array {missing!r}; it has {present}")
    return arrays


def _as_many(labels, images, path):
    if len(labels) != len(images):
        raise ValueError(f"The file {path!r} must hold one label per image: {len(images)}. Received: {len(labels)}.")
    return labels


def _damaged(path, reason):
    return ValueError(f"The file {path!r} cannot be read: {reason}.")
