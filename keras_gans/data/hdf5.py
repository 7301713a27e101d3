"""Images in one HDF5 file: checked, mapped into memory, and read from any number of processes.

A file that `pack` writes holds

    images      uint8 (n, h, w, c), contiguous, so that it can be mapped
    labels      int64 (n,), where there are classes
    checksums   uint32, the CRC-32 of every block of 256 images; the last may be shorter
    attributes  format, block, settings (JSON: where the images came from), classes (JSON), labels_checksum
"""

import json
import os
import zlib

import h5py
import numpy as np

from keras_gans import checks
from keras_gans.data.arrays import height_and_width, to_channels, to_size
from keras_gans.data.image_folder import ImageFolder
from keras_gans.data.source import ImageSource
from keras_gans.output import files

FORMAT = "keras_gans images 1"
BLOCK = 256  # images per checksum
SUFFIXES = (".h5", ".hdf5")


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
        self.path = os.path.abspath(os.path.expanduser(_is_path(path)))
        self.verify = bool(verify)
        with _opened(self.path) as file:
            images = file.get("images")
            if not isinstance(images, h5py.Dataset) or images.dtype != np.uint8 or not _are_images(images.shape):
                found = f"{images.dtype} {images.shape}" if isinstance(images, h5py.Dataset) else "no such dataset"
                raise ValueError(
                    f"The file {self.path} must have a dataset `images` of uint8 (n, height, width, 1 or 3). It has "
                    f"{found}."
                )
            self.shape = images.shape
            self.labels = np.asarray(file["labels"], np.int64) if "labels" in file else None
            self.classes = json.loads(file.attrs["classes"]) if "classes" in file.attrs else None
            self.checksums = np.asarray(file["checksums"]) if "checksums" in file else None
            self.block = int(file.attrs.get("block", BLOCK))
            if self.verify and self.labels is not None and "labels_checksum" in file.attrs:
                if zlib.crc32(self.labels.tobytes()) != file.attrs["labels_checksum"]:
                    raise OSError(f"The file {self.path} is damaged: its labels do not match their checksum.")
        if self.labels is not None and self.labels.shape != self.shape[:1]:
            raise ValueError(
                f"The file {self.path} must have one label per image. It has {self.shape[0]} images and labels of "
                f"shape {self.labels.shape}."
            )
        self._opened_by = None

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
                self._rows = np.memmap(self.path, np.uint8, "r", offset, self.shape)
            self._checked = np.zeros(self.blocks(), bool)
            self._opened_by = os.getpid()
        return self._rows

    def __getstate__(self):
        return {**{k: v for k, v in self.__dict__.items() if k not in ("_rows", "_checked")}, "_opened_by": None}


def pack(folder, path, image_size=64, channels=3, crop=True, on_error="skip", overwrite=False, progress=None):
    """Writes the images of a folder into an HDF5 file; goes on where an interrupted call stopped.

    Until the file is whole it is called `path` + ".partial", beside which a small JSON file says how far it is.

    Args:
        folder, image_size, channels, crop, on_error: See `ImageFolder`; the labels are the first-level folders.
        path: The file to write, .h5 or .hdf5.
        overwrite: Whether a file that is there may be replaced.
        progress: Callable that is told `(files done, files in all)` after each block, or None.

    Returns:
        `(images, skipped)`: the `HDF5Images` written, and the sentences about files that could not be read.

    Raises:
        FileExistsError: `path` is there.
        ValueError, TypeError: Those of `ImageFolder`; a file that cannot be read, with `on_error="raise"`.
    """
    path = os.path.abspath(os.path.expanduser(_is_path(path)))
    if not path.endswith(SUFFIXES):
        raise ValueError(f"`path` must end in .h5 or .hdf5. {checks.received(path=path)}")
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(f"The file {path} exists. Give overwrite=True (--overwrite), or another name.")
    source = ImageFolder(folder, image_size, channels, on_error=on_error, crop=crop)
    names = [os.path.relpath(each, source.path) for each in source.paths]
    stamps = [
        (os.path.getsize(each), os.stat(each).st_mtime_ns) if os.path.exists(each) else 0 for each in source.paths
    ]
    settings = {
        "folder": source.path,
        "image_size": list(source.image_size),
        "channels": source.channels,
        "crop": source.crop,
        "files": len(names),
        "files_checksum": zlib.crc32(json.dumps([names, stamps]).encode()),
    }
    partial, state_path = f"{path}.partial", f"{path}.partial.json"
    state = _resumable(partial, state_path, settings)
    shape = (len(source), *source.image_size, source.channels)
    if state is None:
        _create(partial, shape, source, settings)
        state = {"settings": settings, "done": 0, "kept": 0, "skipped": []}
    images, labels = _mapped(partial)
    told = progress or (lambda done, total: None)
    for start in range(state["done"], len(source), BLOCK):
        stop, kept = min(start + BLOCK, len(source)), state["kept"]
        for index, (image, reason) in zip(range(start, stop), source.decoded(range(start, stop)), strict=True):
            if image is None:
                if on_error == "raise":
                    raise ValueError(f"The file {source.paths[index]!r} is broken: {reason}.")
                state["skipped"].append(f"{source.paths[index]}: {reason}")
                continue
            images[kept] = image
            if labels is not None:
                labels[kept] = source.labels[index]
            kept += 1
        for array in (images, labels):
            if array is not None:
                array.flush()
        state.update(done=stop, kept=kept)
        with files.replacing(state_path, suffix=".json") as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(state, file)
        told(stop, len(source))
    if state["kept"] == 0:
        raise ValueError(f"None of the {len(source)} image files in {source.path} can be read: {state['skipped'][0]}.")
    del images, labels
    if state["kept"] < len(source):
        _shorten(partial, state["kept"], source, settings)
    _write_checksums(partial)
    os.replace(partial, path)
    os.remove(state_path)
    return HDF5Images(path), state["skipped"]


