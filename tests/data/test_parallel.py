"""ParallelDataset: the same bits from any number of processes, and an exception in place of every hang."""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import keras
import numpy as np
import pytest

import keras_gans
from keras_gans.data import ParallelDataset, pool, shared_memory
from tests.data import sources

pytestmark = pytest.mark.one_backend

needs_shm = pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="shared memory is not a folder here")


def batches(dataset, epochs=1):
    with dataset:
        return [[np.array(leaf) for leaf in keras.tree.flatten(batch)] for _ in range(epochs) for batch in dataset]


def assert_equal(one, other):
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        for left, right in zip(first, second, strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


def children():
    """Returns the processes of ours, without multiprocessing's own tracker."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat, open(f"/proc/{entry}/cmdline") as command:
                fields, line = stat.read().rsplit(")", 1)[1].split(), command.read()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and "spawn_main" in line:
            found.append(int(entry))
    return found


def segments():
    return [name for name in os.listdir("/dev/shm") if name.startswith("kg_") and f"_{os.getpid()}_" in name]


def processes_of(script):
    """Returns the processes that were started with the environment variable SCRIPT of this path, or by such a one."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        try:
            with open(f"/proc/{process}/environ", "rb") as file:
                found += [process] if f"SCRIPT={script}\0".encode() in file.read() else []
        except OSError:
            pass  # it has just ended, or is somebody else's
    return found


def orphaned_segments():
    """Returns the segments whose process has ended: those of tests that run beside this one are still owned."""
    ours = f"kg_{shared_memory.process_space()}_"
    names = [name for name in os.listdir("/dev/shm") if name.startswith(ours)] if os.path.isdir("/dev/shm") else []
    return [name for name in names if not os.path.isdir("/proc/" + name.split("_")[2])]


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    if os.path.isdir("/proc") and (children() or segments()):
        gc.collect()  # of a dataset that nobody closed
        deadline = time.monotonic() + 10
        while (children() or segments()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not children() and not segments()


# What comes out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["shuffled", "in order", "transformed", "drop", "dicts"])
def test_every_number_of_workers_gives_the_same_bits(form):
    options = {
        "shuffled": {},
        "in order": {"shuffle": False},
        "transformed": {"transform": sources.four_draws, "source": sources.Draws()},
        "drop": {"drop_remainder": True},
        "dicts": {"source": sources.Dicts()},
    }[form]
    options = {"source": sources.Numbers(), "batch_size": 7, "seed": 5, **options}
    expected = batches(ParallelDataset(workers=0, **options), epochs=2)
    assert len(expected) == 2 * (5 if form == "drop" else 6)
    for workers in (1, 4):
        assert_equal(batches(ParallelDataset(workers=workers, **options), epochs=2), expected)


def test_order_and_random_streams_are_the_published_ones():
    dataset = ParallelDataset(sources.Draws(8), batch_size=8, workers=1, transform=sources.four_draws, seed=7)
    orders = {0: [0, 6, 7, 2, 4, 5, 1, 3], 1: [6, 3, 1, 0, 2, 4, 7, 5]}
    draws = {(0, 3): [414, 776, 458, 989], (1, 3): [594, 516, 214, 208], (0, 4): [167, 942, 757, 957]}
    found = batches(dataset, epochs=2)
    for (epoch, item), expected in draws.items():
        np.testing.assert_array_equal(found[epoch][0][orders[epoch].index(item)], expected)
    rows = batches(ParallelDataset(sources.Draws(8), batch_size=8, workers=0, seed=7), epochs=2)
    assert [list(row[0]) for row in rows] == [orders[0], orders[1]]


def test_every_item_comes_once_and_the_rest_is_the_last_batch():
    with ParallelDataset(sources.Numbers(40), batch_size=16, workers=2) as dataset:
        assert len(dataset) == 3
        found = list(dataset)
        assert [len(numbers) for _, numbers in found] == [16, 16, 8]
        assert sorted(np.concatenate([numbers for _, numbers in found])) == list(range(40))
        images, numbers = found[0]
        assert images.dtype == np.uint8 and images.shape == (16, 4, 4, 1)
        np.testing.assert_array_equal(images[:, 0, 0, 0], numbers)


def test_batches_can_be_asked_for_in_any_order():
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=4, workers=0))
    with ParallelDataset(sources.Numbers(), batch_size=4, workers=2) as dataset:
        for index in (3, 0, 1, 9, 0, 0, 5, -1):
            np.testing.assert_array_equal(dataset[index][1], expected[index][1])
        with pytest.raises(IndexError):
            dataset[10]


