"""Array data for `fit`: its order is a function of a seed and of the number of steps done, nothing else."""

import functools
import warnings

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
        self.seed, self.epoch, self.start = 0, 0, 0
        self._permutation = functools.lru_cache(maxsize=2)(self._draw_permutation)

    def set_epoch(self, epoch, start=0):
        """Says which epoch comes next, without its first `start` batches; the content depends on `seed` and this."""
        self.epoch, self.start = epoch, start

    def _draw_permutation(self, seed, passes):
        return np.random.default_rng([seed, passes]).permutation(len(self.arrays[0]))

    def __len__(self):
        return self.steps_per_epoch - self.start

    def __getitem__(self, index):
        position = self.epoch * self.steps_per_epoch + self.start + index
        passes, batch = divmod(position, self.batches_per_pass)
        rows = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        if self.shuffle:
            rows = self._permutation(self.seed, passes)[rows]
        return tuple(array[rows] for array in self.arrays)


class EpochCounter(keras.callbacks.Callback):
    """Counts the finished epochs, and the steps of the current one, in the model's own state.

    Args:
        batches: A dataset with `set_epoch(epoch, start)`, which is told what comes next: after a checkpoint that was
            saved within an epoch, the rest of that epoch. None for any other dataset.
    """

    def __init__(self, batches=None):
        super().__init__()
        self.batches, self.start = batches, 0

    def on_epoch_begin(self, epoch, logs=None):
        self._say_what_comes()
        self.model.begin_epoch(self.start)

    def _say_what_comes(self):
        self.start, self.model.resume_at = self.model.resume_at, 0
        if self.batches is None:
            if self.start:
                warnings.warn(
                    f"The checkpoint was saved after {self.start} steps of an epoch. The dataset "
                    "cannot go on in the middle: the epoch begins again.",
                    stacklevel=2,
                )
            self.start = 0
            return
        self.batches.set_epoch(0)
        if self.start >= len(self.batches):  # saved after the last step of an epoch
            self.model.epochs_done.assign(count(self.model.epochs_done) + 1)
            self.start = 0
        if isinstance(self.batches, ArrayBatches):
            self.batches.seed = count(self.model.data_seed)
        self.batches.set_epoch(count(self.model.epochs_done), self.start)

    def on_train_batch_end(self, batch, logs=None):
        self.model.steps_into_epoch = self.start + batch + 1

    def on_epoch_end(self, epoch, logs=None):
        self.model.steps_into_epoch = 0
        self.model.end_epoch()
        self.model.epochs_done.assign(count(self.model.epochs_done) + 1)


class RestOfEpoch(keras.callbacks.Callback):
    """Ends an epoch that began in the middle; must be the last callback.

    Keras counts on as many batches as in a whole epoch. On TensorFlow, asking for one more runs what does not depend on
    it, the draw of the latents, and the seeds would no longer be those of a run that never stopped.
    """

    def __init__(self, counter):
        super().__init__()
        self.counter = counter

    def on_train_batch_end(self, batch, logs=None):
        if self.counter.start and batch + 1 >= len(self.counter.batches):
            backend.end_epoch()
