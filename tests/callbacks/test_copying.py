"""A copied list of callbacks is a fresh one with the same arguments."""

import copy

import keras

import keras_gans as kg
from tests.laws import small

IMAGES, _ = small.data(8)


def listed(folder):
    average = kg.callbacks.WeightMovingAverage(0.9)
    return [
        average,
        kg.callbacks.SampleGrid(folder / "samples", count=4, average=average),
        kg.callbacks.Checkpoint(folder / "checkpoints"),
        kg.callbacks.Evaluate(lambda model: 1.0, average=average),
        kg.callbacks.Health(IMAGES, every=1),
        kg.callbacks.Inspect(IMAGES[:4], "generator", every=1),
    ]


def test_copies_of_fresh_and_of_used_callbacks_work_alike(tmp_path):
    original = listed(tmp_path / "original")
    for turn in range(2):
        copies = copy.deepcopy(original)
        assert [type(each) for each in copies] == [type(each) for each in original]
        average, grid, checkpoint, evaluate, health, watch = copies
        assert grid.average is average is evaluate.average and average is not original[0]
        assert average.average.decay == 0.9 and not hasattr(average.average, "averages")
        assert health.looks == [] and watch.history == {} and evaluate.function is original[3].function
        model = small.build("gan")
        del copies[2]  # a checkpoint would resume what the other turn trained
        model.fit(IMAGES, batch_size=4, verbose=0, callbacks=copies)
        assert int(keras.ops.convert_to_numpy(model.averages[0].steps)) == 2
        assert len(watch.history["generator"]) == 2
        if not turn:
            small.build("gan").fit(IMAGES, batch_size=4, verbose=0, callbacks=original)  # now they are used
