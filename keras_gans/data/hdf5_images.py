"""Images in one HDF5 file: checked, mapped into memory, and read from any number of processes.

A file that `keras_gans.data.pack` writes holds

    images      uint8 (n, h, w, c), contiguous, so that it can be mapped
    labels      int64 (n,), where there are classes
    checksums   uint32, the CRC-32 of every block of 256 images; the last may be shorter
    attributes  format, block, settings (JSON: where the images came from), classes (JSON), labels_checksum

Of a file from elsewhere nothing is believed: it reads no other file, declares no more than it stores, and what it says
of its images fits them.
"""

import json
import mmap
import os
import zlib

import h5py
import numpy as np

from keras_gans import checks
from keras_gans.data.source import ImageSource
from keras_gans.output import files

BLOCK = 256  # images per checksum
LARGEST_LABEL = 2**16  # or the number of images: a conditional model has a class for every label up to the largest


class HDF5Images(ImageSource):
    """The images of an HDF5 file, read when they are asked for.

    The file is opened on first use in each process, so that the object can be sent to other processes. A file written
    by `keras-gans data pack` is mapped into memory, and each block of 256 images is checked against its checksum when
    it is first touched. Any other file with a uint8 dataset `images` (n, h, w, 1 or 3), and perhaps `labels` (n,), is
    read as it is.

    Args:
        path: The file.
        verify: Whether blocks are checked. Default True.

    Attributes:
        shape: (n, h, w, c).
        labels: int64 (n,), or None.
        classes: Names of the classes, or None.

    Raises:
        FileNotFoundError, OSError: There is no such file; it is damaged, or no HDF5 file.
        ValueError: It has no dataset `images` of this kind.

    Example:

    >>> images = HDF5Images("photos.h5")
    >>> model.fit(images.dataset(batch_size=64, workers=2), epochs=10)
    """

    def __init__(self, path, verify=True):
        self.path = os.path.abspath(os.path.expanduser(is_path(path)))
        self.verify = bool(verify)
        self._opened_by = None
        with _opened(self.path) as file:
            try:
                self._read(file)
            except Exception as error:  # HDF5 raises nearly anything for a damaged file
                if self.path in str(error):
                    raise
                raise _damaged(self.path, str(error)) from error

    def _read(self, file):
        images = _dataset(file, "images", self.path)
        if images is None or images.dtype != np.uint8 or not _are_images(images.shape):
            found = "no such dataset" if images is None else f"{images.dtype} {images.shape}"
            raise ValueError(
                f"The file {self.path} must have a dataset `images` of uint8 (n, height, width, 1 or 3). It has "
                f"{found}."
            )
        self.shape = images.shape
        self.block = file.attrs.get("block", BLOCK)
        if not isinstance(self.block, (int, np.integer)) or not 0 < self.block < 2**31:
            raise _damaged(self.path, f"its attribute `block` must be a positive integer, and is {self.block!r:.60}")
        self.block = int(self.block)
        checksums = _dataset(file, "checksums", self.path)
        if checksums is not None and (checksums.shape != (self.blocks(),) or checksums.dtype.kind not in "iu"):
            raise _damaged(
                self.path,
                f"its {self.blocks()} blocks need as many checksums; it has {checksums.dtype} {checksums.shape}",
            )
        self.checksums = None if checksums is None else checksums[()]
        self.labels = self._read_labels(file)
        self.classes = self._read_classes(file)

    def _read_labels(self, file):
        """Returns the labels, int64 (n,), or None."""
        labels = _dataset(file, "labels", self.path)
        if labels is None:
            return None
        if labels.shape != self.shape[:1]:
            raise ValueError(
                f"The file {self.path} must have one label per image. It has {self.shape[0]} images and labels of "
                f"shape {labels.shape}."
            )
        if labels.dtype.kind not in "iu":
            raise ValueError(f"The file {self.path} must have integer labels. It has labels of {labels.dtype}.")
        values = labels[()]
        if self.verify and "labels_checksum" in file.attrs:
            if zlib.crc32(values.astype(np.int64).tobytes()) != file.attrs["labels_checksum"]:
                raise _damaged(self.path, "its labels do not match their checksum")
        largest = max(LARGEST_LABEL, len(values))
        outside = (values < 0) | (values >= largest)
        if outside.any():
            first = int(outside.argmax())
            raise ValueError(
                f"The file {self.path} must have labels in 0..{largest - 1:,}, numbers of classes from 0. It has "
                f"labels[{first}]={int(values[first])}."
            )
        return values.astype(np.int64)

    def _read_classes(self, file):
        """Returns the names of the classes, or None."""
        if "classes" not in file.attrs:
            return None
        try:
            classes = json.loads(file.attrs["classes"])
        except (ValueError, TypeError, RecursionError):
            classes = None
        named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
        if not named or (self.labels is not None and self.labels.max() >= len(classes)):
            raise _damaged(self.path, "its attribute `classes` must be a JSON list with a name for each of its labels")
        return classes

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        return f"<HDF5Images {self.path!r}: {len(self)} images of {'x'.join(map(str, self.shape[1:]))}>"

    def __getitem__(self, index):
        """Returns the image at `index`, uint8 (h, w, c).

        Raises:
            IndexError: There is no such index.
            OSError: The block or chunk in which it lies is damaged; the sentence names file and images.
        """
        index = range(len(self))[index]
        images = self._images()
        if self.verify and self.checksums is not None and not self._checked[index // self.block]:
            self.check_block(index // self.block)
        try:
            return np.array(images[index])
        except OSError as error:
            if self.path in str(error):
                raise
            rows = (images.chunks or (1,))[0] if hasattr(images, "chunks") else 1
            first = index // rows * rows
            raise OSError(
                f"The file {self.path} is damaged: the chunk with the images {first} to {first + rows - 1} cannot be "
                f"read ({error})."
            ) from error

    def blocks(self):
        """Returns the number of blocks with a checksum each."""
        return -(-len(self) // self.block)

    def check_block(self, block):
        """Raises `OSError` if the images of a block are not those that were written."""
        first, last = block * self.block, min((block + 1) * self.block, len(self))
        if zlib.crc32(np.ascontiguousarray(self._images()[first:last])) != self.checksums[block]:
            raise OSError(
                f"The file {self.path} is damaged: chunk {block} of {self.blocks()}, the images {first} to {last - 1}, "
                "does not match its checksum."
            )
        self._checked[block] = True

    def load(self):
        """Returns `(images, labels)`: uint8 (n, h, w, c), mapped from the file where possible, and int64 (n,) or None.

        Every block is checked first.
        """
        images = self._images()
        if self.verify and self.checksums is not None:
            for block in range(self.blocks()):
                self.check_block(block)
        return (images if isinstance(images, np.ndarray) else images[:]), self.labels

    def _images(self):
        """Returns the images as an array mapped into memory, or the dataset of a file that cannot be mapped."""
        if self._opened_by != os.getpid():
            with _opened(self.path) as file:
                offset = file["images"].id.get_offset()
            if offset is None:
                self._rows = h5py.File(self.path, "r")["images"]
            else:
                self._rows = Mapped(self.path, np.uint8, "r", offset, self.shape)
            self._checked = np.zeros(self.blocks(), bool)
            self._opened_by = os.getpid()
        return self._rows

    def __getstate__(self):
        return {**{k: v for k, v in self.__dict__.items() if k not in ("_rows", "_checked")}, "_opened_by": None}


class Mapped(np.memmap):
    """A file mapped into memory that says so where the file has been cut short: touching what is gone is a SIGBUS."""

    def __getitem__(self, key):
        if self._mmap is not None and self._mmap.size() < len(self._mmap) + self._mmap_start():
            raise _damaged(self.filename, "it has been cut short since it was opened")
        found = super().__getitem__(key)
        return np.asarray(found) if isinstance(found, Mapped) and found._mmap is None else found

    def _mmap_start(self):
        return self.offset - self.offset % mmap.ALLOCATIONGRANULARITY


def is_path(path):
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise TypeError(f"`path` must be the path of an HDF5 file. {checks.received(path=path)}")
    return os.fspath(path)


def _are_images(shape):
    return len(shape) == 4 and shape[0] > 0 and shape[-1] in (1, 3)


def _opened(path):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no HDF5 file {path}.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise OSError(f"The file {path} is damaged (cut short), or no HDF5 file: {error}.") from error


def _dataset(file, name, path):
    """Returns the dataset `name` in the root of an HDF5 file, or None; refuses one that reads other files."""
    link = file.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"The file {path} must hold its `{name}` itself. It has a {type(link).__name__}.")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        return None
    try:
        files.refuse_foreign(dataset)
    except ValueError as error:
        raise ValueError(f"The file {path} must hold its `{name}` itself: {error}.") from None
    return dataset


def _damaged(path, reason):
    return OSError(f"The file {path} is damaged: {reason}.")
