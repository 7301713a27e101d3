"""The order of arrays is a function of the seed and of the epoch."""

import numpy as np
import pytest

from keras_gans.engine.batches import ArrayBatches

pytestmark = pytest.mark.one_backend


def order(seed, epoch, **options):
    batches = ArrayBatches((np.arange(10),), 4, **options)
    batches.seed = seed
    batches.set_epoch(epoch)
    return np.concatenate([batches[i][0] for i in range(len(batches))]).tolist()


def test_every_epoch_visits_all_rows_in_an_order_of_its_own_that_repeats():
    orders = [order(seed, epoch) for seed in (1, 2) for epoch in range(3)]
    assert all(sorted(each) == list(range(10)) for each in orders)
    assert len({tuple(each) for each in orders}) == 6
    assert order(2, 1) == orders[4]


def test_without_shuffling_rows_come_as_they_are():
    assert order(1, 0, shuffle=False) == order(1, 5, shuffle=False) == list(range(10))


def test_epochs_of_fewer_steps_go_through_the_rows_one_after_the_other():
    epochs = [order(1, epoch, steps_per_epoch=1) for epoch in range(3)]
    assert sorted(sum(epochs, [])) == list(range(10)) and [len(each) for each in epochs] == [4, 4, 2]


@pytest.mark.one_backend("tensorflow")
def test_pipelines_around_our_batches_have_no_thread_that_tunes_them():
    """Its end may take as long as the epoch did, when TensorFlow misses that it is told to stop."""
    import tensorflow as tf

    from keras_gans.engine import tensorflow as engine

    batches = ArrayBatches((np.arange(10, dtype="uint8"),), 4, shuffle=False)
    pipeline = engine.fed(batches).get_tf_dataset()
    assert pipeline.options().autotune.enabled is False
    assert [batch[0].numpy().tolist() for batch in pipeline] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    users = tf.data.Dataset.range(3)
    assert engine.fed(users) is users
