"""Initial weights from NumPy on JAX, where every new shape would cost a compilation of the random generator."""

import importlib

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def quick_initial_weights(monkeypatch):
    if keras.backend.backend() != "jax":
        return
    generator = np.random.default_rng(1)

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return keras.ops.convert_to_tensor(generator.normal(mean, stddev, shape).astype("float32"), dtype)

    def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        values = np.clip(generator.normal(mean, stddev, shape), mean - 2 * stddev, mean + 2 * stddev)
        return keras.ops.convert_to_tensor(values.astype("float32"), dtype)

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return keras.ops.convert_to_tensor(generator.uniform(minval, maxval, shape).astype("float32"), dtype)

    module = importlib.import_module("keras.src.backend.jax.random")
    for draw in (normal, truncated_normal, uniform):
        monkeypatch.setattr(module, draw.__name__, draw)
