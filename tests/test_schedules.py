"""Schedules: their values, and that penalties, optimisers and models read them at every step."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.penalties import R1
from keras_gans.schedules import CosineBurnIn, ScheduledAdam
from tests.laws import small

IMAGES, _ = small.data()


@pytest.mark.parametrize(
    "start, end, expected",
    [
        (2e-4, 5e-5, [2e-4, 1.78033009e-4, 1.25e-4, 7.19669914e-5, 5e-5, 5e-5]),
        (0.05, 0.005, [0.05, 0.04340990, 0.0275, 0.01159010, 0.005, 0.005]),
        (0.9, 0.99, [0.9, 0.91318019, 0.945, 0.97681981, 0.99, 0.99]),
    ],
)
def test_the_cosine_has_the_published_values(start, end, expected):
    schedule = CosineBurnIn(start, end, 20)
    found = [float(ops.convert_to_numpy(schedule(step))) for step in (0, 5, 10, 15, 20, 1000)]
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def adam_by_hand(gradients, rate, beta_1, beta_2, epsilon):
    """Returns the weight after each gradient, from 0; `beta_2` is a list with one value per step."""
    weight = first = second = 0.0
    for t, (gradient, beta) in enumerate(zip(gradients, beta_2, strict=True), start=1):
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta * second + (1 - beta) * gradient**2
        corrected = np.sqrt(second / (1 - beta**t)) + epsilon
        weight -= rate * first / (1 - beta_1**t) / corrected
        yield weight


def test_a_scheduled_beta_2_is_that_of_its_step():
    schedule, gradients = CosineBurnIn(0.5, 0.9, 2), [1.0, -0.5, 0.25]
    variable = keras.Variable([0.0])
    optimizer = ScheduledAdam(0.1, beta_1=0.3, beta_2=schedule, epsilon=1e-8)
    optimizer.build([variable])
    expected = adam_by_hand(gradients, 0.1, 0.3, [0.5, 0.7, 0.9], 1e-8)
    for gradient, weight in zip(gradients, expected, strict=True):
        optimizer.apply([ops.convert_to_tensor([gradient])], [variable])
        np.testing.assert_allclose(ops.convert_to_numpy(variable), [weight], rtol=1e-4)


def test_a_constant_beta_2_is_that_of_keras():
    results = []
    for make in (ScheduledAdam, keras.optimizers.Adam):
        variable = keras.Variable([0.0])
        optimizer = make(0.1, beta_1=0.3, beta_2=0.7)
        optimizer.build([variable])
        for gradient in (1.0, -0.5, 0.25):
            optimizer.apply([ops.convert_to_tensor([gradient])], [variable])
        results.append(ops.convert_to_numpy(variable))
    np.testing.assert_allclose(*results, rtol=1e-6)


def scheduled_model():
    keras.utils.set_random_seed(0)
    model = small.build("r3gan", gamma=CosineBurnIn(2.0, 0.5, 3))

    def adam():
        return ScheduledAdam(CosineBurnIn(1e-2, 1e-3, 3), beta_1=0.0, beta_2=CosineBurnIn(0.5, 0.9, 3))

    model.compile(generator_optimizer=adam(), discriminator_optimizer=adam())
    return model


def test_a_model_with_schedules_trains_is_saved_and_goes_on(tmp_path):
    def average():
        return kg.callbacks.WeightMovingAverage(half_life=CosineBurnIn(0.0, 4.0, 3))

    straight, halved = scheduled_model(), scheduled_model()
    straight.fit(IMAGES, batch_size=4, epochs=2, shuffle=False, callbacks=[average()], verbose=0)
    halved.fit(IMAGES, batch_size=4, epochs=1, shuffle=False, callbacks=[average()], verbose=0)
    halved.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert repr(loaded.gamma) == "CosineBurnIn(2, 0.5, steps=3)"
    loaded.fit(IMAGES, batch_size=4, epochs=1, shuffle=False, callbacks=[average()], verbose=0)
    assert len(loaded.averages) == 1
    small.assert_same(small.everything(straight), small.everything(loaded), rtol=1e-5, atol=1e-6)


def test_the_penalty_of_a_schedule_is_weighted_by_the_discriminators_step():
    means = []
    for weight in (CosineBurnIn(4.0, 1.0, 2), 4.0):
        model = small.build("gan", penalties=[R1(weight)])
        model.compile(**{model.optimizer_argument(player): keras.optimizers.SGD(0.0) for player in model.players})
        found = []
        keep = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda _, logs, found=found: found.append(logs["penalty"])
        )
        images = np.concatenate([IMAGES[:4]] * 3)
        model.fit(images, batch_size=4, shuffle=False, verbose=0, callbacks=[keep])
        means.append(np.array(found) * np.arange(1, 4))  # logs are means over the steps of the epoch
    scheduled, constant = (np.diff(mean, prepend=0.0) for mean in means)
    np.testing.assert_allclose(scheduled / constant, [1.0, 2.5 / 4, 1.0 / 4], rtol=1e-4)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: CosineBurnIn("a", 1, 2), "`start` must be a number"),
        (lambda: CosineBurnIn(0, 1, 0), "`steps` must be a positive integer"),
        (lambda: ScheduledAdam(beta_2=1.5), "`beta_2` must be a number at least 0 and less than 1"),
        (lambda: ScheduledAdam(amsgrad=True), "no form with a scheduled beta_2"),
        (lambda: R1(-1.0), "`weight` must be a number at least 0"),
    ],
)
def test_bad_arguments_are_refused_with_words(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()
