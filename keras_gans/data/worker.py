"""What runs in the worker processes of `ParallelDataset`: loads items and writes batches into shared memory.

This module imports NumPy and nothing of the package but `checks`, so that a worker starts in a fraction of a second. It
is also what `workers=0` runs in the process of the caller: one implementation, the same bits.

A worker reads messages from its pipe and answers:

    ("load", key, slot, slots)   ->  ("done", key, layout, arrays)      arrays None: they are in the slot
                                     ("error", key, exception, words, traceback, item)
                                     ("need", key, bytes), answered by ("slot", a larger slot, or None for the pipe)
    None                         ->  the worker ends

A key is (epoch, batch). A slot is the name of a shared-memory segment and its size; `slots` are the names in use. The
board is a segment of int64: [0] is set to 1 when all workers must end; worker w writes the item that it loads to
[1 + 2w], and how many items it has begun to [2 + 2w].
"""

import collections
import math
import pickle
import signal
import traceback
from multiprocessing import shared_memory

import numpy as np

ALIGNMENT = 64  # bytes


class Stop(Exception):
    """All workers must end."""


class Loader:
    """Computes the batches of an epoch: everything is a function of (seed, epoch, index).

    Args:
        source: Has `__len__` and `__getitem__(index)`, which returns an array, a tuple, or a dict of arrays.
        transform: None, or `transform(item, rng)`, which returns such an item.
        seed, batch_size, shuffle, drop_remainder: See `ParallelDataset`.
    """

    def __init__(self, source, transform, seed, batch_size, shuffle, drop_remainder):
        self.source, self.transform, self.seed = source, transform, seed
        self.batch_size, self.shuffle, self.drop_remainder = batch_size, shuffle, drop_remainder
        self.items = len(source)
        self._order = None, None

    def __len__(self):
        return self.items // self.batch_size if self.drop_remainder else -(-self.items // self.batch_size)

    def rows(self, epoch, batch):
        """Returns the items of a batch, integers (n,)."""
        if self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.items) if self.shuffle else None
            self._order = epoch, order
        start, stop = batch * self.batch_size, min((batch + 1) * self.batch_size, self.items)
        return np.arange(start, stop) if self._order[1] is None else self._order[1][start:stop]

    def item(self, epoch, index):
        """Returns the item at `index`, as `(structure, leaves)`."""
        item = self.source[index]
        if self.transform is not None:
            item = self.transform(item, np.random.default_rng([self.seed, epoch, index]))
        return flatten(item)

    def write(self, epoch, batch, allocate, begin):
        """Writes a batch into the arrays that `allocate(layout)` returns, and returns the layout.

        Args:
            epoch, batch: Which batch.
            allocate: Gets the layout `(structure, [(shape, dtype), ...])`, returns one array per leaf.
            begin: Called with the number of each item before it is loaded.
        """
        rows = self.rows(epoch, batch)
        for row, index in enumerate(map(int, rows)):
            begin(index)
            structure, leaves = self.item(epoch, index)
            if row == 0:
                layout = structure, [((len(rows), *leaf.shape), leaf.dtype.str) for leaf in leaves]
                first, kinds = structure, [(leaf.shape, leaf.dtype) for leaf in leaves]
                arrays = allocate(layout)
            elif structure != first or any(
                (leaf.shape, leaf.dtype) != kind for leaf, kind in zip(leaves, kinds, strict=True)
            ):
                raise ValueError(
                    f"All items of `source` must have the same shapes and dtypes. Item {index} is "
                    f"{described(structure, leaves)}, item {int(rows[0])} is {described(first, kinds)}."
                )
            for array, leaf in zip(arrays, leaves, strict=True):
                array[row] = leaf
        return layout


class GeneratorLoader:
    """Computes the batches of an epoch by a generator: those before are drawn and left out, those behind begin again.

    Args:
        factory: `factory(epoch)` returns an iterator over the batches of an epoch.
        batches: Batches per epoch; what the generator yields beyond is not asked for.
    """

    drop_remainder = False

    def __init__(self, factory, batches):
        self.factory, self.batches = factory, batches
        self.source = factory  # which has no names of items
        self._at, self._iterator = None, None  # (epoch, the batch that comes next)

    def __len__(self):
        return self.batches

    def __getstate__(self):
        return {**self.__dict__, "_at": None, "_iterator": None}

    def write(self, epoch, batch, allocate, begin):
        """Writes a batch as `Loader.write` does; what `begin` is called with is the number of the batch."""
        begin(batch)
        if self._at is None or self._at[0] != epoch or self._at[1] > batch:
            if hasattr(self._iterator, "close"):
                self._iterator.close()
            self._at, self._iterator = (epoch, 0), iter(self.factory(epoch))
        begun, self._at = self._at[1], None  # where the generator raises, the next call begins again
        for place in range(begun, batch + 1):
            try:
                content = next(self._iterator)
            except StopIteration:
                raise ValueError(
                    f"The generator of epoch {epoch} ended after {place} batches. `batches` must be at most that. "
                    f"Received: batches={self.batches}."
                ) from None
        self._at = epoch, batch + 1
        structure, leaves = flatten(content)
        layout = structure, [(leaf.shape, leaf.dtype.str) for leaf in leaves]
        for array, leaf in zip(allocate(layout), leaves, strict=True):
            array[...] = leaf
        return layout


