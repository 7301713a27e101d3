"""A folder of pictures packed into one HDF5 file, and such a file as arrays.

Packing writes with plain calls and asks for the room first: HDF5, and a file mapped into memory, end the process where
the disk is full.
"""

import contextlib
import json
import os
import shutil
import zlib

import h5py
import numpy as np

from keras_gans import checks
from keras_gans.data.arrays import height_and_width, to_channels, to_size
from keras_gans.data.hdf5_images import BLOCK, HDF5Images, is_path
from keras_gans.data.image_folder import ImageFolder
from keras_gans.output import files, locks

FORMAT = "keras_gans images 1"
SUFFIXES = (".h5", ".hdf5")
ROOM = 2**16  # bytes of a packed file beside its arrays, more than enough but for very many classes


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
        OSError: There is not enough room for the file, or another process packs into it.
    """
    path = os.path.abspath(os.path.expanduser(is_path(path)))
    if not path.endswith(SUFFIXES):
        raise ValueError(f"`path` must end in .h5 or .hdf5. {checks.received(path=path)}")
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(f"The file {path} exists. Give overwrite=True (--overwrite), or another name.")
    checks.writable_folder("folder of path", os.path.dirname(path))
    try:
        with files.naming(path), locks.held(f"{path}.partial.lock"):
            return _pack(folder, path, image_size, channels, crop, on_error, progress or (lambda done, total: None))
    except locks.Held as error:
        raise OSError(f"Process {error.owner or '(unknown)'} is packing images into {path}.") from None


def _pack(folder, path, image_size, channels, crop, on_error, told):
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
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
        _create(partial, shape, source, settings)
        state = {"settings": settings, "done": 0, "kept": 0, "skipped": []}
    with _Arrays(partial) as arrays:
        for start in range(state["done"], len(source), BLOCK):
            stop = min(start + BLOCK, len(source))
            rows, labels = [], []
            for index, (image, reason) in zip(range(start, stop), source.decoded(range(start, stop)), strict=True):
                if image is not None:
                    rows.append(image)
                    labels.append(0 if source.labels is None else source.labels[index])
                elif on_error == "raise":
                    raise ValueError(f"The file {source.paths[index]!r} is broken: {reason}.")
                else:
                    state["skipped"].append(f"{source.paths[index]}: {reason}")
            arrays.write(state["kept"], rows, labels)
            state.update(done=stop, kept=state["kept"] + len(rows))
            files.write_json(state_path, state)
            told(stop, len(source))
        if state["kept"] == 0:
            raise ValueError(
                f"None of the {len(source)} image files in {source.path} can be read: {state['skipped'][0]}."
            )
        if state["kept"] < len(source):
            _shorten(arrays, partial, state["kept"], source, settings)
    _finish(partial)
    os.replace(partial, path)
    os.remove(state_path)
    return HDF5Images(path), state["skipped"]


def load(path, image_size=None, channels=None):
    """Returns `(images, labels)` of an HDF5 file, in another size or number of channels where that is asked for."""
    images, labels = HDF5Images(path).load()
    size = images.shape[1:3] if image_size is None else height_and_width("image_size", image_size)
    return to_channels(to_size(images, size), channels), labels


class _Arrays:
    """The arrays of a file that is being packed, read and written with plain calls."""

    def __init__(self, path):
        with h5py.File(path, "r", locking=False) as file:
            self.places = {name: (file[name].id.get_offset(), file[name].shape, file[name].dtype) for name in file}
        self.file = open(path, "r+b")  # noqa: SIM115 - closed by __exit__

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()

    def put(self, name, start, rows):
        """Writes rows of an array from row `start` on."""
        offset, shape, dtype = self.places[name]
        rows = np.ascontiguousarray(rows, dtype)
        self.file.seek(offset + start * dtype.itemsize * int(np.prod(shape[1:])))
        self.file.write(rows.data)

    def get(self, name, start, stop):
        """Returns the rows start..stop of an array."""
        offset, shape, dtype = self.places[name]
        row = dtype.itemsize * int(np.prod(shape[1:]))
        stop = min(stop, shape[0])
        self.file.seek(offset + start * row)
        return np.frombuffer(self.file.read((stop - start) * row), dtype).reshape(stop - start, *shape[1:])

    def write(self, start, images, labels):
        """Writes images and their labels from row `start` on, through to the disk."""
        if len(images):
            self.put("images", start, images)
            if "labels" in self.places:
                self.put("labels", start, labels)
        self.flush()

    def flush(self):
        self.file.flush()
        os.fsync(self.file.fileno())


def _create(path, shape, source, settings):
    """Makes the file with room for everything, so that filling it changes nothing but pixels."""
    kinds = {"images": (shape, np.uint8), "checksums": ((-(-shape[0] // BLOCK),), np.uint32)}
    if source.labels is not None:
        kinds["labels"] = shape[:1], np.int64
    attributes = {"format": FORMAT, "block": BLOCK, "settings": json.dumps(settings)}
    if source.classes is not None:
        attributes["classes"] = json.dumps(source.classes)
    if source.labels is not None:
        attributes["labels_checksum"] = np.int64(0)
    needed = sum(int(np.prod(size)) * np.dtype(dtype).itemsize for size, dtype in kinds.values())
    needed += ROOM + sum(len(str(value)) for value in attributes.values())
    free = shutil.disk_usage(os.path.dirname(path)).free
    if needed > free:
        whole, folder = path.removesuffix(".partial"), os.path.dirname(path)
        raise OSError(f"The file {whole} needs {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free in {folder}.")
    files.require_space(path, needed)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    early.set_layout(h5py.h5d.CONTIGUOUS)
    with h5py.File(path, "w", locking=False) as file:
        for name, (size, dtype) in kinds.items():
            h5py.h5d.create(
                file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), h5py.h5s.create_simple(size), early
            )
        for name, value in attributes.items():
            file.attrs[name] = value
    with open(path, "r+b") as file:
        files.reserve(file, os.path.getsize(path))


def _resumable(partial, state_path, settings):
    """Returns how far an interrupted call with the same settings came, or None."""
    try:
        with open(state_path, encoding="utf-8") as file:
            state = json.load(file)
        done, kept = state["done"], state["kept"]
        if state["settings"] != settings or not 0 <= kept <= done <= settings["files"]:
            return None
        with _Arrays(partial) as arrays:  # its place for the last image is there
            offset, shape, _ = arrays.places["images"]
            whole = shape[0] == settings["files"] and os.path.getsize(partial) >= offset + int(np.prod(shape))
        return state if whole and isinstance(state["skipped"], list) else None
    except (OSError, ValueError, LookupError, TypeError, RuntimeError):
        return None


def _shorten(arrays, path, count, source, settings):
    """Writes the file again without the room of the images that could not be read."""
    _, shape, _ = arrays.places["images"]
    with files.replacing(path, suffix=".h5") as temporary:
        _create(temporary, (count, *shape[1:]), source, settings)
        with _Arrays(temporary) as shorter:
            for start in range(0, count, BLOCK):
                stop = min(start + BLOCK, count)
                labels = arrays.get("labels", start, stop) if "labels" in arrays.places else None
                shorter.write(start, arrays.get("images", start, stop), labels)


def _finish(path):
    """Writes the checksums, into room that is there."""
    with _Arrays(path) as arrays:
        count = arrays.places["images"][1][0]
        blocks = range(0, count, BLOCK)
        arrays.put("checksums", 0, [zlib.crc32(arrays.get("images", start, start + BLOCK)) for start in blocks])
        arrays.flush()
        labels = arrays.get("labels", 0, count) if "labels" in arrays.places else None
    if labels is not None:
        with h5py.File(path, "r+", locking=False) as file:
            file.attrs.modify("labels_checksum", np.int64(zlib.crc32(labels.tobytes())))
