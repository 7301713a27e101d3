import gzip
import struct

import numpy as np
import pytest


def idx_bytes(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def write_idx():
    """write_idx(path, array): an idx file, gzipped if its name says so."""

    def write(path, array):
        content = idx_bytes(np.asarray(array, np.uint8))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return str(path)

    return write


@pytest.fixture
def pixels():
    """pixels(*shape): the same noise every time, uint8."""

    def draw(*shape, seed=0):
        return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

    return draw
