"""`ParallelDataset`: batches from several processes, the same bits whatever their number.

Python's and Keras's own loaders fork a process that has threads (TensorFlow's, JAX's) and hang, pickle every batch
through a pipe, repeat random streams, lose batches at the end of an epoch, and wait for ever for a worker that died.
Here workers are fresh processes that live as long as the dataset, batches come through shared memory, every random
stream is a function of (seed, epoch, item), and whatever goes wrong is an exception with the name of the item.
"""

import collections
import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import pickle
import signal
import struct
import sys
import threading
import time
import types
import warnings
from multiprocessing import connection as pipes
from multiprocessing import shared_memory, util
from typing import Any

import keras
import numpy as np

from keras_gans import checks
from keras_gans.data import worker

START_METHODS = ("spawn", "forkserver")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PREFIX = "kg"  # of the names of shared-memory segments: kg_<process space>_<process>_<random>_<number>
_STARTING = threading.Lock()
_MAIN = b"__main__"  # in a pickle: something of the script that is run


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
            loading, what the source raises, with the number of the item and the traceback of the worker.
        RuntimeError, TimeoutError: A worker died too often, or an item took too long.

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
                raise TypeError(f"`source` must have {name}. {checks.received(source=type(source).__name__)}")
        if len(source) == 0:
            raise ValueError(f"`source` must hold at least one item. Received: an empty {type(source).__name__}.")
        if transform is not None and not callable(transform):
            raise TypeError(
                f"`transform` must be callable, transform(item, rng). {checks.received(transform=transform)}"
            )
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        self.processes = checks.positive_integer("workers", workers, minimum=0)
        self.prefetch = checks.positive_integer("prefetch", prefetch or max(2 * self.processes, 1))
        self.timeout = checks.number("timeout", timeout, above=0)
        self.max_restarts = checks.positive_integer("max_restarts", max_restarts, minimum=0)
        if start_method == "fork":
            raise ValueError(
                "`start_method` must be 'spawn' or 'forkserver': a forked process inherits locked locks of the threads "
                "of TensorFlow and JAX, and hangs. Received: start_method='fork'."
            )
        self.start_method = checks.one_of("start_method", start_method, START_METHODS)
        self.persistent = bool(persistent)
        seed = checks.positive_integer("seed", seed, minimum=0)
        self.loader = worker.Loader(source, transform, seed, self.batch_size, bool(shuffle), bool(drop_remainder))
        if len(self.loader) == 0:
            raise ValueError(
                f"`batch_size` must be at most the {len(source)} items of `source` with drop_remainder=True. "
                f"{checks.received(batch_size=batch_size)}"
            )
        if self.processes:
            _pickled(self.loader)
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
            self._pool = _Pool(self)
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
    except Exception as error:
        error.add_note(f"Raised while loading {named(loader.source, seen[0])} (epoch {epoch}, batch {batch}).")
        raise
    return worker.unflatten(structure, arrays)


def named(source, item):
    """Returns the item in words: its number and, if the source knows it, its file."""
    paths = getattr(source, "paths", None)
    return f"item {item} ({paths[item]!r})" if paths is not None and item is not None else f"item {item}"


def _pickled(loader):
    try:
        return pickle.dumps(loader)
    except Exception as error:
        raise ValueError(
            "`source` and `transform` must be picklable, to be sent to the workers: no lambdas, no functions inside "
            "functions, no open files. Or give workers=0. Python says: "
            f"{error}"
        ) from error


@dataclasses.dataclass
class _Task:
    key: tuple
    slot: object = None
    state: str = "waiting"  # at a worker; then "ready" or "failed"
    wanted: bool = True
    deaths: int = 0
    layout: Any = None
    arrays: Any = None
    error: Any = None


@dataclasses.dataclass
class _Slot:
    segment: object = None
    size: int = 0

    def address(self):
        return None if self.segment is None else (self.segment.name, self.size)


@dataclasses.dataclass
class _Worker:
    number: int
    process: object
    connection: object
    tasks: collections.deque = dataclasses.field(default_factory=collections.deque)
    ready: bool = False
    begun: int = -1
    since: float = dataclasses.field(default_factory=time.monotonic)


@dataclasses.dataclass
class _State:
    """What has to be cleaned up."""

    workers: list = dataclasses.field(default_factory=list)
    segments: dict = dataclasses.field(default_factory=dict)
    board: object = None
    closed: bool = False