def test_what_was_given_out_is_never_overwritten():
    with ParallelDataset(sources.Numbers(), batch_size=4, workers=2) as dataset:
        kept = list(dataset)
        copies = [images.copy() for images, _ in kept]
        list(dataset)
        for (images, _), copy in zip(kept, copies, strict=True):
            np.testing.assert_array_equal(images, copy)


def test_a_resumed_epoch_is_the_rest_of_the_epoch():
    whole = batches(ParallelDataset(sources.Numbers(), batch_size=4, workers=0), epochs=3)
    with ParallelDataset(sources.Numbers(), batch_size=4, workers=2) as dataset:
        dataset.set_epoch(1, start=7)
        assert len(dataset) == 3
        np.testing.assert_array_equal(dataset[0][1], whole[17][1])
        dataset.set_epoch(1, start=7)
        found = [list(batch[1]) for _ in range(2) for batch in dataset]
    assert found == [list(batch[1]) for batch in whole[17:30]]


def test_a_break_leaves_the_dataset_usable():
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=4, workers=0))
    with ParallelDataset(sources.Numbers(), batch_size=4, workers=2) as dataset:
        for _, _ in dataset:
            break
        assert dataset.epoch == 0
        np.testing.assert_array_equal(next(iter(dataset))[1], expected[0][1])


@needs_shm
def test_slots_grow_with_the_batches_and_no_memory_goes_through_a_pipe(recwarn):
    expected = batches(ParallelDataset(sources.Growing(24), batch_size=4, workers=0, shuffle=False))
    assert_equal(batches(ParallelDataset(sources.Growing(24), batch_size=4, workers=2, shuffle=False)), expected)
    assert not list(recwarn)


def test_without_shared_memory_batches_go_through_the_pipe(monkeypatch):
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=8, workers=0))
    make = pool.Pool.segment

    def none_left(pool, size):
        if size > 100:
            raise OSError(28, "No space left on device")
        return make(pool, size)

    monkeypatch.setattr(pool.Pool, "segment", none_left)
    with pytest.warns(UserWarning, match="no shared memory for a batch of .* bytes .No space left"):
        assert_equal(batches(ParallelDataset(sources.Numbers(), batch_size=8, workers=2)), expected)


@needs_shm
def test_memory_is_bounded_by_the_prefetch():
    source = sources.Numbers(200, shape=(64, 64, 1))
    with ParallelDataset(source, batch_size=4, workers=2, prefetch=3) as dataset:
        for _ in dataset:
            sizes = [os.path.getsize(f"/dev/shm/{name}") for name in segments()]
            assert len(sizes) <= 5 and sum(sizes) < 4 * (4 * 4096 + 4096)


def test_workers_start_without_keras_and_with_one_thread_each():
    found = batches(ParallelDataset(sources.Modules(4), batch_size=4, workers=1))
    assert found[0][0].sum() == 0 and set(found[0][1]) == {int(os.environ.get("OMP_NUM_THREADS", 1))}


def test_workers_live_on_between_epochs_unless_told_otherwise():
    with ParallelDataset(sources.Numbers(), batch_size=8, workers=2) as dataset:
        list(dataset)
        first = children()
        list(dataset)
        assert len(first) == 2 and children() == first
    dataset = ParallelDataset(sources.Numbers(), batch_size=8, workers=2, persistent=False)
    for _ in range(2):
        assert len(list(dataset)) == 5 and not children() and not segments()


def test_forkserver_gives_the_same():
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=8, workers=0))
    options = {"batch_size": 8, "workers": 2, "start_method": "forkserver"}
    assert_equal(batches(ParallelDataset(sources.Numbers(), **options)), expected)


def test_it_can_be_pickled_while_it_runs():
    with ParallelDataset(sources.Numbers(), batch_size=8, workers=1) as dataset:
        first = dataset[0]
        with pickle.loads(pickle.dumps(dataset)) as other:
            np.testing.assert_array_equal(other[0][1], first[1])


def test_a_source_may_use_processes_itself():
    found = batches(ParallelDataset(sources.Nested(2), batch_size=2, workers=1, shuffle=False))
    np.testing.assert_array_equal(found[0][0], [0, 1])


