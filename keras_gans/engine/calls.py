"""Calls of a network: in training, with what its layers add to the loss, and over the batches of large arrays."""

import contextlib
import threading

import keras
import numpy as np
from keras import ops

from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import losses_of_last_call

_present = threading.local()


@contextlib.contextmanager
def collected(network):
    """Yields a list that receives, inside the context, the scalars that `network` adds to the loss in every call.

    Args:
        network: The network that moves; None to collect nothing, as in a penalty, whose calls are no part of the game.
    """
    before = getattr(_present, "collector", None)
    found = []
    _present.collector = (network, found)
    try:
        yield found
    finally:
        _present.collector = before


def called(network, inputs, training):
    """Returns a network's output for inputs. The one way in which a model calls its networks."""
    outputs = network(inputs, training=training)
    collecting, found = getattr(_present, "collector", None) or (None, None)
    if collecting is network:
        found.extend(ops.sum(ops.cast(loss, "float32")) for loss in losses_of_last_call(network))
    return outputs


def in_batches(function, arrays, batch_size):
    """Returns what a compiled function returns for arrays, a NumPy array or a tuple of them, computed batch by batch.

    Args:
        function: Function of as many tensors as there are arrays.
        arrays: NumPy arrays with the same first axis, or None, which is passed through.
        batch_size: Rows per call; a smaller rest is padded to the rows that are compiled anyway.
    """
    present = [array for array in arrays if array is not None]
    rows, whole = len(present[0]), None
    for start in range(0, rows, batch_size):
        count = min(batch_size, rows - start)
        padded = min(batch_size, backend.rows_per_call(count))
        batch = [np.resize(array[start : start + count], (padded, *array.shape[1:])) for array in present]
        queue = iter(ops.convert_to_tensor(array) for array in batch)
        results = function(*(None if array is None else next(queue) for array in arrays))
        parts = keras.tree.map_structure(ops.convert_to_numpy, results)
        if whole is None:
            whole = keras.tree.map_structure(lambda part: np.empty((rows, *part.shape[1:]), part.dtype), parts)
        for array, part in zip(keras.tree.flatten(whole), keras.tree.flatten(parts), strict=True):
            array[start : start + count] = part[:count]
    return whole


def first_call_locked(function):
    """Returns a function whose first call, which compiles, keeps the calls of other threads waiting."""
    lock, called = threading.Lock(), []

    def call(*arguments):
        if called:
            return function(*arguments)
        with lock:
            result = function(*arguments)
            called.append(True)
        return result

    return call
