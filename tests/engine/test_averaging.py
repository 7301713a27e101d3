"""The moving average: its recurrences to the published digits, on models of the zoo and on any other model."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine import WeightAverage, attach
from keras_gans.schedules import CosineBurnIn
from tests.conftest import BACKEND
from tests.laws import small

if BACKEND == "torch":
    import torch

TRAJECTORY = [0.8, 0.64, 0.512, 0.4096]  # theta_1..4, theta_0 = 1


class OneWeight(keras.Model):
    """A model with one weight, 1 at first."""

    def __init__(self):
        super().__init__()
        self.theta = self.add_weight(shape=(1,), initializer="ones", name="theta")
        self.built = True


def averages_of(**options):
    """Returns the average after each of the four steps of the trajectory."""
    model = OneWeight()
    average = attach(model, WeightAverage(**options))
    values = []
    for theta in TRAJECTORY:
        model.theta.assign([theta])
        average.update()
        values.append(float(ops.convert_to_numpy(average.averages[0].value)[0]))
    return values


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"warmup": None}, [0.98, 0.946, 0.9026, 0.8533]),
        ({"warmup": "debiased"}, [0.8, 0.71578947, 0.64059041, 0.57342251]),
        ({"warmup": "fast"}, [0.82, 0.67272727, 0.55218182, 0.45347133]),
        ({"warmup": 9}, [0.82, 0.67272727, 0.55218182, 0.45347133]),
        ({"warmup": "mean"}, [0.8, 0.72, 0.65066667, 0.5904]),
    ],
)
def test_the_recurrences_have_their_published_values(options, expected):
    np.testing.assert_allclose(averages_of(decay=0.9, **options), expected, rtol=2e-6)


def test_the_average_covers_a_fiftieth_of_the_steps_until_its_decay():
    average, n = WeightAverage(0.999), np.array([1, 100, 10_000, 49_949, 49_951, 10**6])
    found = [float(ops.convert_to_numpy(average.keep(step))) for step in n]
    np.testing.assert_allclose(found, np.minimum(0.999, n / (n + 50.0)), rtol=1e-6)
    assert average.get_config()["warmup"] == 50.0 and WeightAverage(**average.get_config()).warmup == 50.0


def test_a_half_life_is_the_decay_that_halves_in_so_many_steps():
    np.testing.assert_allclose(averages_of(half_life=1.0, warmup=None), [0.9, 0.77, 0.641, 0.5253], rtol=1e-6)
    average = WeightAverage(half_life=10_000 / 32, warmup=None)
    np.testing.assert_allclose(ops.convert_to_numpy(average.keep(1)), 0.99778439, rtol=1e-6)


def test_a_scheduled_half_life_is_read_at_each_step():
    half_life = CosineBurnIn(0.0, 5e6 / 512, steps=39063)  # the CIFAR-10 preset of R3GAN in steps of 512 images
    average = WeightAverage(half_life=half_life, warmup=None)
    found = [float(ops.convert_to_numpy(average.keep(step))) for step in (9766, 19531, 39063, 50000)]
    np.testing.assert_allclose(found, [0.99951545, 0.99985805, 0.99992902, 0.99992902], rtol=1e-6)
    assert float(ops.convert_to_numpy(WeightAverage(half_life=0.0, warmup=None).keep(1))) == 0.0


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "options, words",
    [
        ({"decay": 1.0}, "`decay` must be a number at least 0 and less than 1"),
        ({"decay": -0.1}, "`decay` must be a number at least 0"),
        ({"decay": 0.9, "half_life": 10}, "Give `decay` or `half_life`, not both"),
        ({"half_life": -1}, "`half_life` must be a number at least 0"),
        ({"warmup": "linear"}, "`warmup` must be one of"),
        ({"warmup": 0}, "`warmup` must be a number at least 1"),
    ],
)
def test_bad_arguments_are_refused_with_words(options, words):
    with pytest.raises(ValueError, match=words):
        kg.callbacks.WeightMovingAverage(**options)


# Any keras.Model --------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 6)).astype("float32"), RNG.normal(size=(24, 1)).astype("float32")


def sequential():
    layers = [keras.layers.Dense(5), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((6,)), *layers])


def functional():
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.BatchNormalization(momentum=0.5)(inputs)))


@keras.saving.register_keras_serializable("test_averaging")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm, self.dense = keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(1)

    def call(self, inputs, training=False):
        return self.dense(self.norm(inputs, training=training))


def build(make, seed=0, **options):
    """Returns a model that is compiled with options; without any it runs eagerly where tracing costs more."""
    keras.utils.set_random_seed(seed)
    model = make()
    model(X[:2])
    model.compile("adam", "mse", **(options or {"run_eagerly": small.EAGER}))
    return model


def values(model):
    return [ops.convert_to_numpy(v.value).copy() for v in model.weights if keras.backend.is_float_dtype(v.dtype)]


class Snapshots(keras.callbacks.Callback):
    """Keeps the weights after every step."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def on_train_batch_end(self, batch, logs=None):
        self.kept.append(values(self.model))


