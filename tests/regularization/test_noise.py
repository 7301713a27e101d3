"""Noise: its law, its limit as a gradient penalty, and where it goes."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.regularization import small

NOISE = kg.regularization.noise
W = np.array([[1.0, 2.0], [-1.0, 0.5], [0.0, 3.0]])


def linear(rate=0.0, loss="mse"):
    """f(x) = W x, three outputs of two numbers."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False, name="dense")])
    model.set_weights([W.T])
    model.compile(keras.optimizers.SGD(rate), loss, run_eagerly=True)
    return model


def fixed(model, values):
    """Makes the noise of a wrapped model known."""
    kg.engine.wrapped_by(model)[-1].changed = lambda key, tensor: (
        tensor + keras.ops.convert_to_tensor(values, "float32")
    )
    return model


@pytest.mark.parametrize(("kind", "largest"), [("gaussian", None), ("uniform", 3**0.5), ("multiplicative", None)])
def test_noise_has_its_law(kind, largest):
    regularizer = kg.engine.wrapped_by(NOISE(linear(), std=0.2, kind=kind))[0]
    start = np.full((100, 200), 3.0, "float32")
    change = keras.ops.convert_to_numpy(regularizer.changed("x", keras.ops.convert_to_tensor(start))) - start
    change = change / 3.0 if kind == "multiplicative" else change
    assert abs(change.mean()) < 0.005 and abs(change.std() - 0.2) < 0.005
    if largest:
        assert np.abs(change).max() <= 0.2 * largest + 1e-6


def test_agreement_under_noise_is_a_penalty_on_the_gradients_of_the_outputs():
    """mean |f(x + s n) - f(x)|^2 = s^2 sum_i |grad f_i|^2 = s^2 15.25 for f(x) = W x, whatever s."""
    x = np.ones((4096, 2), "float32")
    loss = small.loss_of(NOISE(linear(), std=0.3, consistency="mse", weight=2.0), x, x @ W.T.astype("float32"))
    np.testing.assert_allclose(loss, 2 * 0.09 * 15.25, rtol=0.06)


def test_agreement_of_class_probabilities_is_half_the_trace_of_the_fisher_matrix():
    x = np.tile([[0.7, -1.2]], (4096, 1)).astype("float32")
    plain = small.loss_of(small.softmax(), x, np.zeros(4096, int))
    loss = small.loss_of(NOISE(small.softmax(), std=0.05, consistency="kl", weight=1e3), x, np.zeros(4096, int))
    np.testing.assert_allclose((loss - plain) / 1e3, 0.05**2 / 2 * 0.18872938, rtol=0.06)


def test_one_step_of_agreement_is_the_hand_derived_one():
    x, n, y, rate = np.array([[1.0, 2.0]]), np.array([[0.1, -0.3]]), np.array([[1.0, 0.0, 2.0]]), 0.1
    model = fixed(NOISE(linear(rate), consistency="mse", weight=0.7), n)
    small.loss_of(model, x, y)
    gradient = 2 / 3 * (W @ x[0] - y[0])[:, None] * x  # the mean of three squares
    gradient += 0.7 * 2 * (W @ n[0])[:, None] * (x + n)  # f(x) is a constant
    np.testing.assert_allclose(model.get_weights()[0].T, W - rate * gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("on", "values", "outputs", "labels"),
    [
        ("inputs", [[0.1, -0.3]], W @ [1.1, 1.7], [1.0, 0.0, 2.0]),
        ("weights", np.full((2, 3), 0.25), (W + 0.25) @ [1.0, 2.0], [1.0, 0.0, 2.0]),
        ("dense/kernel", np.full((2, 3), 0.25), (W + 0.25) @ [1.0, 2.0], [1.0, 0.0, 2.0]),
        ("dense", [[0.5, 0.0, -0.5]], W @ [1.0, 2.0] + [0.5, 0.0, -0.5], [1.0, 0.0, 2.0]),
        ("targets", [[0.5, 0.0, -0.5]], W @ [1.0, 2.0], [1.5, 0.0, 1.5]),
    ],
)
def test_noise_takes_the_place_of_the_clean_pass(on, values, outputs, labels):
    model, plain = fixed(NOISE(linear(), on=on), values), linear()
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0, 2.0]])
    np.testing.assert_allclose(small.loss_of(model, x, y), np.mean((outputs - np.array(labels)) ** 2), rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), plain.evaluate(x, y, verbose=0), rtol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])


def test_the_step_at_noisy_weights_moves_the_weights_themselves():
    rate, change = 0.1, 0.25
    model = fixed(NOISE(linear(rate), on="weights"), np.full((2, 3), change))
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0, 2.0]])
    small.loss_of(model, x, y)
    gradient = 2 / 3 * ((W + change) @ x[0] - y[0])[:, None] * x
    np.testing.assert_allclose(model.get_weights()[0].T, W - rate * gradient, rtol=1e-5, atol=1e-6)


def test_every_step_draws_afresh_and_a_seed_repeats():
    def losses(seed):
        model = NOISE(linear(), std=1.0, seed=seed)
        seen = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: found.append(logs["loss"]))
        found: list = []
        model.fit(np.ones((3, 2)), np.ones((3, 3)), batch_size=1, verbose=0, callbacks=[seen])
        return found

    assert losses(1) == losses(1) != losses(2) and len(set(losses(1))) == 3


@pytest.mark.one_backend
def test_bad_input_gets_a_sentence():
    with pytest.raises(ValueError, match="`std` must be a number at least 0"):
        NOISE(linear(), std=-1)
    with pytest.raises(ValueError, match="`consistency` must be None for on='targets'"):
        NOISE(linear(), on="targets", consistency="mse")
    with pytest.raises(ValueError, match="`on='weights'` needs a built model"):
        NOISE(keras.Sequential([keras.layers.Dense(2)]), on="weights")
    with pytest.raises(ValueError, match="`on='targets'` needs targets of floats.*Received: targets of int"):
        NOISE(small.softmax(), on="targets").fit(np.ones((2, 2)), np.array([0, 1]), verbose=0)
