"""What cannot be regularised is refused in one sentence: which argument, what is expected, what came."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.regularization import small

R = kg.regularization
TRAIN = R.adversarial_training


class Rounded(keras.layers.Layer):
    """Lets nothing through that could be differentiated."""

    def call(self, x):
        return keras.ops.cast(keras.ops.cast(x, "int32"), "float32")


def rounded():
    layers = [keras.layers.Dense(3, name="before"), Rounded(name="rounded"), keras.layers.Dense(1, name="after")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def without_loss():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", run_eagerly=True)
    return model


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda: TRAIN("model"), ("`model` must be a keras.Model", "'model' (str)")),
        (lambda: TRAIN(kg.create("gan", (8, 8, 1))), ("Keras", "GAN replaces by its own", "`penalties=`")),
        (lambda: TRAIN(small.text(), on="token"), ("`on` must be", "Did you mean 'tokens'", "'head'", "on='token'")),
        (
            lambda: TRAIN(small.text(), on=keras.layers.Dense(2)),
            ("`on` must be 'inputs', a layer", "'tokens/embeddings'"),
        ),
        (lambda: TRAIN(keras.Sequential([keras.layers.Dense(2)]), on="x"), ("it is not built",)),
        (lambda: TRAIN(small.logistic(), epsilon=-0.1), ("`epsilon` must be a number at least 0", "epsilon=-0.1")),
        (lambda: TRAIN(small.logistic(), epsilon="1"), ("`epsilon` must be a number", "(str)")),
        (lambda: TRAIN(small.logistic(), kind="fgs"), ("`kind` must be one of", "Did you mean 'fgsm'")),
        (lambda: TRAIN(small.logistic(), steps=0), ("`steps` must be a positive integer",)),
        (lambda: TRAIN(small.logistic(), norm="linf"), ("`norm` must be 'l2' for kind='fgm'",)),
        (lambda: TRAIN(small.logistic(), clean_weight=-1), ("`clean_weight` must be a number at least 0",)),
        (lambda: TRAIN(TRAIN(small.logistic())), ("wrapped by adversarial_training already", "undo(model) first")),
    ],
)
def test_arguments(wrap, words):
    with pytest.raises((TypeError, ValueError)) as error:
        wrap()
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("model", "options", "data", "words"),
    [
        (small.text, {}, (small.TOKENS, small.LABELS), ("`on='inputs'` needs inputs of floats", "'tokens'", "int32")),
        (rounded, {"on": "before"}, (small.X, small.Y), ("'before/0/0'", "no derivative")),
        (without_loss, {}, (small.X, small.Y), ("must have a loss", "adversarial_training")),
        (small.logistic, {}, (small.X, None), ("`y` is missing", "needs labels")),
        (
            small.logistic,
            {},
            ({"labelled": small.X, "unlabelled": small.X}, small.Y),
            ("Unlabelled examples", "adversarial_training needs labels"),
        ),
    ],
    ids=["integers", "rounded", "no loss", "no labels", "unlabelled"],
)
def test_what_shows_at_the_first_step(model, options, data, words):
    model = TRAIN(model(), **options)
    with pytest.raises(ValueError) as error:
        model.fit(*data, batch_size=2, verbose=0)
    assert all(word in str(error.value) for word in words), error.value


class Root(keras.layers.Layer):
    """NaN below zero."""

    def call(self, x):
        return keras.ops.sqrt(x)


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "compiled"])
def test_a_loss_that_is_nan_at_the_perturbed_point_names_the_example_and_spares_the_weights(eager):
    model = keras.Sequential([keras.Input((1,)), Root(), keras.layers.Dense(1)])
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=eager)
    TRAIN(model, epsilon=0.5)
    x, y = np.array([[2.0], [0.1], [3.0]], "float32"), np.array([[0.0], [9.0], [0.0]], "float32")
    with pytest.raises(ValueError, match=r"point that adversarial_training makes .* Example 1 of the batch .* NaN"):
        model.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], [[1.0]])
    model.fit(x[[0, 2]], y[[0, 2]], verbose=0)  # it is as good as before
    assert np.isfinite(model.get_weights()[0]).all()


def test_a_clean_loss_that_is_nan_is_left_to_those_who_watch_it():
    model = TRAIN(small.logistic(0.1), epsilon=0.5)
    history = model.fit(small.X * np.nan, small.Y, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()]).history
    assert np.isnan(history["loss"]).all()