# What goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_is_raised_with_its_traceback_and_its_item(workers):
    with ParallelDataset(sources.Fails(), batch_size=8, workers=workers, shuffle=False) as dataset:
        assert len(dataset[0][1]) == 8
        with pytest.raises(KeyError, match="no label for 11") as caught:
            dataset[1]
        assert "Raised while loading item 11 (epoch 0, batch 1)." in caught.value.__notes__
        if workers:
            assert "sources.py" in str(caught.value.__cause__) and "raise KeyError" in str(caught.value.__cause__)
        assert len(dataset[2][1]) == 8  # and the dataset goes on


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_what_would_end_the_program_or_a_loop_is_an_error_of_the_item(kind, workers):
    if kind is KeyboardInterrupt and workers == 0:
        return  # that may be the user's
    with ParallelDataset(sources.Ends(kind), batch_size=16, workers=workers, shuffle=False) as dataset:
        with pytest.raises(RuntimeError, match=rf"loading item 11 \(epoch 0, batch 0\), .* raised {kind.__name__}: 3"):
            list(dataset)


def test_an_exception_frees_workers_and_shared_memory_at_once():
    dataset = ParallelDataset(sources.Fails(), batch_size=8, workers=2, shuffle=False)
    dataset[0]
    pool = weakref.ref(dataset._pool)
    processes, prefix = [each.process for each in pool().state.workers], pool().prefix
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(KeyError) as caught:
            list(dataset)
        assert not any(process.is_alive() for process in processes)
        assert not os.path.isdir("/dev/shm") or not [name for name in os.listdir("/dev/shm") if prefix in name]
        del caught, dataset
        assert pool() is None  # nothing that refers to itself is left
    finally:
        gc.enable()


def test_an_exception_that_cannot_be_sent_arrives_in_words():
    with ParallelDataset(sources.FailsUnusually(), workers=1) as dataset:
        with pytest.raises(RuntimeError, match="Unusual: first"):
            dataset[0]


def test_the_file_of_an_item_is_named():
    source = sources.Fails()
    source.paths = [f"/pictures/{i}.png" for i in range(40)]
    with ParallelDataset(source, workers=1) as dataset, pytest.raises(KeyError) as caught:
        dataset[0]
    assert "item 11 ('/pictures/11.png')" in caught.value.__notes__[0]


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_dead_worker_is_replaced_and_its_batch_is_the_same(tmp_path, how):
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=4, workers=0), epochs=2)
    source = sources.Dies(str(tmp_path / "died"), times=2, how=how)
    assert_equal(batches(ParallelDataset(source, batch_size=4, workers=2), epochs=2), expected)
    assert (tmp_path / "died").read_text() == "xx"


@pytest.mark.parametrize("how, words", [("exit", "exit code 3"), ("kill", "killed by SIGKILL")])
def test_an_item_that_kills_every_worker_is_named(tmp_path, how, words):
    source = sources.Dies(str(tmp_path / "died"), times=99, how=how)
    with ParallelDataset(source, batch_size=4, workers=2, shuffle=False, max_restarts=1) as dataset:
        dataset[0]
        with pytest.raises(
            RuntimeError, match=rf"died \({words}\) while loading item 11, in epoch 0, batch 2, 2 times"
        ):
            dataset[2]


def test_idle_workers_that_are_killed_are_replaced():
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=4, workers=0), epochs=2)
    with ParallelDataset(sources.Numbers(), batch_size=4, workers=2) as dataset:
        found = [batch[1] for batch in dataset]
        for process in children():
            os.kill(process, signal.SIGKILL)
        found += [batch[1] for batch in dataset]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other[1])


def test_an_endless_item_is_a_timeout_with_its_name():
    with ParallelDataset(sources.Hangs(), batch_size=4, workers=2, shuffle=False, timeout=1.5) as dataset:
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match=r"loading item 11 for more than 1.5 seconds \(`timeout`\)"):
            list(dataset)
        assert time.monotonic() - begun < 20
        assert len(dataset[0][1]) == 4  # new workers


def test_a_source_that_cannot_be_opened_in_a_worker():
    with ParallelDataset(sources.Unreadable(), workers=1) as dataset:
        with pytest.raises(OSError, match="the archive is gone") as caught:
            dataset[0]
    assert "while a worker read the source" in caught.value.__notes__[0]


@pytest.fixture
def ctrl_c():
    """SIGINT raises a KeyboardInterrupt, also where a shell started the tests in the background and had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_workers_at_once(ctrl_c):
    dataset = ParallelDataset(sources.Slow(4000), batch_size=2000, workers=2)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        dataset[0]
    assert time.monotonic() - begun < 5 and not children() and not segments()


# For scripts whose processes need not know Keras: importing it and TensorFlow takes seconds in each of them.
WITHOUT_KERAS = f"""\
import sys, types
class PyDataset:
    def __init__(self, **options):
        pass