def load(path, image_size=None, channels=None):
    """Returns `(images, labels)` of an HDF5 file, in another size or number of channels where that is asked for."""
    images, labels = HDF5Images(path).load()
    size = images.shape[1:3] if image_size is None else height_and_width("image_size", image_size)
    return to_channels(to_size(images, size), channels), labels


def _create(path, shape, source, settings):
    """Makes the file with room for everything, so that filling it changes nothing but pixels."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_layout(h5py.h5d.CONTIGUOUS)
    kinds = {"images": (shape, np.uint8), "checksums": ((-(-shape[0] // BLOCK),), np.uint32)}
    if source.labels is not None:
        kinds["labels"] = shape[:1], np.int64
    with h5py.File(path, "w") as file:
        for name, (size, dtype) in kinds.items():
            h5py.h5d.create(
                file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), h5py.h5s.create_simple(size), early
            )
        file.attrs["format"] = FORMAT
        file.attrs["block"] = BLOCK
        file.attrs["settings"] = json.dumps(settings)
        if source.classes is not None:
            file.attrs["classes"] = json.dumps(source.classes)


def _mapped(path):
    """Returns images and labels (or None) of a file that is being written, as arrays mapped into memory."""
    with h5py.File(path, "r") as file:
        found = {name: (file[name].id.get_offset(), file[name].shape, file[name].dtype) for name in file}

    def array(name):
        offset, shape, dtype = found[name]
        return np.memmap(path, dtype, "r+", offset, shape)

    return array("images"), array("labels") if "labels" in found else None


def _resumable(partial, state_path, settings):
    """Returns how far an interrupted call with the same settings came, or None."""
    try:
        with open(state_path, encoding="utf-8") as file:
            state = json.load(file)
    except (OSError, ValueError):
        return None
    return state if state.get("settings") == settings and os.path.exists(partial) else None


def _shorten(path, count, source, settings):
    """Writes the file again without the room of the images that could not be read."""
    images, labels = _mapped(path)
    with files.replacing(path, suffix=".h5") as temporary:
        _create(temporary, (count, *images.shape[1:]), source, settings)
        new_images, new_labels = _mapped(temporary)
        for start in range(0, count, BLOCK):
            new_images[start : start + BLOCK] = images[start : min(start + BLOCK, count)]
        if new_labels is not None:
            new_labels[:] = labels[:count]
        for array in (new_images, new_labels):
            if array is not None:
                array.flush()


def _write_checksums(path):
    images, labels = _mapped(path)
    sums = [zlib.crc32(images[start : start + BLOCK]) for start in range(0, len(images), BLOCK)]
    with h5py.File(path, "r+") as file:
        file["checksums"][:] = sums
        if labels is not None:
            file.attrs["labels_checksum"] = zlib.crc32(labels.tobytes())


def _is_path(path):
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
