"""Files that are written whole or not at all, and checked before they are believed."""

import contextlib
import hashlib
import json
import os
import tempfile

import h5py
import numpy as np

DIGEST = "keras_gans_digest"


@contextlib.contextmanager
def replacing(path, suffix=""):
    """Yields a temporary path beside `path` that replaces it atomically when the block ends without an error."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-", suffix=suffix)
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path, value):
    """Writes a JSON file atomically."""
    with replacing(path, suffix=".json") as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def _digest(file):
    digest = hashlib.sha256()

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            value = item[()]
            digest.update(f"{name} {item.shape} {item.dtype}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())

    file.visititems(visit)
    return digest.hexdigest()


def write_digest(path):
    """Writes the SHA-256 of all arrays of an HDF5 file into its root."""
    with h5py.File(path, "r+") as file:
        file.attrs[DIGEST] = _digest(file)


def verify_weights(path):
    """Raises `OSError` naming `path` if it is missing, unreadable, or its arrays are not those that were written."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no weights file {path}.")
    try:
        with h5py.File(path, "r") as file:
            written, found = file.attrs.get(DIGEST), _digest(file)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise OSError(
            f"The weights file {path} is damaged (truncated or not HDF5): {error}. Nothing was loaded."
        ) from error
    if written is not None and written != found:
        raise OSError(f"The weights file {path} is damaged: its contents do not match its digest. Nothing was loaded.")
