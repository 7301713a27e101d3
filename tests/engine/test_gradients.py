"""Gradients of the engine against central differences in float64, second order included."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend.common import dtypes

from keras_gans.engine import input_gradients, mean, value_and_gradients, value_and_pullback
from tests.conftest import BACKEND


@pytest.fixture
def float64(monkeypatch):
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")  # else keras.ops.tanh gives float32
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    if BACKEND == "jax":
        jax.config.update("jax_enable_x64", False)


X = np.random.default_rng(0).normal(size=(3, 2))


def network():
    """Returns a small tanh network in float64 whose biases are not zero."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1, bias_initializer="ones")]
    )
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


def to_numpy(x):
    return np.array(ops.convert_to_numpy(x))


def differences(fn, variables, step=1e-5):
    """Returns central differences of the scalar function `fn()` with respect to variables."""
    slopes = []
    for variable in variables:
        value = to_numpy(variable.value)
        slope = np.zeros_like(value)
        for i in np.ndindex(value.shape):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[i] += sign * step
                variable.assign(moved)
                ends.append(float(fn()))
            slope[i] = (ends[0] - ends[1]) / (2 * step)
        variable.assign(value)
        slopes.append(slope)
    return slopes


def test_value_and_gradients_are_those_of_the_loss(float64):
    model = network()

    def loss_fn():
        outputs = model(ops.convert_to_tensor(X))
        return ops.mean(ops.square(outputs) * outputs), {"top": ops.max(outputs)}

    loss, extras, gradients = value_and_gradients(loss_fn, model.trainable_variables)
    assert float(loss) == pytest.approx(float(loss_fn()[0]), rel=1e-12)
    assert float(extras["top"]) == pytest.approx(float(loss_fn()[1]["top"]), rel=1e-12)
    expected = differences(lambda: loss_fn()[0], model.trainable_variables)
    for gradient, slope in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(to_numpy(gradient), slope, rtol=1e-6, atol=1e-8)


def test_the_scaled_loss_is_differentiated_and_the_plain_one_returned(float64):
    model = network()
    loss_fn = lambda: ops.mean(model(ops.convert_to_tensor(X)))  # noqa: E731
    loss, extras, plain = value_and_gradients(loss_fn, model.trainable_variables)
    scaled_loss, _, scaled = value_and_gradients(loss_fn, model.trainable_variables, lambda loss: 8.0 * loss)
    assert extras == {} and float(loss) == float(scaled_loss)
    for a, b in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(8 * to_numpy(a), to_numpy(b), rtol=1e-12)


def test_a_variable_the_loss_does_not_use_has_a_zero_gradient():
    used, unused = keras.Variable([1.0, 2.0]), keras.Variable([[3.0]])
    _, _, gradients = value_and_gradients(lambda: ops.sum(ops.square(used.value)), [used, unused])
    np.testing.assert_allclose(to_numpy(gradients[0]), [2, 4])
    np.testing.assert_allclose(to_numpy(gradients[1]), [[0]])


def test_input_gradients_are_per_sample(float64):
    model = network()
    gradient = to_numpy(input_gradients(model, ops.convert_to_tensor(X)))
    for i in np.ndindex(X.shape):
        step = np.zeros_like(X)
        step[i] = 1e-5
        ends = [to_numpy(model(ops.convert_to_tensor(X + sign * step))).sum() for sign in (1, -1)]
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-8)


def test_input_gradients_can_be_differentiated_again(float64):
    model = network()

    def penalty():
        norms = ops.sum(ops.square(input_gradients(model, ops.convert_to_tensor(X))), axis=-1)
        return ops.mean(ops.square(ops.sqrt(norms + 1e-12) - 1.0))

    _, _, gradients = value_and_gradients(penalty, model.trainable_variables)
    expected = differences(penalty, model.trainable_variables)
    assert max(np.abs(slope).max() for slope in expected) > 1e-3
    for gradient, slope in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(to_numpy(gradient), slope, rtol=1e-5, atol=1e-8)


def test_input_gradients_depend_on_how_the_inputs_were_made(float64):
    model, shift = network(), keras.Variable(np.array([0.3, -0.2]))

    def loss_fn():
        return ops.sum(ops.square(input_gradients(model, ops.convert_to_tensor(X) + shift.value)))

    _, _, (gradient,) = value_and_gradients(loss_fn, [shift])
    np.testing.assert_allclose(to_numpy(gradient), differences(loss_fn, [shift])[0], rtol=1e-6, atol=1e-8)


def test_the_pullback_gives_vector_jacobian_products_as_often_as_asked(float64):
    model = network()
    outputs, pullback = value_and_pullback(model, ops.convert_to_tensor(X), model.trainable_variables)
    np.testing.assert_allclose(to_numpy(outputs), to_numpy(model(ops.convert_to_tensor(X))), rtol=1e-12)
    for seed in (0, 1):
        cotangents = np.random.default_rng(seed).normal(size=(3, 1))
        inputs, variables = pullback(ops.convert_to_tensor(cotangents))

        def weighted(x, cotangents=cotangents):
            return ops.sum(model(x) * ops.convert_to_tensor(cotangents))

        np.testing.assert_allclose(
            to_numpy(inputs), to_numpy(input_gradients(weighted, ops.convert_to_tensor(X))), rtol=1e-9, atol=1e-12
        )
        _, _, expected = value_and_gradients(lambda: weighted(ops.convert_to_tensor(X)), model.trainable_variables)
        for a, b in zip(variables, expected, strict=True):
            np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-9, atol=1e-12)


def test_statistics_and_seeds_written_while_differentiating_are_kept():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dropout(0.5)]
    )
    x = ops.convert_to_tensor(X.astype("float32"))
    statistics = model.layers[0].moving_mean

    value_and_gradients(lambda: ops.sum(model(x, training=True)), model.trainable_variables)
    np.testing.assert_allclose(to_numpy(statistics.value), 0.5 * X.mean(0), rtol=1e-4)
    masks = [to_numpy(input_gradients(lambda x: model.layers[1](x, training=True), ops.ones((50, 2)))) for _ in "ab"]
    assert (masks[0] != masks[1]).any()
    value_and_pullback(lambda x: model(x, training=True), x)
    np.testing.assert_allclose(to_numpy(statistics.value), 0.75 * X.mean(0), rtol=1e-4)


def test_mean_is_the_float32_mean_of_all_entries():
    values = ops.cast(ops.convert_to_tensor(np.array([[1.0], [2.0], [6.0]])), "bfloat16")
    assert keras.backend.standardize_dtype(mean(values).dtype) == "float32"
    assert float(mean(values)) == 3.0
