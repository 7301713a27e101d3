"""The models that the tests share come back as they were built, and a test that spoils one is told so."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.laws import small

IMAGES, _ = small.data()


def spoil(model):
    """Trains, breaks off in the middle of an epoch, and changes what no training changes."""
    model.fit(IMAGES, batch_size=4, epochs=2, validation_data=(IMAGES,), verbose=0)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(IMAGES, batch_size=4, validation_data=(IMAGES,), callbacks=[Stop()], verbose=0)
    model.optimizer.learning_rate = 7.0
    model.resume_at = model._initial_epoch = 3


@pytest.mark.parametrize("name", kg.list_models())
def test_a_shared_model_comes_back_as_it_was_built(name):
    built = small.build(name)
    expected, weights = small.everything(built), small.weights(built)
    model = small.shared(name)
    spoil(model)
    assert any(small.moved(weights, small.weights(model))) and model.steps_into_epoch == 1
    assert small.shared(name) is model
    small.assert_same(expected, small.everything(model))
    assert (model.steps_into_epoch, model.resume_at, model._initial_epoch) == (0, 0, None)
    assert all(float(mean.count) == 0 for mean in model.means)
    other = small.shared(name, seed=2)
    assert other is model and any(small.moved(weights, small.weights(model)))
    small.assert_same(small.everything(small.build(name, seed=2)), small.everything(other))


def test_copies_and_averages_are_models_of_their_own():
    models = [small.shared("gan"), small.shared("gan", copy=1), small.shared("gan", decay=0.9)]
    assert len(set(map(id, models))) == 3 and models[2].averages[0].decay == 0.9
    spoil(models[2])
    (average,) = small.shared("gan", decay=0.9).averages
    assert int(average.steps) == 0
    for ours, weight in zip(average.averages, models[2].generator.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(weight))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda model: model.compile(), "has compiled a shared gan"),
        (lambda model: setattr(model, "report", print), "has replaced {'report'} of a shared gan"),
        (lambda model: model.add_average(kg.engine.WeightAverage(0.5)), "has given an average to a shared gan"),
    ],
)
def test_a_test_that_spoils_a_shared_model_is_told_so(change, words, monkeypatch):
    monkeypatch.setattr(small, "KEPT", {})
    change(small.shared("gan"))
    with pytest.raises(AssertionError, match=words):
        small.shared("gan")
    small.shared("gan")  # a new one
