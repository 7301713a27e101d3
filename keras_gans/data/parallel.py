"""`ParallelDataset`: batches from several processes, the same bits whatever their number.

Python's and Keras's own loaders fork a process that has threads (TensorFlow's, JAX's) and hang, pickle every batch
through a pipe, repeat random streams, lose batches at the end of an epoch, and wait for ever for a worker that died.
Here workers are fresh processes that live as long as the dataset, batches come through shared memory, every random
stream is a function of (seed, epoch, item), and whatever goes wrong is an exception with the name of the item.
"""

import inspect
import os
import threading

import keras
import numpy as np

from keras_gans import checks
from keras_gans.data import worker
from keras_gans.data.pool import Pool, named, odd, pickled

START_METHODS = ("spawn", "forkserver")


class ParallelDataset(keras.utils.PyDataset):
    """Batches of the items of `source`, loaded in several processes.

    Give it to `fit`, iterate over it, or turn it into a `tf.data.Dataset`. Order and content are a function of the
    seed, the epoch and the position only: they do not depend on the number of workers, on which worker died, or on
    where an earlier run stopped.

    Args:
        source: Any object with `__len__` and `__getitem__(index)` that returns one item: an array, a number, or a tuple
            or dict of these, all items of the same shapes and dtypes. It is pickled to the workers, so that its class
            must be importable; files are best opened on first use. Images: (h, w, c), uint8 or in [-1, 1].
        batch_size: Items per batch, default 64. The last batch of an epoch holds the rest.
        workers: Processes, default 2. 0 loads in this process: the same batches, for debugging.
        transform: None, or a callable `transform(item, rng)`, run in the workers: decoding, augmentation. `rng` is
            `numpy.random.default_rng([seed, epoch, index])`, the only source of randomness that is repeatable.
        shuffle: Whether the items of epoch e are visited in the order
            `numpy.random.default_rng([seed, e]).permutation(len(source))`. Default True.
        seed: Integer, default 0.
        drop_remainder: Whether the rest at the end of an epoch is left out. Default False.
        prefetch: Batches loaded ahead, default twice the workers: the back-pressure, and (with one more) the bound of
            the shared memory in batches.
        timeout: Seconds that loading one item may take before the worker is ended with a `TimeoutError` that names the
            item. Default 300.
        max_restarts: How often a worker that died is replaced and its batch loaded again, counted per batch, before a
            `RuntimeError` names the item. Default 3.
        start_method: `"spawn"` (default) or `"forkserver"`. Never fork: locks of threads that do not exist in the child
            stay locked for ever.
        persistent: Whether the workers live on between epochs (default). They end with `close()`, with the last
            reference to the dataset, and with the interpreter; with False also after each epoch.

    A transform or a source that is defined in the script which is run needs the guard `if __name__ == "__main__":`
    around what the script does; in a notebook it must be in a module. Nothing of the kind is needed for
    `ImageFolder` and `HDF5Images`. Workers are no daemons: they may start processes of their own.

    Raises:
        TypeError, ValueError: At construction, for values outside these ranges, an empty or unpicklable source. While
            loading, what the source raises, with the number of the item and the traceback of the worker; the workers
            end at once, and the next use starts them again.
        RuntimeError, TimeoutError: A worker died too often, or an item took too long; or the source raised what would
            end more than itself, such as `SystemExit` or `StopIteration`.

    Example:

    >>> def flipped(image, rng):
    ...     return image[:, ::-1] if rng.random() < 0.5 else image
    >>> dataset = ParallelDataset(kg.data.ImageFolder("photos"), batch_size=64, workers=2, transform=flipped)
    >>> model.fit(dataset, epochs=20)
    """

    def __init__(
        self,
        source,
        batch_size=64,
        workers=2,
        transform=None,
        shuffle=True,
        seed=0,
        drop_remainder=False,
        prefetch=None,
        timeout=300.0,
        max_restarts=3,
        start_method="spawn",
        persistent=True,
    ):
        super().__init__()
        for name in ("__len__", "__getitem__"):
            if not hasattr(type(source), name):
                raise TypeError(f"`source` must have {name}. {checks.received(source=source)}")
        if isinstance(source, dict):
            raise TypeError("`source` must be read by places 0, 1, 2, ..., which a dict is not. Received: a dict.")
        if len(source) == 0:
            raise ValueError(f"`source` must hold at least one item. Received: an empty {type(source).__name__}.")
        if transform is not None and not callable(transform):
            raise TypeError(
                f"`transform` must be callable, transform(item, rng). {checks.received(transform=transform)}"
            )
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        seed = checks.positive_integer("seed", seed, minimum=0)
        loader = worker.Loader(source, transform, seed, self.batch_size, bool(shuffle), bool(drop_remainder))
        if len(loader) == 0:
            raise ValueError(
                f"`batch_size` must be at most the {len(source)} items of `source` with drop_remainder=True. "
                f"{checks.received(batch_size=batch_size)}"
            )
        self._prepare(loader, workers, prefetch, timeout, max_restarts, start_method, persistent)

    @classmethod
    def from_generator(
        cls,
        factory,
        batches,
        workers=1,
        prefetch=None,
        timeout=300.0,
        max_restarts=3,
        start_method="spawn",
        persistent=True,
    ):
        """Returns a dataset of the batches of a generator that runs in a process of its own.

        A plain generator cannot be shared by threads, pickled, or taken up where it was. Here one process draws from
        it ahead, as many batches as `prefetch` says; an epoch can be repeated, and a resumed run goes on within one:
        the batches before are drawn once more and left out.

        Args:
            factory: `factory(epoch)` returns an iterator over the batches of epoch 0, 1, ...: arrays, or tuples or
                dicts of arrays. The same epoch must give the same batches: draw from
                `numpy.random.default_rng([seed, epoch])`. It is pickled, and must be a function of a module.
            batches: Batches per epoch. A generator may go on for ever.
            workers: 1 (default), or 0 to draw in this process, for debugging.
            prefetch, timeout, max_restarts, start_method, persistent: As for the constructor, per batch.

        Raises:
            TypeError, ValueError: For another `factory`, or one that cannot be pickled; while loading, what the
                generator raises, or when it ends before `batches`.

        Example:

        >>> def noise(epoch):
        ...     rng = numpy.random.default_rng([0, epoch])
        ...     while True:
        ...         yield rng.uniform(-1, 1, (64, 32, 32, 3)).astype("float32")
        >>> model.fit(ParallelDataset.from_generator(noise, batches=100), epochs=5)
        """
        try:
            inspect.signature(factory).bind(0)
        except (TypeError, ValueError):
            raise TypeError(
                f"`factory` must be a function of the epoch, factory(epoch). {checks.received(factory=factory)}"
            ) from None
        if checks.positive_integer("workers", workers, minimum=0) > 1:
            raise ValueError(
                f"`workers` must be 0 or 1: a generator is drawn from in order. {checks.received(workers=workers)}"
            )
        self = cls.__new__(cls)
        keras.utils.PyDataset.__init__(self)
        self.batch_size = None
        loader = worker.GeneratorLoader(factory, checks.positive_integer("batches", batches))
        self._prepare(loader, workers, prefetch, timeout, max_restarts, start_method, persistent)
        return self

    def _prepare(self, loader, workers, prefetch, timeout, max_restarts, start_method, persistent):
        self.loader = loader
        self.processes = checks.positive_integer("workers", workers, minimum=0)
        self.prefetch = checks.positive_integer("prefetch", prefetch or max(2 * self.processes, 1))
        self.timeout = checks.number("timeout", timeout, above=0, finite=False)
        self.max_restarts = checks.positive_integer("max_restarts", max_restarts, minimum=0)
        if start_method == "fork":
            raise ValueError(
                "`start_method` must be 'spawn' or 'forkserver': a forked process inherits locked locks of the threads "
                "of TensorFlow and JAX, and hangs. Received: start_method='fork'."
            )
        self.start_method = checks.one_of("start_method", start_method, START_METHODS)
        self.persistent = bool(persistent)
        if self.processes:
            pickled(
                self.loader, "`factory`" if isinstance(loader, worker.GeneratorLoader) else "`source` and `transform`"
            )
        self.epoch, self._start, self._served_last, self._begun = 0, 0, False, False
        self._pool, self._lock = None, threading.RLock()

    # The order of things ----------------------------------------------------------------------------------

    def set_epoch(self, epoch, start=0):
        """Says which epoch comes next; a resumed run goes on as if it had never stopped.

        `fit` of a model of keras_gans does it by itself. Elsewhere the epoch counts up whenever the last batch was
        served and an epoch begins.

        Args:
            epoch: Integer from 0.
            start: Number of batches of this epoch to leave out: those before the stop.
        """
        epoch = checks.positive_integer("epoch", epoch, minimum=0)
        start = checks.positive_integer("start", start, minimum=0)
        if start >= len(self.loader):
            raise ValueError(
                f"`start` must be below the {len(self.loader)} batches of an epoch. Received: start={start}."
            )
        with self._lock:
            self.epoch, self._start, self._served_last, self._begun = epoch, start, False, False

    def __len__(self):
        return len(self.loader) - self._start

    def on_epoch_begin(self):
        """Called by Keras."""
        with self._lock:
            if self._begun and self._served_last:
                self.epoch, self._start = self.epoch + 1, 0
            self._begun, self._served_last = True, False

    def __getitem__(self, index):
        """Returns batch `index` of the current epoch: an array, tuple or dict of arrays, (batch_size, ...) each."""
        length = len(self)
        index = range(length)[index]
        with self._lock:
            batch = self._load(self.epoch, self._start + index)
            if index == length - 1:
                self._served_last = True
                if not self.persistent:
                    self.close()
        return batch

    def __iter__(self):
        """Yields the batches of the current epoch; the next iteration has the next epoch."""
        epoch, start = self.epoch, self._start
        for batch in range(start, len(self.loader)):
            with self._lock:
                content = self._load(epoch, batch)
            yield content
        with self._lock:
            if self.epoch == epoch:
                self.epoch, self._start = epoch + 1, 0
            if not self.persistent:
                self.close()

    def _load(self, epoch, batch):
        if self.processes == 0:
            return _load_here(self.loader, epoch, batch)
        last = min(batch + 1 + self.prefetch, len(self.loader))
        return self._started().take((epoch, batch), [(epoch, each) for each in range(batch, last)])

    # Elsewhere --------------------------------------------------------------------------------------------

    def to_tf_dataset(self):
        """Returns a `tf.data.Dataset` of one epoch per iteration; `.repeat()` goes on with the next epoch."""
        from keras_gans.engine import tf_data

        return tf_data.from_batches(self, self.loader.drop_remainder)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name not in ("_pool", "_lock")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._pool, self._lock = None, threading.RLock()

    # Processes --------------------------------------------------------------------------------------------

    def _started(self):
        if self._pool is not None and self._pool.owner != os.getpid():
            self._pool = None  # this process was forked from the one that has the workers
        if self._pool is None or self._pool.state.closed:
            self._pool = Pool(self)
        return self._pool

    def close(self):
        """Ends the workers and frees the shared memory; the next use starts them again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and pool.owner == os.getpid():
            pool.finalizer()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _load_here(loader, epoch, batch):
    arrays, seen = [], [None]

    def allocate(layout):
        arrays.extend(np.empty(shape, dtype) for shape, dtype in layout[1])
        return arrays

    try:
        structure, _ = loader.write(epoch, batch, allocate, lambda item: seen.__setitem__(0, item))
    except KeyboardInterrupt:  # the user's
        raise
    except BaseException as error:
        what = f"loading {named(loader.source, seen[0])} (epoch {epoch}, batch {batch})"
        if worker.ends_more_than_itself(error):
            raise odd(what, f"{type(error).__name__}: {error}") from error
        error.add_note(f"Raised while {what}.")
        raise
    return worker.unflatten(structure, arrays)
