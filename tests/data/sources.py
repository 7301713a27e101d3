"""Sources for the tests of ParallelDataset: in a module, since workers import them."""

import multiprocessing
import os
import signal
import time

import numpy as np


class Numbers:
    """Item i is (an image of the value i, i)."""

    def __init__(self, count=40, shape=(4, 4, 1)):
        self.count, self.shape = count, shape

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return np.full(self.shape, index % 256, np.uint8), index


class Draws(Numbers):
    def __getitem__(self, index):
        return index


def four_draws(item, rng):
    del item
    return rng.integers(0, 1000, 4)


class Dicts(Numbers):
    def __getitem__(self, index):
        return {"image": np.full(3, index, np.float32), "label": index % 3}


class Ragged(Numbers):
    def __getitem__(self, index):
        return np.zeros(4 if index == 17 else 3)


class Growing(Numbers):
    """Batches of different sizes."""

    def __getitem__(self, index):
        return np.full(10 ** (1 + index // 4), index, np.float32)


class Lists(Numbers):
    def __getitem__(self, index):
        return {"words": object()}


class Fails(Numbers):
    def __getitem__(self, index):
        if index == 11:
            raise KeyError(f"no label for {index}")
        return super().__getitem__(index)


class Unusual(Exception):
    """Cannot be unpickled: its constructor takes two arguments."""

    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


class FailsUnusually(Numbers):
    def __getitem__(self, index):
        raise Unusual("first", "second")


class Ends(Numbers):
    """Raises at item 11 what would end the program, or a loop, that asks for it."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __getitem__(self, index):
        if index == 11:
            raise self.kind(3)
        return super().__getitem__(index)


class Dies(Numbers):
    """Kills its own process at item 11, as often as the file `counter` says."""

    def __init__(self, counter, times, how):
        super().__init__()
        self.counter, self.times, self.how = counter, times, how

    def __getitem__(self, index):
        if index == 11:
            with open(self.counter, "a+") as file:
                file.seek(0)
                died = len(file.read())
                if died < self.times:
                    file.write("x")
                    file.flush()
                    if self.how == "exit":
                        os._exit(3)
                    os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


class Hangs(Numbers):
    def __getitem__(self, index):
        while index == 11:
            time.sleep(0.1)
        return super().__getitem__(index)


class Slow(Numbers):
    def __getitem__(self, index):
        time.sleep(0.02)
        return super().__getitem__(index)


def square(value):
    return value * value


class Nested(Numbers):
    """Uses a pool of processes itself."""

    def __getitem__(self, index):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(square, [index])[0]


class Modules(Numbers):
    """Says whether the worker has imported Keras, and how many threads it may use."""

    def __getitem__(self, index):
        import sys

        return int("keras" in sys.modules), int(os.environ["OMP_NUM_THREADS"])


class Unreadable(Numbers):
    def __setstate__(self, state):
        raise OSError("the archive is gone")


def generated(epoch):
    """Endless batches of (images, labels) that tell their epoch and place."""
    for place in range(10**6):
        yield np.full((3, 4, 4, 1), 10 * epoch + place, "uint8"), np.arange(3) + place


def unlabelled(epoch):
    for images, _ in generated(epoch):
        yield images


def short(epoch):
    del epoch
    yield np.zeros((2, 4), "float32")
    yield np.ones((2, 4), "float32")


def broken(epoch):
    yield from short(epoch)
    raise OSError("the camera is gone")
