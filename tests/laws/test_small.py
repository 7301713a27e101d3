"""The models that the tests share come back as they were built, and a test that spoils one is told so."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.laws import small


def test_copies_and_averages_are_models_of_their_own():
    models = [small.shared("gan"), small.shared("gan", copy=1), small.shared("gan", decay=0.9)]
    assert len(set(map(id, models))) == 3 and models[2].averages[0].decay == 0.9
    small.spoil(models[2])
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
