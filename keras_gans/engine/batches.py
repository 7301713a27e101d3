"""Array data for `fit`: its order is a function of a seed and of the number of steps done, nothing else."""

import functools
import itertools
import types

import keras
import numpy as np

from keras_gans.engine.backend import module as backend


def count(variable):
    """Returns the value of an integer variable as an int, whatever device or replica holds it."""
    return int(keras.ops.convert_to_numpy(backend.read(variable)))


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays, shuffled once per pass in an order that a resumed run reproduces.

    Args:
        arrays: Tuple of arrays with the same first axis.
        batch_size: Rows per batch; the last batch of a pass holds the rest.
        shuffle: Whether each pass visits the rows in a new random order.
        steps_per_epoch: Batches per epoch; `None` means one pass.
    """

    def __init__(self, arrays, batch_size, shuffle=True, steps_per_epoch=None):
        super().__init__()
        self.arrays = arrays
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.batches_per_pass = -(-len(arrays[0]) // batch_size)
        self.steps_per_epoch = steps_per_epoch or self.batches_per_pass
        self.seed, self.epoch = 0, 0
        self._permutation = functools.lru_cache(maxsize=2)(self._draw_permutation)

    def set_epoch(self, seed, epoch):
        """Says which epoch comes next; its content depends on `seed` and `epoch` only."""
        self.seed, self.epoch = seed, epoch

    def _draw_permutation(self, seed, passes):
        return np.random.default_rng([seed, passes]).permutation(len(self.arrays[0]))

    def __len__(self):
        return self.steps_per_epoch

    def __getitem__(self, index):
        passes, batch = divmod(self.epoch * self.steps_per_epoch + index, self.batches_per_pass)
        rows = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        if self.shuffle:
            rows = self._permutation(self.seed, passes)[rows]
        return tuple(array[rows] for array in self.arrays)


class EpochCounter(keras.callbacks.Callback):
    """Tells the batches which epoch begins and counts the finished ones in the model's own state."""

    def __init__(self, batches=None):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        if self.batches is not None:
            self.batches.set_epoch(count(self.model.data_seed), count(self.model.epochs_done))

    def on_epoch_end(self, epoch, logs=None):
        self.model.epochs_done.assign(count(self.model.epochs_done) + 1)


def first_batch(dataset):
    """Returns `(batch, dataset)`: the first batch with NumPy leaves, and a dataset that still yields it.

    `batch` is None for a kind of dataset that cannot be looked into without losing data.
    """
    if isinstance(dataset, keras.utils.PyDataset):
        batch = dataset[0]
    elif isinstance(dataset, types.GeneratorType):
        batch = next(dataset, None)
        if batch is None:
            raise ValueError("The generator given to `fit` yields no batch.")
        dataset = _resumed(batch, dataset)
    elif hasattr(dataset, "__iter__") and not hasattr(dataset, "__next__"):
        batch = next(iter(dataset), None)
        if batch is None:
            raise ValueError("The dataset given to `fit` yields no batch.")
    else:
        return None, dataset
    return keras.tree.map_structure(_to_numpy, batch), dataset


def _resumed(batch, generator):
    for each in itertools.chain([batch], generator):
        yield each if isinstance(each, tuple) else (each,)  # Keras takes tuples only


def _to_numpy(leaf):
    return leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf)
