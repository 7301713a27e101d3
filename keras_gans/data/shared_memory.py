"""Shared memory of `ParallelDataset`: segments with their memory reserved, and what killed processes left behind."""

import contextlib
import dataclasses
import os
from multiprocessing import shared_memory

PREFIX = "kg"  # of the names of segments: kg_<process space>_<process>_<random>_<number>


@dataclasses.dataclass
class Slot:
    """Where a batch is written: a segment, or None until the first batch needs one."""

    segment: object = None
    size: int = 0

    def address(self):
        """Returns what a worker is told: the name and size of the segment, or None."""
        return None if self.segment is None else (self.segment.name, self.size)


def prefix():
    """Returns the beginning of the names of a pool's segments, which no other pool has."""
    return f"{PREFIX}_{process_space()}_{os.getpid()}_{os.urandom(2).hex()}"


def create(name, size):
    """Returns a new segment with its memory reserved; raises `OSError` where there is none."""
    segment = shared_memory.SharedMemory(name, create=True, size=size)
    path = f"/dev/shm/{segment.name}"
    if hasattr(os, "posix_fallocate") and os.path.exists(path):
        try:  # without it, memory that is not there is a SIGBUS at the first write
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            segment.close()
            segment.unlink()
            raise
    return segment


def free(segment):
    """Closes a segment and removes it, whoever still has a view of it."""
    with contextlib.suppress(BufferError):
        segment.close()
    with contextlib.suppress(FileNotFoundError):
        segment.unlink()


def process_space():
    """Returns what tells containers apart that share memory but not the numbers of processes."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def sweep():
    """Removes segments of processes that were killed together with Python's own resource tracker."""
    space = str(process_space())
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/shm"):
            parts = name.split("_")
            if len(parts) == 5 and parts[:2] == [PREFIX, space] and parts[2].isdigit():
                try:
                    os.kill(int(parts[2]), 0)
                except ProcessLookupError:
                    with contextlib.suppress(OSError):
                        os.remove(f"/dev/shm/{name}")
                except OSError:
                    pass  # a process of somebody else
