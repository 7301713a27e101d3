"""Many epochs while workers are killed and consumers break off: every epoch is complete and the same.

The short form runs with the other tests; the long one is `pytest tests/soak --soak 500`.
"""

import gc
import os
import random
import signal
import threading
import time

import numpy as np
import pytest

from keras_gans.data import ParallelDataset
from tests.data import sources
from tests.data.test_parallel import children, segments

pytestmark = pytest.mark.one_backend


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads the list of processes from /proc")
def test_every_epoch_is_whole_whatever_is_killed(request):
    epochs = request.config.getoption("--soak")
    rng = random.Random(0)
    options = {"batch_size": 7, "transform": sources.four_draws, "seed": 3, "max_restarts": 100}
    reference = ParallelDataset(sources.Draws(60), workers=0, **options)
    others = {*children(), *segments()}  # of datasets that tests before this one have left open
    dataset = ParallelDataset(sources.Draws(60), workers=4, timeout=60, **options)
    done, killed, broken = threading.Event(), 0, 0

    def kill():
        nonlocal killed
        while not done.wait(rng.expovariate(1.5)):  # a worker needs a second to start where two cores are busy
            found = [process for process in children() if process not in others]
            if found:
                try:
                    os.kill(rng.choice(found), rng.choice([signal.SIGKILL, signal.SIGTERM]))
                    killed += 1
                except ProcessLookupError:
                    pass

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for epoch in range(epochs):
            if epoch % 5 == 2:  # a consumer that breaks off, and comes back
                dataset.set_epoch(epoch)
                for number, _ in enumerate(dataset):
                    if number == rng.randrange(9):
                        break
                broken += 1
            if rng.random() < 0.02:
                dataset.close()
            time.sleep(0.02)
            start = rng.choice([0, 0, 3])
            dataset.set_epoch(epoch, start)
            reference.set_epoch(epoch, start)
            found, expected = list(dataset), list(reference)
            assert len(found) == len(expected) == 9 - start
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
    finally:
        done.set()
        killer.join()
        dataset.close()
    assert killed and broken
    del dataset
    gc.collect()
    assert {*children(), *segments()} <= others
