"""Locks between processes that free themselves when their process ends, however it ends."""

import contextlib
import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PLACE = 1 << 30  # Windows forbids others to read what is locked: a byte behind the end


class Held(Exception):
    """Another process holds the lock; `owner` is its number as text, or "" where it is unknown."""

    def __init__(self, owner):
        super().__init__(owner)
        self.owner = owner


def lock(handle, wait=False):
    """Locks an open file or folder until it is closed.

    Args:
        handle: Its descriptor.
        wait: Whether to wait for another holder.

    Returns:
        True; False where another one holds it; None where the file system knows no locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            return True
        import msvcrt

        while True:
            os.lseek(handle, _PLACE, os.SEEK_SET)
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK if not wait else msvcrt.LK_LOCK, 1)
                return True
            except OSError:
                if not wait:  # with `wait` it gives up after ten seconds
                    return False
    except BlockingIOError:
        return False
    except OSError:
        return None


def still_there(handle, path):
    """Returns whether an open file is the one at `path`: another process may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def held(path, wait=False):
    """Holds the lock file `path` within the block, in which it tells the number of this process, and removes it.

    Raises:
        Held: Another process, or another thread of this one, holds it, and `wait` is False.
        OSError: The file cannot be made.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if lock(handle, wait) is False:
                raise Held(os.read(handle, 64).decode(errors="replace").strip())
            if still_there(handle, path):
                break
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    try:
        with contextlib.suppress(OSError):  # the number is for the reader alone
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        if fcntl is not None:
            with contextlib.suppress(OSError):
                os.remove(path)
        os.close(handle)
