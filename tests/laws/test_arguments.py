"""Arguments that were accepted in silence, or refused in the words of Python, NumPy or a backend."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from keras_gans import callbacks, recipes
from tests.laws import small

IMAGES, _ = small.data(8)
NO_PENALTIES = ([print], 5, "R1", [kg.penalties.R1], [1])
NO_COUNTS = (0, -1, 1.5, "2", True)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "words"),
    [
        *(
            ({name: value}, f"`{name}` must be")
            for name in ("epochs", "batch_size")
            for value in (0, -1, 1.5, "2", True)
        ),
        ({"initial_epoch": -1}, "`initial_epoch` must be an integer of at least 0"),
        ({"validation_freq": 0, "validation_data": IMAGES}, "`validation_freq` must be a positive integer"),
        ({"steps_per_epoch": 0}, "`steps_per_epoch` must be a positive integer"),
        ({"validation_batch_size": 0, "validation_data": IMAGES}, "`validation_batch_size` must be a positive integer"),
        ({"validation_steps": -1, "validation_data": IMAGES}, "`validation_steps` must be a positive integer"),
    ],
)
def test_fit_refuses_counts_that_mean_nothing(options, words):
    model = small.shared("gan")
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(IMAGES, verbose=0, **options)
    for call in (model.evaluate, model.predict):
        with pytest.raises(ValueError, match="`batch_size` must be a positive integer"):
            call(IMAGES, batch_size=0)
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(TypeError, match="`x` must be images.* Received: x=None"):
            call(None)
    with pytest.raises(ValueError, match="third element would be dropped"):
        model.fit((IMAGES, IMAGES, IMAGES), verbose=0)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps_per_execution": 0}, "`steps_per_execution` must be a positive integer"),
        ({"steps_per_execution": "x"}, "`steps_per_execution` must be an integer"),
        ({"jit_compile": "x"}, "`jit_compile` must be one of 'auto', True, False"),
        ({"run_eagerly": "x"}, "`run_eagerly` must be one of"),
        ({"generator_optimizer": {}}, "`generator_optimizer` must be a Keras optimizer"),
        ({"generator_optimizer": {"class_name": "Adm"}}, "`generator_optimizer` must be a Keras optimizer"),
        (
            {"generator_optimizer": keras.optimizers.Adam(float("inf"))},
            "`learning_rate of generator_opt",
        ),
        (
            {"generator_optimizer": keras.optimizers.Adam(float("nan"))},
            "`learning_rate of generator_opt",
        ),
    ],
)
def test_compile_refuses_what_would_fail_or_be_ignored(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        small.build("gan", compile=False).compile(**options)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "words"),
    [
        *(
            ({"penalties": value}, "`penalties` must be a list of")
            for value in ([print], 5, "R1", [kg.penalties.R1], [1])
        ),
        ({"network_options": 5}, "`network_options` must be a dict"),
        ({"network_options": {"generator": 5}}, "`network_options` must be a dict"),
        ({"network_options": {"width": 10**20}}, "`network_options` must have sizes up to"),
        ({"latent_dim": 10**20}, "`latent_dim` must be an integer from"),
        ({"num_classes": 10**20}, "`num_classes` must be an integer from"),
        ({"image_shape": (10**20, 8, 1)}, r"`image_shape\[0\]` must be an integer from"),
        ({"image_shape": None}, "`image_shape` must be "),
        ({"image_shape": 32}, "`image_shape` must be "),
        ({"name": 5}, "`name` of a model must be a string"),
    ],
)
def test_create_refuses_in_words(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        kg.create("gan", **{"image_shape": (8, 8, 1), "network": "mlp", **options})


def test_a_model_has_the_name_that_it_is_given():
    options = {"network": "mlp", "latent_dim": 4, "network_options": {"width": 4, "depth": 1}}
    assert kg.create("gan", (8, 8, 1), name="mine", **options).name == "mine"
    assert type(kg.create(name="gan", image_shape=(8, 8, 1), **options)) is kg.GAN


@pytest.mark.parametrize("variant", ["gan", "ign"])
def test_latents_and_seeds_are_checked(variant):
    model = small.shared(variant)
    right = model.latents_for(2, seed=0)
    images = model.decode(right)
    np.testing.assert_array_equal(model.decode(right.tolist()), images)
    np.testing.assert_array_equal(model.decode(keras.ops.convert_to_tensor(right)), images)
    shape = rf"`latents` must be numbers of shape \(n, {', '.join(map(str, model.latent_shape))}\)"
    for wrong in (None, "x", [], right[0], np.zeros((2, 5)), right[:0], object(), [[None] * 4], 3):
        with pytest.raises(ValueError, match=shape):
            model.decode(wrong)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="`latents` must be finite"):
            model.decode(np.full_like(right, value))
    for seed in (-1, 1.5, "3", True):
        with pytest.raises((ValueError, TypeError), match="`seed` must be an integer"):
            model.generate(2, seed=seed)
    with pytest.raises(ValueError, match=r"`n` must be at most .* this machine has"):
        model.generate(10**12)


def test_weights_that_are_not_finite_make_no_pictures(tmp_path):
    model = small.build("o_gan")
    variable = model.generator.trainable_variables[0]
    variable.assign(np.full(variable.shape, np.nan))
    with pytest.raises(ValueError, match="not finite"):
        model.generate(2)
    for value in (np.inf, np.nan, 0):
        with pytest.raises(ValueError, match="`truncation` must be a"):
            model.reconstruct(IMAGES, truncation=value)
    grid = callbacks.SampleGrid(tmp_path, count=2)
    grid.set_model(model)
    grid.set_params({"epochs": 1})
    with pytest.warns(UserWarning, match="There is no picture of epoch 1"):
        grid.on_epoch_end(0)  # the training goes on, or stops by its own callbacks


def with_model(callback):
    callback.set_model(small.shared("o_gan"))


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: callbacks.SampleGrid(path, scale=0), "`scale` must be a positive integer"),
        (lambda path: callbacks.SampleGrid(path, average=5), "`average` must be a WeightMovingAverage or None"),
        (lambda path: callbacks.SampleGrid(path, seed=-1), "`seed` must be an integer of at least 0"),
        (lambda path: callbacks.Evaluate(len, average=5), "`average` must be a WeightMovingAverage or None"),
        (lambda path: with_model(callbacks.SampleGrid(path, labels=[1])), "`labels` were given to an unconditional"),
        (lambda path: with_model(callbacks.SampleGrid(path, show="reconstructions", images=5)), "must be an array"),
        (lambda path: callbacks.SampleGrid(5), "`folder` must be the path of a folder"),
        (lambda path: callbacks.Checkpoint(None), "`folder` must be the path of a folder"),
        (lambda path: recipes.Recipe("gan", learning_rate=float("inf")), "`learning_rate` must be a finite number"),
        (lambda path: kg.schedules.CosineBurnIn(float("inf"), 1, 2), "`start` must be a finite number"),
        (lambda path: kg.penalties.R1(float("nan")), "`weight` must be a number at least 0"),
    ],
)
def test_constructors_refuse_in_words(tmp_path, make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make(tmp_path)


@pytest.mark.one_backend
@pytest.mark.parametrize("value", [None, 3, {}, b"x"])
def test_paths_are_asked_for_by_name(value):
    model = small.build("gan", compile=False)
    for call, argument in (
        (model.save, "filepath"),
        (model.save_weights, "filepath"),
        (model.load_weights, "filepath"),
        (model.save_to_preset, "folder"),
        (kg.load, "path"),
    ):
        with pytest.raises(TypeError, match=f"`{argument}` must be the path of a .*Received: {argument}="):
            call(value)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kg.callbacks.WeightMovingAverage(networks=3), "`networks` must be a list of names"),
        (lambda: kg.callbacks.Health("photos"), "`images` must be an array"),
        (lambda: kg.metrics.evaluate(3, small.data()[0]), "`model` must be a model of keras_gans"),
        (lambda: small.build("gan").evaluate(print), "`x` must be an array of images, or a dataset"),
        (lambda: small.build("gan").fit("photos"), "`x` must be an array of images, or a dataset"),
        (lambda: small.build("gan").fit(small.data()[0], shuffle="yes"), "`shuffle` must be True or False"),
    ],
)
def test_what_is_of_another_kind_is_told_what_is_expected(call, words):
    with pytest.raises(TypeError, match=words):
        call()