keras, package = types.ModuleType("keras"), types.ModuleType("keras_gans")
keras.utils, package.__path__ = types.SimpleNamespace(PyDataset=PyDataset), [{os.path.dirname(keras_gans.__file__)!r}]
sys.modules.update(keras=keras, keras_gans=package)
"""
WITH_KERAS = ("end of the script", "forked")  # which ends threads of its own, or is forked with them
SCRIPTS = {
    "end of the script": "dataset[0]",
    "exception": "dataset[0]\nraise SystemExit('gone')",
    "killed": "dataset[0]\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "in a daemon": """
        import multiprocessing
        process = multiprocessing.get_context('spawn').Process(target=use, daemon=True)
        process.start(); process.join(); assert process.exitcode == 0""",
    "nested": """
        import multiprocessing
        process = multiprocessing.get_context('spawn').Process(target=use_workers)
        process.start(); process.join(); assert process.exitcode == 0""",
    "forked": """
        import os
        first = dataset[0][1]
        child = os.fork()
        if child == 0:
            assert (dataset[0][1] == first).all() and len(dataset[1][1])
            dataset.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert len(dataset[1][1]) == 8""",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_process_and_no_segment_outlives_the_script(tmp_path, name):
    script = tmp_path / "script.py"
    body = textwrap.indent(textwrap.dedent(SCRIPTS[name]), "    ")
    script.write_text(
        ("" if name in WITH_KERAS else WITHOUT_KERAS) + "from keras_gans.data.parallel import ParallelDataset\n"
        "from tests.data.sources import Numbers\n"
        "def use():\n"
        "    try:\n        ParallelDataset(Numbers(), workers=1)[0]\n"
        "    except RuntimeError as error:\n        assert 'daemonic process cannot start workers' in str(error)\n"
        "    else:\n        raise SystemExit(1)\n"
        "def use_workers():\n    ParallelDataset(Numbers(), workers=1)[0]\n"
        "if __name__ == '__main__':\n"
        f"    dataset = ParallelDataset(Numbers(), batch_size=8, workers={1 if name in WITH_KERAS else 2})\n" + body
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "SCRIPT": str(script)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=environment)
    expected = {"exception": 1, "killed": -signal.SIGKILL}.get(name, 0)
    assert done.returncode == expected, done.stderr
    assert "leaked" not in done.stderr or name == "killed"
    deadline = time.monotonic() + 10  # after a kill, the tracker cleans up
    while (processes_of(script) or orphaned_segments()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_of(script) and not orphaned_segments()


def test_a_missing_guard_is_explained(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        WITHOUT_KERAS + "from keras_gans.data.parallel import ParallelDataset\n"
        "class Mine:\n    def __len__(self):\n        return 9\n"
        "    def __getitem__(self, index):\n        return index\n"
        "print(ParallelDataset(Mine(), workers=1)[0])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1
    assert 'under the guard `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def test_what_is_defined_in_a_notebook_is_explained_and_the_rest_works_there():
    code = (
        WITHOUT_KERAS
        + """
from keras_gans.data.parallel import ParallelDataset
from tests.data.sources import Numbers
print(len(ParallelDataset(Numbers(), batch_size=8, workers=1)[0][1]))
class Mine(Numbers):
    pass
