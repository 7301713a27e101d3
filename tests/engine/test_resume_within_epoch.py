"""A run that stopped in the middle of an epoch goes on with the rest of its batches, bit for bit."""

import functools

import keras
import pytest

import keras_gans as kg
from tests.laws import small

IMAGES, LABELS = small.data(20)  # 5 steps of 4


class Stop(Exception):
    pass


class StopAfter(keras.callbacks.Callback):
    """Stops the process, as it were, after so many steps."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Stop


class Rows:
    """Images by number, as user code has them."""

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        return IMAGES[index]


def parallel(seed=3):
    return kg.data.ParallelDataset(Rows(), batch_size=4, workers=0, seed=seed)


def new(copy=0):
    return small.shared("gan", copy=copy)


@functools.cache
def straight(form, epochs=2):
    """Returns the state of a run that nothing stopped."""
    model = new()
    model.fit(**FORMS[form](), epochs=epochs, verbose=0)
    return small.everything(model)


FORMS = {
    "arrays": lambda: {"x": IMAGES, "batch_size": 4},
    "arrays over several passes": lambda: {"x": IMAGES, "batch_size": 4, "steps_per_epoch": 7},
    "parallel": lambda: {"x": parallel()},
}


@pytest.mark.parametrize("steps", [1, 4, 8])
@pytest.mark.parametrize("form", FORMS)
def test_the_rest_of_the_epoch_follows(tmp_path, recwarn, form, steps):
    expected, stopped = straight(form), new()
    checkpoint = kg.callbacks.Checkpoint(tmp_path, minutes=0)
    with pytest.raises(Stop):
        stopped.fit(**FORMS[form](), epochs=2, verbose=0, callbacks=[checkpoint, StopAfter(steps)])
    resumed, seen = new(copy=1), []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    resumed.fit(**FORMS[form](), epochs=2, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path, minutes=0), count])
    assert not [warning for warning in recwarn if "ran out of data" in str(warning.message)]
    per_epoch = 7 if form == "arrays over several passes" else 5
    assert len(seen) == 2 * per_epoch - steps
    small.assert_same(expected, small.everything(resumed), atol=1e-6)
    assert int(resumed.epochs_done.value) == 2 and resumed.steps_into_epoch == 0


def test_a_file_of_the_last_step_begins_the_next_epoch(tmp_path):
    path = tmp_path / "m.weights.h5"
    expected = straight("arrays")
    first = new()
    save = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: first.save_weights(path))
    first.fit(IMAGES, batch_size=4, epochs=1, verbose=0, callbacks=[save])
    second = new(copy=1)
    second.load_weights(path)
    second.fit(IMAGES, batch_size=4, epochs=1, verbose=0)
    small.assert_same(expected, small.everything(second), atol=1e-6)


def test_other_datasets_begin_the_epoch_again_and_say_so(tmp_path):
    path = tmp_path / "m.weights.h5"
    first = new()
    with pytest.raises(Stop):
        first.fit(IMAGES, batch_size=4, verbose=0, callbacks=[StopAfter(3)])
    first.save_weights(path)
    second, seen = new(copy=1), []
    second.load_weights(path)

    class Plain(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            seen.append(index)
            return (IMAGES[4 * index : 4 * index + 4],)

    with pytest.warns(UserWarning, match="saved after 3 steps of an epoch"):
        second.fit(Plain(), verbose=0)
    assert second.steps_into_epoch == 0 and sorted(set(seen)) == [0, 1, 2, 3, 4]


def test_steps_per_epoch_is_refused_where_the_dataset_has_its_own():
    with pytest.raises(ValueError, match="`steps_per_epoch` is not used with a ParallelDataset"):
        new().fit(parallel(), steps_per_epoch=3)