class _Pool:
    """The workers of a dataset and the batches that they load."""

    def __init__(self, dataset):
        process = multiprocessing.current_process()
        if process.daemon:
            raise RuntimeError(
                "A daemonic process cannot start workers. Give workers=0, or start this process with daemon=False."
            )
        if getattr(process, "_inheriting", False):
            raise RuntimeError(GUARD)
        self.timeout, self.max_restarts = dataset.timeout, dataset.max_restarts
        self.source = dataset.loader.source
        self.context = multiprocessing.get_context(dataset.start_method)
        self.payload = _pickled(dataset.loader)
        main = sys.modules["__main__"]
        if _MAIN in self.payload and not hasattr(main, "__file__") and getattr(main, "__spec__", None) is None:
            raise ValueError(
                "`source` and `transform` must be defined in a module (a .py file): the workers cannot import what is "
                "defined in a notebook or at the prompt. Or give workers=0."
            )
        self.owner = os.getpid()
        self.tasks, self.free, self.limit = {}, [], dataset.prefetch + 1
        self.slots, self.names = [], itertools.count()
        self.state = _State()
        self.prefix = f"{PREFIX}_{_process_space()}_{self.owner}_{os.urandom(2).hex()}"
        # Runs when the pool is collected, when it is closed, and at the exit of the interpreter before multiprocessing
        # waits for its children.
        self.finalizer = util.Finalize(self, _shut_down, args=(self.state, self.owner), exitpriority=100)
        self.startup_deaths = 0
        try:
            _sweep()
            self.state.board = self.segment(8 * (1 + 2 * dataset.processes))
            for number in range(dataset.processes):
                self.state.workers.append(self.start(number))
        except BaseException:
            self.finalizer()
            raise

    def segment(self, size):
        """Returns a new shared-memory segment with its memory reserved; raises `OSError` where there is none."""
        segment = shared_memory.SharedMemory(f"{self.prefix}_{next(self.names)}", create=True, size=size)
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

    def cells(self, number):
        """Returns what a worker wrote on the board: its item, and how many it has begun."""
        return struct.unpack_from("qq", self.state.board.buf, 8 * (1 + 2 * number))

    def start(self, number):
        """Starts a worker, in an environment with one thread per library unless the user says otherwise."""
        here, there = self.context.Pipe()
        process = self.context.Process(
            target=worker.run,
            args=(there, self.state.board.name, number, self.payload),
            name=f"keras_gans-data-{number}",
            daemon=False,
        )
        with _STARTING, _environment(), _without_main(_MAIN not in self.payload):
            process.start()
        there.close()
        return _Worker(number, process, here)

    # Batches ----------------------------------------------------------------------------------------------

    def take(self, key, window):
        """Returns the batch `key`, and has those of `window` (which begins with it) loaded ahead."""
        try:
            self.aim(window)
            while key not in self.tasks or self.tasks[key].state == "waiting":
                self.pump(1.0)
                self.aim(window)
            task = self.tasks.pop(key)
            arrays = task.arrays
            if task.state == "ready" and arrays is None:
                arrays = [np.array(view) for view in worker.views(task.layout, task.slot.segment.buf)]
            self.release(task)
            self.aim(window[1:])
        except BaseException:  # a worker died too often or hangs, or Ctrl-C left a message half read
            self.finalizer()
            raise
        if task.state == "failed":
            raise task.error
        return worker.unflatten(task.layout[0], arrays)

    def aim(self, window):
        """Gives up what is not in `window`, and has loaded what is, as far as there are free slots."""
        for key in self.tasks.keys() - set(window):
            task = self.tasks.pop(key)
            task.wanted = False
            if task.state != "waiting":
                self.release(task)
        for key in window:
            if key in self.tasks:
                continue
            if not self.free and len(self.slots) < self.limit:
                self.slots.append(_Slot())
                self.free.append(self.slots[-1])
            if not self.free:
                return
            self.tasks[key] = task = _Task(key, self.free.pop())
            self.assign(task, min(self.state.workers, key=lambda each: len(each.tasks)))

    def assign(self, task, to):
        to.tasks.append(task)
        if len(to.tasks) == 1:
            to.since = time.monotonic()
        names = tuple(slot.segment.name for slot in self.slots if slot.segment is not None)
        with contextlib.suppress(OSError):  # a dead worker is found by its sentinel
            to.connection.send(("load", task.key, task.slot.address(), names))

    def release(self, task):
        self.free.append(task.slot)
        task.slot = None

    # Messages ---------------------------------------------------------------------------------------------

    def pump(self, seconds):
        """Waits for messages and deaths, and handles them."""
        if self.state.closed:
            raise RuntimeError("The dataset was closed while a batch was being loaded.")
        waited = {}
        for each in self.state.workers:
            waited[each.connection] = waited[each.process.sentinel] = each
        found = {waited[ready].number: waited[ready] for ready in pipes.wait(list(waited), seconds)}
        for each in found.values():
            alive = each.process.exitcode is None
            messages = []
            with contextlib.suppress(EOFError, OSError):  # it died, and its sentinel tells
                while each.connection.poll():
                    messages.append(each.connection.recv())
            for message in messages:
                self.handle(each, message)
            if not alive:
                self.bury(each)
        for each in self.state.workers:
            self.check_time(each)

    def handle(self, from_worker, message):
        kind = message[0]
        from_worker.since = time.monotonic()
        if kind == "ready":
            from_worker.ready, self.startup_deaths = True, 0
            return
        if kind == "need":
            self.grow(from_worker, message[2])
            return
        if message[1] is None:
            _, _, content, words, text, _ = message
            raise _remote(content, words, text, "Raised while a worker read the source.")
        task = from_worker.tasks.popleft()
        if kind == "done":
            task.state = "ready"
            task.layout, task.arrays = message[2:]
        else:
            _, (epoch, batch), content, words, text, item = message
            note = f"Raised while loading {named(self.source, item)} (epoch {epoch}, batch {batch})."
            task.state, task.error = "failed", _remote(content, words, text, note)
        if not task.wanted:
            self.release(task)

    def grow(self, asking, needed):
        """Gives the batch that a worker is loading a larger segment, or none where there is no shared memory."""
        slot = asking.tasks[0].slot
        self.drop(slot)
        try:
            slot.segment, slot.size = self.segment(needed), needed
            self.state.segments[slot.segment.name] = slot.segment
        except OSError as error:
            warnings.warn(
                f"There is no shared memory for a batch of {needed:,} bytes ({error.strerror or error}); it goes "
                "through a pipe, which is slower. In a container, give more with --shm-size.",
                stacklevel=2,
            )
        with contextlib.suppress(OSError):
            asking.connection.send(("slot", slot.address()))

    def drop(self, slot):
        if slot.segment is not None:
            self.state.segments.pop(slot.segment.name)
            _free(slot.segment)
            slot.segment, slot.size = None, 0

    # What goes wrong --------------------------------------------------------------------------------------

    def bury(self, dead):
        """Replaces a worker that died, and has its batches loaded again."""
        dead.process.join()
        code = dead.process.exitcode
        dead.connection.close()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        item, _ = self.cells(dead.number)
        if dead.ready and dead.tasks:
            task = dead.tasks[0]
            task.deaths += 1
            if task.deaths > self.max_restarts:
                epoch, batch = task.key
                raise RuntimeError(
                    f"A worker died ({how}) while loading {named(self.source, item)}, in epoch {epoch}, batch {batch}, "
                    f"{task.deaths} times (max_restarts={self.max_restarts})."
                )
        elif not dead.ready:
            self.startup_deaths += 1
            if self.startup_deaths > self.max_restarts or code > 0:
                raise RuntimeError(f"A worker died ({how}) while it started. {GUARD}")
        new = self.start(dead.number)
        self.state.workers[dead.number] = new
        for task in dead.tasks:
            if task.wanted:
                self.assign(task, new)
            else:
                self.release(task)

    def check_time(self, each):
        """Raises `TimeoutError` if a worker has not begun another item for too long."""
        (item, begun), now = self.cells(each.number), time.monotonic()
        if begun != each.begun or not (each.tasks or not each.ready):
            each.begun, each.since = begun, now
        elif now - each.since > self.timeout:
            each.process.kill()
            what = f"loading {named(self.source, item)}" if each.ready else "starting"
            raise TimeoutError(f"A worker has been {what} for more than {self.timeout:g} seconds (`timeout`).")


