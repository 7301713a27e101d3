"""Every batch of a dataset is checked on its way, whatever the dataset is, and none is lost by looking."""

import pickle

import keras
import numpy as np
import pytest

import keras_gans as kg
from keras_gans.engine import batch_check, streams
from tests.conftest import BACKEND
from tests.laws import small

IMAGES = small.data(12)[0].astype("float32") / 127.5 - 1
LABELS = np.arange(12) % small.CLASSES


class Batches(keras.utils.PyDataset):
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels

    def __len__(self):
        return 3

    def __getitem__(self, i):
        rows = slice(4 * i, 4 * i + 4)
        return self.images[rows], self.labels[rows]


def forms(images, labels):
    """Returns `{name: dataset}` of three batches of four pairs."""
    pairs = [(images[i : i + 4], labels[i : i + 4]) for i in (0, 4, 8)]
    found = {"py_dataset": lambda: Batches(images, labels), "generator": lambda: (pair for pair in pairs)}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        found["tf_data"] = lambda: tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    if BACKEND == "torch":
        import torch

        rows = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
        found["loader"] = lambda: torch.utils.data.DataLoader(rows, batch_size=4)
    return found


NAMES = [*forms(IMAGES, LABELS)]


def model():
    return small.shared("gan", num_classes=small.CLASSES)


@pytest.mark.parametrize("form", NAMES)
def test_sound_batches_train_as_arrays_do_and_none_is_lost(form):
    arrays = model()
    arrays.fit(IMAGES, LABELS, batch_size=4, shuffle=False, verbose=0)
    expected = small.weights(arrays)
    stream = model()
    stream.fit(forms(IMAGES, LABELS)[form](), shuffle=False, verbose=0)
    small.assert_same(expected, small.weights(stream), atol=1e-6)


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"image": 200.0}, "`images` must be .*Received: floats from -1 to 200"),
        ({"image": np.nan}, "`images` must be .*(finite|nan)"),
        ({"label": 7}, r"`labels` must be in 0..2"),
        ({"label": -1}, r"`labels` must be in 0..2"),
    ],
)
def test_a_late_batch_is_refused_in_the_same_words(form, wrong, words):
    images, labels = IMAGES.copy(), LABELS.copy()
    images[0, 0, 0, 0], images[8, 0, 0, 0] = -1.0, -1.0
    images[9, 0, 0, 0], labels[9] = wrong.get("image", 0.0), wrong.get("label", 0)
    for call in ("fit", "evaluate"):
        stream = model()
        with pytest.raises(ValueError, match=words) as caught:
            getattr(stream, call)(forms(images, labels)[form](), verbose=0)
        assert form == "tf_data" or "Batch 3: " in str(caught.value)
        assert all(np.isfinite(weight).all() for weight in small.weights(stream))


def test_a_bright_batch_is_no_mistake():
    """Only the first batch is asked whether its floats span [-1, 1]: a later one may be bright."""
    check = batch_check.BatchCheck((2, 2, 1), 0)
    bright = np.full((3, 2, 2, 1), 0.5, "float32")
    bright[0] = 0.9
    assert check(bright, 1) is bright
    with pytest.raises(ValueError, match="looks like floats in 0..1"):
        check.first(bright)


def test_a_checked_dataset_is_in_everything_else_the_given_one():
    inner = kg.data.ParallelDataset(list(small.data(8)[0]), batch_size=4, workers=0)
    outer = streams.CheckedDataset(inner, batch_check.BatchCheck(small.SHAPE, 0))
    assert len(outer) == len(inner) and outer.num_batches == inner.num_batches
    outer.set_epoch(3, 1)
    assert len(inner) == len(outer) == 1
    again = pickle.loads(pickle.dumps(streams.CheckedDataset(Batches(IMAGES, LABELS), outer.check)))
    assert len(again) == 3 and again.check.image_shape == small.SHAPE


def test_a_source_without_batches_is_named():
    with pytest.raises(ValueError, match="The dataset given to `fit` yields no batch"):
        model().fit((batch for batch in ()), verbose=0)


def test_after_a_resumed_run_a_later_fit_trains(tmp_path):
    images = small.data()[0]
    first = small.shared("gan")
    first.fit(images, batch_size=4, epochs=2, callbacks=[kg.callbacks.Checkpoint(tmp_path)], verbose=0)
    resumed = small.shared("gan", seed=3, copy=1)
    resumed.fit(images, batch_size=4, epochs=3, callbacks=[kg.callbacks.Checkpoint(tmp_path)], verbose=0)
    before = small.weights(resumed)
    history = resumed.fit(images, batch_size=4, epochs=1, verbose=0)
    assert history.epoch == [0] and any(small.moved(before, small.weights(resumed)))