ParallelDataset(Mine(), workers=1)[0]
"""
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", code]  # a script without a file, as a notebook is
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout == "8\n" and done.returncode == 1
    assert "must be defined in a module (a .py file)" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"source": 3}, "`source` must have __len__"),
        ({"source": []}, "`source` must hold at least one item"),
        ({"workers": -1}, "`workers` must be an integer of at least 0"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"batch_size": 41, "drop_remainder": True}, "`batch_size` must be at most the 40 items"),
        ({"start_method": "fork"}, "a forked process inherits locked locks"),
        ({"start_method": "spwan"}, "Did you mean 'spawn'"),
        ({"transform": 3}, "`transform` must be callable"),
        ({"transform": lambda item, rng: item}, "`source` and `transform` must be picklable"),
        ({"timeout": 0}, "`timeout` must be a number greater than 0"),
        ({"prefetch": -2}, "`prefetch` must be a positive integer"),
        ({"seed": -2}, "`seed` must be an integer of at least 0"),
    ],
)
def test_bad_arguments_are_refused_with_words(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        ParallelDataset(**{"source": sources.Numbers(), **options})


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "source, words",
    [
        (sources.Ragged(), r"Item 17 is float64 \(4,\), item 16 is float64 \(3,\)"),
        (sources.Lists(), "must be an array, a number, or a tuple or dict of these"),
    ],
)
def test_items_that_do_not_fit_are_named(source, words, workers):
    with ParallelDataset(source, batch_size=8, workers=workers, shuffle=False) as dataset:
        with pytest.raises((TypeError, ValueError), match=words):
            list(dataset)


def test_an_epoch_that_is_not_there():
    with pytest.raises(ValueError, match="`start` must be below the 5 batches of an epoch. Received: start=5"):
        ParallelDataset(sources.Numbers(), batch_size=8).set_epoch(0, start=5)


# In Keras -------------------------------------------------------------------------------------------------------


class Seen(keras.layers.Layer):
    """Writes down which images come by."""

    def __init__(self):
        super().__init__()
        self.total = self.add_weight(shape=(40,), initializer="zeros", trainable=False)

    def call(self, images):
        rows = keras.ops.one_hot(keras.ops.cast(images[:, 0, 0, 0], "int32"), 40)
        self.total.assign_add(keras.ops.sum(rows, axis=0))
        return keras.ops.cast(images, "float32")[:, :1, 0, 0]


@pytest.mark.all_backends
@pytest.mark.parametrize("workers", [0, 2])
def test_fit_of_any_model_sees_every_item_once_per_epoch(workers):
    seen = Seen()
    model = keras.Sequential([keras.Input((4, 4, 1), dtype="uint8"), seen, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with ParallelDataset(sources.Numbers(), batch_size=8, workers=workers) as dataset:
        model.fit(dataset, epochs=3, shuffle=False, verbose=0)
        assert dataset.epoch == 2
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(seen.total), 3)
        history = model.evaluate(dataset, verbose=0)
    assert json.dumps(history)


@pytest.mark.one_backend("tensorflow")
def test_as_tf_data_it_is_the_same():
    expected = batches(ParallelDataset(sources.Numbers(), batch_size=16, workers=0), epochs=2)
    with ParallelDataset(sources.Numbers(), batch_size=16, workers=2) as dataset:
        found = dataset.to_tf_dataset()
        assert found.element_spec[0].shape.as_list() == [None, 4, 4, 1]
        assert_equal([list(map(np.array, batch)) for batch in found.repeat(2).as_numpy_iterator()], expected)


def test_as_tf_data_without_tensorflow_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # as if it were not installed
    with pytest.raises(ImportError, match="`to_tf_dataset` needs TensorFlow, which is not installed"):
        ParallelDataset(sources.Numbers(), workers=0).to_tf_dataset()


# Generators -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_generator_is_replayed_by_epoch_and_taken_up_within_one(workers):
    dataset = ParallelDataset.from_generator(sources.generated, batches=4, workers=workers)
    found = batches(dataset, epochs=2)
    places = [10 * epoch + place for epoch in range(2) for place in range(4)]
    assert [int(images[0, 0, 0, 0]) for images, _ in found] == places
    assert [labels[0] for _, labels in found] == [place % 10 for place in places]
    dataset.set_epoch(1, start=2)  # as a resumed run does
    assert_equal(batches(dataset), found[6:])
    dataset.set_epoch(0)
    assert len(dataset) == 4
    assert_equal(batches(dataset), found[:4])
    with dataset:
        assert int(dataset[2][0].max()) == 12 and int(dataset[0][0].max()) == 10  # in any order, by beginning again


@pytest.mark.parametrize("workers", [0, 1])
def test_a_generator_that_ends_early_or_raises_is_named(workers):
    with pytest.raises(ValueError, match="The generator of epoch 0 ended after 2 batches. .*Received: batches=3"):
        batches(ParallelDataset.from_generator(sources.short, batches=3, workers=workers))
    with pytest.raises(OSError, match="the camera is gone") as raised:
        batches(ParallelDataset.from_generator(sources.broken, batches=3, workers=workers))
    assert "epoch 0, batch 2" in " ".join(raised.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((sources.short, 0), ValueError, "`batches` must be a positive integer"),
        ((sources.short, 2, 2), ValueError, "`workers` must be 0 or 1"),
        ((lambda: iter(()), 2), TypeError, r"`factory` must be a function of the epoch, factory\(epoch\)"),
        ((sources.short(0), 2), TypeError, "`factory` must be a function of the epoch"),
        ((lambda epoch: iter(()), 2), ValueError, "`factory` must be picklable"),
    ],
)
def test_what_is_no_factory_of_generators_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        ParallelDataset.from_generator(*arguments)


def test_a_model_trains_on_a_generator():
    model = keras_gans.create("gan", (4, 4, 1), 2, network="mlp", network_options={"width": 4, "depth": 1})
    model.compile(run_eagerly=True)
    dataset = ParallelDataset.from_generator(sources.unlabelled, batches=3)
    with dataset:
        model.fit(dataset, epochs=2, verbose=0)
    assert int(model.optimizer.of("generator").iterations) == 6
