"""Files that are written whole or not at all, and checked before they are believed.

`keras-gans --help` answers at once: NumPy and h5py are imported where they are needed.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib

from keras_gans.output import locks

DIGEST = "keras_gans_digest"
TEMPORARY = ".writing-"  # how the names of files begin that are not whole yet
LARGEST_EXPANSION = 1000  # bytes that one byte of a compressed file may stand for
# What zipfile raises for archives that are damaged, encrypted, or compressed in a way that it does not know.
DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_swept: set[str] = set()


@contextlib.contextmanager
def replacing(path, suffix=""):
    """Yields a temporary path beside `path` that replaces it atomically when the block ends without an error.

    The temporary file is locked while it is written: what a killed process leaves behind is not, and goes when another
    process first writes into the folder. HDF5 locks files itself: `write` what it makes in memory.

    Raises:
        OSError: The file cannot be written (a full disk, a quota, ...); it names `path`, which is as it was.
    """
    path = os.path.abspath(path)
    with naming(path):
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # a name that is too long is refused before the work is done
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        folder = os.path.dirname(path)
        if folder not in _swept:
            _swept.add(folder)
            sweep(folder)
        with claimed(lambda: _new_file(folder, suffix)) as temporary:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)


@contextlib.contextmanager
def naming(path):
    """Lets an `OSError` within the block name `path`, also where a library has wrapped it into an error of its own."""
    try:
        yield
    except Exception as error:
        found = error
        while found is not None and not (isinstance(found, OSError) and found.errno):
            found = found.__cause__ or found.__context__
        full = found is not None and found.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        ours = found is error and (found.filename is None or TEMPORARY in os.fspath(found.filename))
        if full or ours:
            raise OSError(found.errno, os.strerror(found.errno), path) from error
        raise


@contextlib.contextmanager
def claimed(make):
    """Yields the path of a temporary file or folder that no `sweep` takes away, and removes it in the end.

    Args:
        make: Returns the path of a new one.
    """
    temporary, handle = make(), None
    try:
        while locks.fcntl is not None:  # Windows replaces no file that is open
            handle = os.open(temporary, os.O_RDONLY)
            locks.lock(handle, wait=True)
            if locks.still_there(handle, temporary):
                break
            os.close(handle)  # a sweep was faster
            temporary = make()
        yield temporary
    finally:
        _remove(temporary)
        if handle is not None:
            os.close(handle)


def _new_file(folder, suffix=""):
    handle, path = tempfile.mkstemp(dir=folder, prefix=TEMPORARY, suffix=suffix)
    os.close(handle)
    return path


def _remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.remove(path)


def sweep(folder):
    """Removes what killed processes left behind in a folder: temporary files and folders that nobody holds."""
    if locks.fcntl is None or not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(TEMPORARY) and not os.path.islink(path):
            with contextlib.suppress(OSError):
                handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                if locks.lock(handle):
                    _remove(path)
                os.close(handle)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(path, content):
    """Writes bytes into a file, atomically.

    What HDF5 and NumPy make goes into memory first and through here: HDF5 ends the process where it cannot write.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)


def write_json(path, value):
    """Writes a JSON file atomically."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def write_npz(path, **arrays):
    """Writes arrays as a compressed .npz file, atomically."""
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write(path, content.getbuffer())


def require_space(path, size):
    """Raises `OSError` if so many bytes cannot be written beside `path`: a full disk, a quota, a limit."""
    path = os.path.abspath(path)
    with naming(path), claimed(lambda: _new_file(os.path.dirname(path))) as temporary, open(temporary, "r+b") as file:
        reserve(file, size)


def reserve(file, size):
    """Gives an open file so many bytes of the disk; raises `OSError` where they are not there."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    elif size > shutil.disk_usage(os.path.dirname(os.path.abspath(file.name))).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)


def refuse_foreign(dataset):
    """Raises `ValueError` if an HDF5 dataset reads other files, or declares far more than its file stores."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"its dataset {dataset.name} reads other files")
    if dataset.nbytes > LARGEST_EXPANSION * dataset.id.get_storage_size() + 2**20:
        raise ValueError(f"its dataset {dataset.name} declares {dataset.nbytes:,} bytes and stores hardly any")


def _digest(file):
    import h5py
    import numpy as np

    digest = hashlib.sha256()

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            refuse_foreign(item)
            value = item[()]
            digest.update(f"{name} {item.shape} {item.dtype}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())

    file.visititems(visit)
    return digest.hexdigest()


def write_digest(file):
    """Writes the SHA-256 of all arrays of an HDF5 file, a path or a file in memory, into its root."""
    import h5py

    with h5py.File(file, "r+") as opened:
        opened.attrs[DIGEST] = _digest(opened)


def verify_weights(path):
    """Raises `OSError` naming `path` if it is missing, unreadable, or its arrays are not those that were written."""
    import h5py

    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no weights file {path}.")
    try:
        with h5py.File(path, "r") as file:
            written, found = file.attrs.get(DIGEST), _digest(file)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise OSError(
            f"The weights file {path} is damaged (truncated or not HDF5): {error}. Nothing was loaded."
        ) from error
    if written is not None and not (isinstance(written, str) and written == found):
        raise OSError(f"The weights file {path} is damaged: its contents do not match its digest. Nothing was loaded.")
