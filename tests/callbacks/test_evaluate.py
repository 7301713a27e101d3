"""Scores during training: when they are taken, what they see, and which model is kept."""

import json
import os

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.laws import small

IMAGES, _ = small.data()


def fit(callbacks, epochs=4):
    averaged = any(isinstance(callback, kg.callbacks.WeightMovingAverage) for callback in callbacks)
    model = small.shared("gan", decay=0.9 if averaged else None)
    history = model.fit(IMAGES, batch_size=4, epochs=epochs, callbacks=callbacks, verbose=0).history
    return model, history


def scripted(values):
    queue = iter(values)
    return lambda model: next(queue)


def test_scores_go_into_the_logs_and_the_best_model_is_kept(tmp_path):
    pictures = []

    def score(model):
        pictures.append(model.generate(2, seed=0))
        return [3.0, 1.0, float("nan"), 2.0][len(pictures) - 1]

    callback = kg.callbacks.Evaluate(score, folder=tmp_path, name="distance")
    _, history = fit([callback])
    np.testing.assert_array_equal(history["distance"], [3.0, 1.0, np.nan, 2.0])
    assert callback.best == 1.0
    assert json.loads((tmp_path / "best.json").read_text()) == {"score": 1.0, "epoch": 2, "distance": 1.0}
    best = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(best.generate(2, seed=0), pictures[1])


@pytest.mark.one_backend
def test_nan_is_never_the_best():
    callback = kg.callbacks.Evaluate(scripted([float("nan"), 3.0]))
    fit([callback], epochs=2)
    assert callback.best == 3.0


@pytest.mark.one_backend
def test_a_resumed_run_does_not_replace_a_better_model(tmp_path):
    fit([kg.callbacks.Evaluate(scripted([1.0]), folder=tmp_path)], epochs=1)
    fit([kg.callbacks.Evaluate(scripted([2.0]), folder=tmp_path)], epochs=1)
    assert json.loads((tmp_path / "best.json").read_text())["score"] == 1.0


def test_the_function_and_the_saved_model_have_the_averaged_weights(tmp_path):
    average, seen = kg.callbacks.WeightMovingAverage(0.9), []

    def score(model):
        seen.append(small.weights(model))
        return 0.0

    model, _ = fit([average, kg.callbacks.Evaluate(score, average=average, folder=tmp_path)], epochs=1)
    assert any(small.moved(small.weights(model), seen[0]))
    small.assert_same(seen[0], small.weights(keras.models.load_model(tmp_path / "best.keras")))
    with average.applied():
        small.assert_same(seen[0], small.weights(model))


@pytest.mark.one_backend
def test_it_is_called_every_so_many_epochs_and_at_the_end():
    callback = kg.callbacks.Evaluate(lambda model: {"a": 1.0, "b": 2.0}, every=3, monitor="b", mode="max")
    fit([callback], epochs=4)
    assert [row["epoch"] for row in callback.history] == [3, 4] and callback.best == 2.0


def test_it_works_on_any_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = kg.callbacks.Evaluate(lambda model: float(model.count_params()))
    history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[callback]).history
    assert history["score"] == [3.0]


@pytest.mark.one_backend
@pytest.mark.parametrize("damaged", ["", "[]", '{"score": "low"}', '{"epoch": 1}'])
def test_a_damaged_record_of_the_best_is_named_and_the_best_stays(tmp_path, damaged):
    (tmp_path / "best.json").write_text(damaged)
    callback = kg.callbacks.Evaluate(len, folder=tmp_path)
    with pytest.raises(ValueError, match="best.json is damaged"):
        callback.on_train_begin()


@pytest.mark.one_backend
def test_the_best_of_any_model_goes_only_when_the_next_one_stands(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    callback = kg.callbacks.Evaluate(lambda model: 1.0, folder=tmp_path)
    callback.set_model(model)
    callback.on_epoch_end(0)
    before = (tmp_path / "best.keras").read_bytes()

    def half(path):
        with open(path, "wb") as file:
            file.write(before[:100])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", half)
    callback.best = 2.0
    with pytest.raises(OSError) as raised:
        callback.on_epoch_end(1)
    assert raised.value.filename == str(tmp_path / "best.keras")
    assert (tmp_path / "best.keras").read_bytes() == before and len(os.listdir(tmp_path)) == 2


@pytest.mark.one_backend
def test_bad_arguments_are_refused_with_words():
    with pytest.raises(TypeError, match="`function` must be callable"):
        kg.callbacks.Evaluate("fid")
    with pytest.raises(ValueError, match="`mode` must be one of 'min', 'max'"):
        kg.callbacks.Evaluate(len, mode="least")
    with pytest.raises(ValueError, match="`monitor` must be one of 'fid', 'kid'. Did you mean 'fid'"):
        fit([kg.callbacks.Evaluate(lambda model: {"fid": 1.0, "kid": 2.0}, monitor="fit")], epochs=1)
