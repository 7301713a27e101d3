"""The worker processes of `ParallelDataset`, and the batches that they load: started, fed, replaced and ended."""

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
from multiprocessing import util
from typing import Any

import numpy as np

from keras_gans.data import shared_memory, worker

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GUARD = (
    "If the script that is run defines the source or the transform, what it does must be under the guard "
    '`if __name__ == "__main__":`, since every worker imports it.'
)
_STARTING = threading.Lock()
_MAIN = b"__main__"  # in a pickle: something of the script that is run


def named(source, item):
    """Returns the item in words: its number and, if the source knows it, its file."""
    paths = getattr(source, "paths", None)
    return f"item {item} ({paths[item]!r})" if paths is not None and item is not None else f"item {item}"


def pickled(loader, arguments="`source` and `transform`"):
    """Returns a loader as bytes for the workers; raises `ValueError` that names `arguments` where it cannot be sent."""
    try:
        return pickle.dumps(loader)
    except Exception as error:
        raise ValueError(
            f"{arguments} must be picklable, to be sent to the workers: no lambdas, no functions inside functions, no "
            f"open files. Or give workers=0. Python says: {error}"
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

    def failure(self):
        """Returns the error, which is kept nowhere else: its traceback refers to this task and to the pool."""
        error, self.error = self.error, None
        return error


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


class Pool:
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
        self.payload = pickled(dataset.loader)
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
        self.prefix = shared_memory.prefix()
        # Runs when the pool is collected, when it is closed, and at the exit of the interpreter before multiprocessing
        # waits for its children.
        self.finalizer = util.Finalize(self, _shut_down, args=(self.state, self.owner), exitpriority=100)
        self.startup_deaths = 0
        try:
            shared_memory.sweep()
            self.state.board = self.segment(8 * (1 + 2 * dataset.processes))
            for number in range(dataset.processes):
                self.state.workers.append(self.start(number))
        except BaseException:
            self.finalizer()
            raise

    def segment(self, size):
        """Returns a new segment of shared memory; raises `OSError` where there is none."""
        return shared_memory.create(f"{self.prefix}_{next(self.names)}", size)

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
            if task.state == "failed":
                raise task.failure()
            self.aim(window[1:])
        except BaseException:  # an item raised, a worker died too often or hangs, or Ctrl-C left a message half read
            self.finalizer()
            raise
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
                self.slots.append(shared_memory.Slot())
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
            raise _remote(content, "a worker read the source", words, text)
        task = from_worker.tasks.popleft()
        if kind == "done":
            task.state = "ready"
            task.layout, task.arrays = message[2:]
        else:
            _, (epoch, batch), content, words, text, item = message
            what = f"loading {named(self.source, item)} (epoch {epoch}, batch {batch})"
            task.state, task.error = "failed", _remote(content, what, words, text)
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
            shared_memory.free(slot.segment)
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


class _RemoteTraceback(Exception):
    """The traceback of a worker, shown as the cause of the exception."""

    def __str__(self):
        return f"\n{self.args[0]}"


def _remote(content, what, words, text):
    """Returns the exception of a worker, with its traceback and a note."""
    if content is None:
        error = odd(what, words)
    else:
        error = pickle.loads(content)  # noqa: S301 - made and tested by our worker
    error.__cause__ = _RemoteTraceback(text)
    error.add_note(f"Raised while {what}.")
    return error


def odd(what, words):
    """Returns the error for what cannot be raised here: it cannot be sent, or it would end the program or a loop."""
    return RuntimeError(f"While {what}, the source or the transform raised {words}.")


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
            shared_memory.free(segment)


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
