"""A run that stopped in the middle of an epoch goes on with the rest of its batches, bit for bit."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.laws import small

IMAGES, LABELS = small.data(40)  # 10 steps of 4


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


def new():
    keras.utils.set_random_seed(1)
    model = small.build("gan")
    model.compile()
    return model


def state(model):
    return [np.array(v.value if keras.config.backend() != "torch" else v.value.detach()) for v in model.variables]


FORMS = {
    "arrays": lambda: {"x": IMAGES, "batch_size": 4},
    "arrays over several passes": lambda: {"x": IMAGES, "batch_size": 4, "steps_per_epoch": 13},
    "parallel": lambda: {"x": parallel()},
}


@pytest.mark.parametrize("steps", [1, 9, 14])
@pytest.mark.parametrize("form", FORMS)
def test_the_rest_of_the_epoch_follows(tmp_path, recwarn, form, steps):
    straight = new()
    straight.fit(**FORMS[form](), epochs=3, verbose=0)
    stopped = new()
    checkpoint = kg.callbacks.Checkpoint(tmp_path, minutes=0)
    with pytest.raises(Stop):
        stopped.fit(**FORMS[form](), epochs=3, verbose=0, callbacks=[checkpoint, StopAfter(steps)])
    resumed, seen = new(), []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    resumed.fit(**FORMS[form](), epochs=3, verbose=0, callbacks=[kg.callbacks.Checkpoint(tmp_path, minutes=0), count])
    assert not [warning for warning in recwarn if "ran out of data" in str(warning.message)]
    per_epoch = 13 if form == "arrays over several passes" else 10
    assert len(seen) == 3 * per_epoch - steps
    for one, other in zip(state(straight), state(resumed), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert int(resumed.epochs_done.value) == 3 and resumed.steps_into_epoch == 0


def test_a_file_of_the_last_step_begins_the_next_epoch(tmp_path):
    path = tmp_path / "m.weights.h5"
    first = new()
    save = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: first.save_weights(path))
    first.fit(IMAGES, batch_size=4, epochs=1, verbose=0, callbacks=[save])
    second, straight = new(), new()
    second.load_weights(path)
    second.fit(IMAGES, batch_size=4, epochs=1, verbose=0)
    straight.fit(IMAGES, batch_size=4, epochs=2, verbose=0)
    for one, other in zip(state(straight), state(second), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_other_datasets_begin_the_epoch_again_and_say_so(tmp_path):
    path = tmp_path / "m.weights.h5"
    first = new()
    with pytest.raises(Stop):
        first.fit(IMAGES, batch_size=4, verbose=0, callbacks=[StopAfter(3)])
    first.save_weights(path)
    second, seen = new(), []
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