def fit(model, callbacks=(), epochs=2, **options):
    return model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks), **options)


@pytest.mark.parametrize("make, jit", [(sequential, False), (functional, True), (Subclassed, False)])
def test_any_model_is_averaged_after_each_step_and_trains_as_without(make, jit, monkeypatch):
    if BACKEND == "torch":  # what PyTorch captures is asked for, not the code that a C++ compiler makes of it
        monkeypatch.setattr("torch.compile", functools.partial(torch.compile, backend="eager"))
    plain, model = build(make, jit_compile=jit and BACKEND != "torch"), build(make, jit_compile=jit)
    fit(plain)
    average, snapshots = kg.callbacks.WeightMovingAverage(0.5, warmup=None), Snapshots()
    first = values(model)
    fit(model, [average, snapshots])
    for ours, theirs in zip(values(model), values(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    expected = first
    for kept in snapshots.kept:
        expected = [0.5 * old + 0.5 * new for old, new in zip(expected, kept, strict=True)]
    assert len(snapshots.kept) == 6
    state = model.non_trainable_variables  # a buffer that stood twice could not be donated to a compiled step
    assert len(set(map(id, state))) == len(state) > 0
    with average.applied(model):
        for ours, theirs in zip(values(model), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(values(model), values(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on PyTorch")
def test_several_steps_per_execution_give_the_same_average():
    results = []
    for steps in (1, 3):
        model, average = build(sequential, steps_per_execution=steps), kg.callbacks.WeightMovingAverage(0.9)
        fit(model, [average])
        with average.applied():
            results.append(values(model))
    for one, three in zip(*results, strict=True):
        np.testing.assert_allclose(one, three, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("make", [sequential, functional, Subclassed])
def test_the_average_of_any_model_is_saved_loaded_and_resumed(make, tmp_path):
    whole, average = build(make), kg.callbacks.WeightMovingAverage(0.9)
    fit(whole, [average], epochs=1)
    whole.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert isinstance(loaded, type(build(make))) and len(loaded.averages) == 1
    again = kg.callbacks.WeightMovingAverage(0.9)
    fit(whole, [average], epochs=1)
    fit(loaded, [again], epochs=1)
    assert again.average is loaded.averages[0]
    for one, other in zip(whole.averages[0].variables, loaded.averages[0].variables, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), ops.convert_to_numpy(other), rtol=1e-6, atol=1e-7)


def test_backup_and_restore_brings_the_average_back(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def run(*more):
        model, average = build(sequential), kg.callbacks.WeightMovingAverage(0.9)
        fit(model, [average, keras.callbacks.BackupAndRestore(tmp_path), *more], epochs=2)
        return [ops.convert_to_numpy(variable) for variable in average.average.variables]

    with pytest.raises(KeyboardInterrupt):
        run(Stop())
    resumed = run()
    reference, average = build(sequential), kg.callbacks.WeightMovingAverage(0.9)
    fit(reference, [average], epochs=2)
    for one, other in zip(resumed, average.average.variables, strict=True):
        np.testing.assert_allclose(one, ops.convert_to_numpy(other), rtol=1e-6, atol=1e-7)


def test_accumulated_gradients_count_as_one_step():
    model = build(sequential)
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=3), "mse")
    average = kg.callbacks.WeightMovingAverage(0.5)
    fit(model, [average])
    assert int(ops.convert_to_numpy(average.average.steps)) == 2


def test_statistics_are_averaged_or_copied():
    results = {}
    for include in (True, False):
        model, average = build(functional), kg.callbacks.WeightMovingAverage(0.9, include_statistics=include)
        fit(model, [average])
        statistics = ops.convert_to_numpy(model.layers[1].moving_mean).copy()
        with average.applied():
            results[include] = np.abs(ops.convert_to_numpy(model.layers[1].moving_mean) - statistics).max()
    assert results[False] == 0 and results[True] > 1e-3


def test_validation_uses_the_average_by_choice():
    model, average = build(sequential), kg.callbacks.WeightMovingAverage(0.9, evaluate=True)
    history = fit(model, [average], validation_data=(X, Y)).history
    raw = model.evaluate(X, Y, verbose=0)
    with average.applied():
        averaged = model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(history["val_loss"][-1], averaged, rtol=1e-5)
    assert abs(raw - averaged) > 1e-4


def test_bfloat16_layers_keep_a_float32_average():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(sequential)
    finally:
        keras.config.set_dtype_policy("float32")
    average = kg.callbacks.WeightMovingAverage(0.9)
    fit(model, [average])
    assert {v.dtype for v in average.average.averages} == {"float32"}


def test_an_applied_average_is_not_trained_on_and_not_applied_twice():
    model, average = build(sequential), kg.callbacks.WeightMovingAverage(0.9)
    fit(model, [average])
    with average.applied():
        with pytest.raises(RuntimeError, match="before you train"):
            fit(model, [average])
        with pytest.raises(RuntimeError, match="applied already"), average.applied():
            pass


@pytest.mark.one_backend
def test_a_model_that_cannot_be_averaged_is_named():
    with pytest.raises(TypeError, match=r"needs a keras.Model"):
        attach(3, WeightAverage())
    with pytest.raises(ValueError, match="must be built"):
        attach(keras.Sequential([keras.layers.Dense(1)]), WeightAverage())
    with pytest.raises(ValueError, match="Did you mean 'generator'"):
        attach(small.build("gan"), WeightAverage(networks=["generater"]))
    with pytest.raises(ValueError, match="attributes of it"):
        attach(build(sequential), WeightAverage(networks=["generator"]))


def test_an_average_of_both_players_is_attached_once():
    model = small.build("gan")
    first = attach(model, WeightAverage(networks=["generator", "discriminator"]))
    assert attach(model, WeightAverage(networks=["generator", "discriminator"])) is first
    assert attach(model, WeightAverage()) is not first and attach(model, WeightAverage()) is model.averages[1]


@pytest.mark.parametrize("name, networks", [("gan", {"generator"}), ("o_gan", {"generator", "discriminator"})])
def test_by_default_what_is_used_after_training_is_averaged(name, networks):
    model = small.build(name)
    average = kg.callbacks.WeightMovingAverage(0.5)
    images, _ = small.data(16)
    model.fit(images, batch_size=4, callbacks=[average], verbose=0)

    def weights(network):
        return [np.array(keras.ops.convert_to_numpy(v)) for v in getattr(model, network).trainable_variables]

    raw = {network: weights(network) for network in model.networks}
    with average.applied(model):
        changed = {
            network
            for network in model.networks
            if any((a != b).any() for a, b in zip(raw[network], weights(network), strict=True))
        }
    assert changed == networks


class Breaks(keras.callbacks.Callback):
    """Ends a validation after its first batch, by an exception or as Ctrl-C does."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_test_batch_end(self, batch, logs=None):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("of_the_zoo", [False, True])
def test_a_validation_that_fails_gives_the_last_weights_back(of_the_zoo, error):
    model = small.shared("gan", decay=0.5) if of_the_zoo else build(sequential)
    x = small.data()[0] if of_the_zoo else X
    targets = () if of_the_zoo else (Y,)
    average, snapshots = kg.callbacks.WeightMovingAverage(0.5, evaluate=True), Snapshots()
    with pytest.raises(type(error)):
        model.fit(
            x,
            *targets,
            batch_size=8,
            validation_data=(x, *targets),
            verbose=0,
            callbacks=[average, snapshots, Breaks(error)],
        )
    assert not average.average.is_applied
    for found, last in zip(values(model), snapshots.kept[-1], strict=True):
        np.testing.assert_array_equal(found, last)