GUARD = (
    "If the script that is run defines the source or the transform, what it does must be under the guard "
    '`if __name__ == "__main__":`, since every worker imports it.'
)


class _RemoteTraceback(Exception):
    """The traceback of a worker, shown as the cause of the exception."""

    def __str__(self):
        return f"\n{self.args[0]}"


def _remote(content, words, text, note):
    """Returns the exception of a worker, with its traceback and a note."""
    if content is None:
        error = RuntimeError(words)
    else:
        error = pickle.loads(content)  # noqa: S301 - made and tested by our worker
    error.__cause__ = _RemoteTraceback(text)
    error.add_note(note)
    return error


def _shut_down(state, owner):
    """Ends the workers and frees the segments; each worker gets five seconds to finish its item."""
    if state.closed or os.getpid() != owner:
        return
    state.closed = True
    if state.board is not None:
        struct.pack_into("q", state.board.buf, 0, 1)
    for each in state.workers:
        with contextlib.suppress(OSError, ValueError):
            each.connection.send(None)
        each.connection.close()
    deadline = time.monotonic() + 5.0
    for each in state.workers:
        each.process.join(max(deadline - time.monotonic(), 0.0))
    for stop in ("terminate", "kill"):
        left = [each for each in state.workers if each.process.is_alive()]
        for each in left:
            getattr(each.process, stop)()
        for each in left:
            each.process.join(1.0)
    for segment in (state.board, *state.segments.values()):
        if segment is not None:
            _free(segment)


def _free(segment):
    with contextlib.suppress(BufferError):
        segment.close()
    with contextlib.suppress(FileNotFoundError):
        segment.unlink()


def _process_space():
    """Returns what tells containers apart that share memory but not the numbers of processes."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _sweep():
    """Removes segments of processes that were killed together with Python's own resource tracker."""
    space = str(_process_space())
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


@contextlib.contextmanager
def _environment():
    missing = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


@contextlib.contextmanager
def _without_main(hidden):
    """Hides the script that is run from a process that starts, where it needs nothing of it.

    Otherwise every worker imports the script again, TensorFlow and all, before it loads its first image.
    """
    main = sys.modules["__main__"]
    if hidden:
        sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