def flatten(item):
    """Returns `(structure, leaves)` of an item: an array, or a tuple or dict of arrays and numbers."""
    if isinstance(item, np.ndarray) and item.dtype != object:
        return None, (item,)
    if isinstance(item, dict):
        structure, values = tuple(item), tuple(item.values())
    elif isinstance(item, (tuple, list)):
        structure, values = len(item), tuple(item)
    else:
        structure, values = None, (item,)
    leaves = tuple(np.asarray(value) for value in values)
    if not leaves or any(leaf.dtype == object for leaf in leaves):
        raise TypeError(
            "An item of `source` must be an array, a number, or a tuple or dict of these. Received: "
            f"{item!r:.80} ({type(item).__name__})."
        )
    return structure, leaves


def unflatten(structure, arrays):
    """Returns a batch in the structure of its items."""
    if structure is None:
        return arrays[0]
    return tuple(arrays) if isinstance(structure, int) else dict(zip(structure, arrays, strict=True))


def described(structure, leaves):
    """Returns shapes and dtypes in words."""
    pairs = [leaf if isinstance(leaf, tuple) else (leaf.shape, leaf.dtype) for leaf in leaves]
    words = [f"{np.dtype(dtype).name} {tuple(shape)}" for shape, dtype in pairs]
    if structure is None:
        return words[0]
    if isinstance(structure, int):
        return f"({', '.join(words)})"
    return "{" + ", ".join(f"{name}: {word}" for name, word in zip(structure, words, strict=True)) + "}"


def places(layout):
    """Returns where the arrays of a layout lie in a slot: `([offset, ...], bytes in all)`."""
    offsets, end = [], 0
    for shape, dtype in layout[1]:
        offsets.append(end)
        end += -(-math.prod(shape) * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT
    return offsets, max(end, 1)


def views(layout, buffer):
    """Returns the arrays of a layout in a slot."""
    offsets, _ = places(layout)
    return [np.ndarray(shape, dtype, buffer, offset) for (shape, dtype), offset in zip(layout[1], offsets, strict=True)]


def run(connection, board, number, payload):
    """The whole life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends the workers
    try:
        loader = pickle.loads(payload)  # noqa: S301 - written by the parent
    except BaseException as error:
        _send_error(connection, None, error, None)
        return
    worker = _Worker(connection, shared_memory.SharedMemory(name=board), number, loader)
    try:
        connection.send(("ready",))
        while (message := worker.next_batch()) is not None:
            worker.load(*message[1:])
    except (EOFError, OSError, Stop):
        return  # the parent is gone, or wants the workers to end
    finally:
        worker.close()


class _Worker:
    def __init__(self, connection, board, number, loader):
        self.connection, self.board, self.loader = connection, board, loader
        self.cells, self.place, self.begun = board.buf.cast("q"), 1 + 2 * number, 0
        self.segments, self.waiting = {}, collections.deque()

    def next_batch(self):
        return self.waiting.popleft() if self.waiting else self.connection.recv()

    def begin(self, item):
        if self.cells[0]:
            raise Stop
        self.begun += 1
        self.cells[self.place], self.cells[self.place + 1] = item, self.begun

    def load(self, key, slot, slots):
        for name in self.segments.keys() - set(slots):
            self.segments.pop(name).close()
        own = []

        def allocate(layout):
            segment = self.segment(slot, key, places(layout)[1])
            if segment is not None:
                return views(layout, segment.buf)
            own.extend(np.empty(shape, dtype) for shape, dtype in layout[1])
            return own

        try:
            layout = self.loader.write(*key, allocate, self.begin)
        except Stop:
            raise
        except BaseException as error:
            _send_error(self.connection, key, error, self.cells[self.place])
            return
        self.connection.send(("done", key, layout, own or None))

    def segment(self, slot, key, needed):
        """Returns the segment for a batch: the slot's, a larger one from the parent, or None for the pipe."""
        if slot is None or slot[1] < needed:
            self.connection.send(("need", key, needed))
            while (message := self.connection.recv()) is not None and message[0] != "slot":
                self.waiting.append(message)  # the next batch, sent before the answer
            if message is None:
                raise Stop
            slot = message[1]
        if slot is None:
            return None
        name = slot[0]
        if name not in self.segments:
            self.segments[name] = shared_memory.SharedMemory(name=name)
        return self.segments[name]

    def close(self):
        self.cells.release()
        for segment in (self.board, *self.segments.values()):
            try:
                segment.close()
            except BufferError:  # an array of the failed batch is still there; the process ends anyway
                pass


def ends_more_than_itself(error):
    """Returns whether an exception has a meaning of its own for who catches it: to end the program, or a loop."""
    return not isinstance(error, Exception) or isinstance(error, (StopIteration, StopAsyncIteration))


def _send_error(connection, key, error, item):
    text = traceback.format_exc()
    try:
        content = None
        if not ends_more_than_itself(error):
            content = pickle.dumps(error)
            pickle.loads(content)  # noqa: S301 - not every exception survives
    except Exception:
        content = None
    connection.send(("error", key, content, f"{type(error).__name__}: {error}", text, item))
