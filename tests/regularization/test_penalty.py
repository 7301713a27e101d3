"""The gradient penalty: published values on inputs, looked-up vectors and a matrix, and a step derived by hand."""

import keras
import numpy as np
import pytest

import keras_gans as kg
from tests.regularization import small

PENALTY = kg.regularization.gradient_penalty
CLEAN, CLEAN_TEXT = 0.93409710, 0.81114892


def test_the_penalty_of_inputs_is_the_mean_over_examples():
    gradients = np.array([(-0.65701046, 1.31402093, -0.32850523), (0.54983400, -1.09966799, 0.27491700)])
    model = PENALTY(small.logistic(), weight=0.8)
    expected = CLEAN + 0.4 * np.mean((gradients**2).sum(1))
    np.testing.assert_allclose(small.loss_of(model, small.X, small.Y), expected, rtol=1e-6)


def test_look_ups_of_a_matrix_are_added_before_they_are_squared():
    model = PENALTY(small.text(), on="tokens/embeddings", weight=1.0)
    np.testing.assert_allclose(small.loss_of(model, small.TOKENS, small.LABELS), CLEAN_TEXT + 0.15577200, rtol=1e-6)


def test_looked_up_vectors_are_penalised_for_each_example():
    model = PENALTY(small.text(), on="tokens", weight=1.0)
    z = small.MATRIX[small.TOKENS].mean(1) @ small.HEAD
    slopes = 1 / (1 + np.exp(-z)) - small.LABELS
    expected = CLEAN_TEXT + 0.5 * np.mean(slopes**2 * 5 / 3)  # V / 3 at each of three positions
    np.testing.assert_allclose(small.loss_of(model, small.TOKENS, small.LABELS), expected, rtol=1e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
def test_one_step_is_the_hand_derived_one(reduction):
    """l = (w.x - y)^2 has g = 2 (w.x - y) w: the gradient of the mean of l + rho / 2 |g|^2 over two examples."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    w, x, y, rho = np.array([0.5, -1.0, 2.0]), np.array([[1.0, 2.0, 3.0], [0.5, -0.5, 1.0]]), np.array([1.0, 2.0]), 1e-3
    model.set_weights([w[:, None]])
    model.compile(keras.optimizers.SGD(1.0), keras.losses.MeanSquaredError(reduction=reduction), run_eagerly=True)
    PENALTY(model, weight=rho)
    small.loss_of(model, x, y[:, None])
    errors = x @ w - y  # l_b = error^2, g_b = 2 error w
    one = [2 * e * row + rho * (4 * e * (w @ w) * row + 4 * e**2 * w) for e, row in zip(errors, x, strict=True)]
    gradient = np.mean(one, 0)
    if reduction == "sum":  # the clean loss is a sum, the penalty a mean
        gradient = np.mean(one, 0) + np.mean([2 * e * row for e, row in zip(errors, x, strict=True)], 0)
    np.testing.assert_allclose(w - model.get_weights()[0][:, 0], gradient, rtol=1e-5)


def test_to_first_order_it_is_adversarial_training():
    """L 6.125, penalty 0.03215625, gradient (3.5245, 7.0245, 10.579625) for w = (.5, -1, 2), x = (1, 2, 3), y = 1."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    w = np.array([0.5, -1.0, 2.0])
    model.set_weights([w[:, None]])
    model.compile(keras.optimizers.SGD(1.0), lambda y, z: keras.ops.square(z - y) / 2, run_eagerly=True)
    PENALTY(model, weight=1e-3)
    loss = small.loss_of(model, np.array([[1.0, 2.0, 3.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(loss, 6.125 + 0.03215625, rtol=1e-6)
    np.testing.assert_allclose(w - model.get_weights()[0][:, 0], (3.5245, 7.0245, 10.579625), rtol=1e-6)
