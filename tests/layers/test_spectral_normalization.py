"""Spectral norm against the singular values of NumPy, and its gradient against central differences in float64."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from keras_gans.layers import SpectralNormalization

LAYERS = {
    "dense": (lambda: keras.layers.Dense(5), (4, 6)),
    "dense_rank_3": (lambda: keras.layers.Dense(5, activation="tanh"), (2, 3, 6)),
    "conv_1d": (lambda: keras.layers.Conv1D(4, 3, padding="causal", dilation_rate=2), (2, 7, 3)),
    "conv_2d": (lambda: keras.layers.Conv2D(4, 3, strides=2, padding="same"), (2, 6, 6, 3)),
    "conv_2d_groups": (lambda: keras.layers.Conv2D(4, 3, groups=2, use_bias=False), (2, 5, 5, 6)),
    "conv_3d": (lambda: keras.layers.Conv3D(2, 2, padding="same"), (2, 3, 3, 3, 2)),
    "conv_1d_transpose": (lambda: keras.layers.Conv1DTranspose(4, 4, strides=2, padding="same"), (2, 5, 3)),
    "conv_2d_transpose": (lambda: keras.layers.Conv2DTranspose(4, 4, strides=2, padding="same"), (2, 3, 3, 6)),
    "conv_3d_transpose": (lambda: keras.layers.Conv3DTranspose(2, 2, strides=2), (1, 2, 2, 2, 3)),
    "embedding": (lambda: keras.layers.Embedding(7, 3), (5,)),
}


def built(name, power_iterations=1, bias=0.3):
    make, shape = LAYERS[name]
    layer = SpectralNormalization(make(), power_iterations=power_iterations)
    layer.build(shape)
    random = np.random.default_rng(3)
    weights = layer.layer.get_weights()
    layer.layer.set_weights([0.5 * random.normal(size=w.shape) + bias * (w.ndim == 1) for w in weights])
    return layer, inputs_for(name)


def inputs_for(name):
    random = np.random.default_rng(4)
    shape = LAYERS[name][1]
    return random.integers(0, 7, shape) if name == "embedding" else random.normal(size=shape).astype("float32")


def kernel_of(layer):
    return np.asarray(layer.layer.get_weights()[0], "float64")


def matrix_of(name, kernel):
    if "transpose" in name:
        kernel = np.swapaxes(kernel, -1, -2)
    return kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("name", LAYERS)
def test_many_iterations_divide_by_the_top_singular_value(name):
    layer, x = built(name, power_iterations=100)
    kernel = kernel_of(layer)
    sigma = np.linalg.svd(matrix_of(name, kernel), compute_uv=False)[0]
    outputs = convert_to_numpy(layer(x, training=True))

    plain = LAYERS[name][0]()
    plain.build(LAYERS[name][1])
    plain.set_weights([kernel / sigma, *layer.layer.get_weights()[1:]])
    np.testing.assert_allclose(outputs, convert_to_numpy(plain(x)), rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(kernel, kernel_of(layer))  # never assigned
    inference = convert_to_numpy(layer(x, training=False))
    np.testing.assert_allclose(inference, outputs, rtol=2e-5, atol=2e-5)
    top = np.linalg.svd(matrix_of(name, convert_to_numpy(layer.normalized_kernel())), compute_uv=False)[0]
    np.testing.assert_allclose(top, 1.0, rtol=1e-5)


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("name", ["dense", "conv_2d_transpose"])
def test_one_training_call_is_one_power_iteration(name):
    layer, x = built(name)
    matrix, u = matrix_of(name, kernel_of(layer)), convert_to_numpy(layer.u).astype("float64")
    np.testing.assert_allclose(np.linalg.norm(u), 1.0, rtol=1e-6)
    layer(x, training=False)
    layer(x)
    np.testing.assert_array_equal(u, convert_to_numpy(layer.u).astype("float64"))
    layer(x, training=True)
    expected = unit(matrix.T @ unit(matrix @ u))
    np.testing.assert_allclose(convert_to_numpy(layer.u), expected, rtol=1e-5, atol=1e-6)
    layer.trainable = False
    layer(x, training=True)
    np.testing.assert_allclose(convert_to_numpy(layer.u), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_goes_through_the_kernel_and_through_sigma(differentiate, training):
    """Dense layer, one iteration: central differences in float64 with u and v held at their values."""
    layer, x = built("dense")
    kernel, u = kernel_of(layer), convert_to_numpy(layer.u).astype("float64")
    cotangents = np.random.default_rng(6).normal(size=(4, 5)).astype("float32")
    v = unit(kernel @ u)
    if training:
        u = unit(kernel.T @ v)

    def value(k):
        return np.sum(cotangents * (x.astype("float64") @ (k / (v @ k @ u))))

    expected = np.zeros_like(kernel)
    for index in np.ndindex(*kernel.shape):
        step = np.zeros_like(kernel)
        step[index] = 1e-5
        expected[index] = (value(kernel + step) - value(kernel - step)) / 2e-5
    result = differentiate(layer, x, cotangents, training=training)
    np.testing.assert_allclose(result["gradients"][0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.sum(expected * kernel), 0.0, atol=1e-6)  # the scale of the kernel is free
    np.testing.assert_allclose(result["gradients"][1], cotangents.sum(0), rtol=1e-5, atol=1e-5)  # bias
    np.testing.assert_allclose(
        result["input_gradient"], cotangents @ (kernel / (v @ kernel @ u)).T, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["conv_2d", "conv_2d_transpose", "embedding"])
def test_gradient_is_orthogonal_to_the_kernel_and_follows_the_formula(differentiate, name):
    """dL/dK = (C - <C, K/sigma> v u^T) / sigma, C the gradient of the plain layer at K/sigma."""
    layer, x = built(name)
    kernel, u = kernel_of(layer), convert_to_numpy(layer.u).astype("float64")
    matrix = matrix_of(name, kernel)
    v = unit(matrix @ u)
    u = unit(matrix.T @ v)
    sigma = v @ matrix @ u
    plain = LAYERS[name][0]()
    plain.build(LAYERS[name][1])
    plain.set_weights([kernel / sigma, *layer.layer.get_weights()[1:]])

    labels = name == "embedding"
    if labels:  # integer inputs have no gradient: differentiate a dense layer's input beside them
        x = [np.zeros((1,), "float32"), x]
        layer, plain = WithOffset(layer), WithOffset(plain)
    shape = tuple(plain([*x] if labels else x).shape)
    cotangents = np.random.default_rng(6).normal(size=shape).astype("float32")
    c = matrix_of(name, differentiate(plain, x, cotangents)["gradients"][0])
    ours = matrix_of(name, differentiate(layer, x, cotangents)["gradients"][0])
    expected = (c - np.sum(c * matrix / sigma) * np.outer(v, u)) / sigma
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


class WithOffset(keras.layers.Layer):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.built = True

    def call(self, inputs, training=None):
        kwargs = {"training": training} if isinstance(self.layer, SpectralNormalization) else {}
        return self.layer(keras.ops.cast(inputs[1], "int32"), **kwargs) + inputs[0]


def test_second_order_gradients_exist(differentiate):
    """The squared input gradient of a linear layer, a penalty, depends on K/sigma alone."""
    layer, x = built("dense", power_iterations=50)
    result = differentiate(layer, x, second_order=True)
    kernel = kernel_of(layer)
    p, s, q = np.linalg.svd(kernel)
    v, u, sigma = p[:, 0], q[0], s[0]
    normal = kernel / sigma
    c = 2 * 4 * np.outer(normal.sum(1), np.ones(5))  # d/dKbar of 4 |Kbar 1|^2, a batch of 4
    expected = (c - np.sum(c * normal) * np.outer(v, u)) / sigma
    np.testing.assert_allclose(result["gradients"][0], expected, rtol=1e-3, atol=1e-3)


def test_state_is_the_same_compiled_and_eager(differentiate):
    layer, x = built("conv_2d")
    start = convert_to_numpy(layer.u)
    compiled = differentiate(layer, x)  # tf.function, jax.jit with a stateless call, torch
    moved = convert_to_numpy(layer.u)
    layer.u.assign(start)
    eager = convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(compiled["outputs"], eager, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(convert_to_numpy(layer.u), moved, rtol=1e-5, atol=1e-6)
    assert np.abs(moved - start).max() > 1e-3


def test_fit_saves_and_loads(save_and_load):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            SpectralNormalization(keras.layers.Conv2D(3, 3, strides=2, activation="relu"), power_iterations=2),
            keras.layers.Flatten(),
            SpectralNormalization(keras.layers.Dense(1)),
        ]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 2)).astype("float32")
    before = convert_to_numpy(model.layers[0].u)
    model.fit(x, x.sum((1, 2, 3))[:, None], epochs=2, batch_size=4, verbose=0)
    assert np.abs(convert_to_numpy(model.layers[0].u) - before).max() > 1e-4
    loaded = save_and_load(model)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert loaded.layers[0].power_iterations == 2
    np.testing.assert_array_equal(convert_to_numpy(loaded.layers[0].u), convert_to_numpy(model.layers[0].u))
    assert len(model.trainable_weights) == 4 and len(model.non_trainable_weights) == 2


def test_config_round_trip():
    layer = SpectralNormalization(keras.layers.Conv2DTranspose(4, 4, strides=2), power_iterations=3, name="sn")
    copy = SpectralNormalization.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


def test_mixed_precision_normalises_in_float32(mixed_bfloat16):
    layer, x = built("conv_2d", power_iterations=100)
    outputs = layer(x, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert layer.u.dtype == "float32" and layer.layer.kernel.dtype == "float32"
    top = np.linalg.svd(matrix_of("conv_2d", convert_to_numpy(layer.normalized_kernel())), compute_uv=False)
    np.testing.assert_allclose(top[0], 1.0, rtol=1e-5)  # bfloat16 power iterations would miss by 1e-3
    right = np.linalg.svd(matrix_of("conv_2d", kernel_of(layer)))[2][0]
    np.testing.assert_allclose(np.abs(right @ convert_to_numpy(layer.u)), 1.0, rtol=1e-5)
    images = keras.Input((6, 6, 3))
    assert keras.backend.standardize_dtype(layer(images).dtype) == "bfloat16"
    inside = keras.Model(images, layer(images))
    np.testing.assert_array_equal(
        convert_to_numpy(keras.ops.cast(inside(x), "float32")),
        convert_to_numpy(keras.ops.cast(layer(x), "float32")),
    )


def test_the_wrapper_follows_the_dtype_of_its_layer(mixed_bfloat16):
    layer = SpectralNormalization(keras.layers.Dense(1, dtype="float32"))
    assert keras.backend.standardize_dtype(layer(np.ones((2, 3), "float32")).dtype) == "float32"
    assert keras.backend.standardize_dtype(layer(keras.Input((3,))).dtype) == "float32"


def test_labels_are_not_rounded_to_the_compute_dtype(mixed_bfloat16):
    layer = SpectralNormalization(keras.layers.Embedding(1000, 2))
    for dtype in ("int32", "float32"):
        labels = np.array([257, 999], dtype)  # bfloat16 has no 257
        rows = convert_to_numpy(keras.ops.cast(layer(labels), "float32"))
        expected = convert_to_numpy(layer.normalized_kernel())[[257, 999]]
        np.testing.assert_allclose(rows, expected, rtol=1e-2)


def test_a_zero_kernel_stays_zero_with_a_finite_gradient(differentiate):
    layer, x = built("dense")
    layer.layer.set_weights([np.zeros((6, 5)), np.ones(5)])
    result = differentiate(layer, x)
    np.testing.assert_array_equal(result["outputs"], np.ones((4, 5), "float32"))
    assert np.isfinite(result["gradients"][0]).all()
    np.testing.assert_allclose(np.linalg.norm(convert_to_numpy(layer.u)), 1.0, rtol=1e-6)


class OwnCall(keras.layers.Dense):
    def call(self, inputs):
        return 2.0 * super().call(inputs)


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: SpectralNormalization(keras.layers.ReLU()), TypeError, "`layer` must be a Dense"),
        (lambda: SpectralNormalization(keras.layers.DepthwiseConv2D(3)), TypeError, "`layer` must be a Dense"),
        (lambda: SpectralNormalization(OwnCall(3)), TypeError, "not overridden"),
        (lambda: SpectralNormalization("dense"), TypeError, "Received: layer='dense'"),
        (lambda: SpectralNormalization(keras.layers.Dense(3), power_iterations=0), ValueError, "`power_iterations`"),
        (
            lambda: SpectralNormalization(keras.layers.Dense(3, activity_regularizer="l2")),
            ValueError,
            "activity regularizer",
        ),
        (lambda: SpectralNormalization(keras.layers.Dense(3, lora_rank=2)), ValueError, "LoRA"),
    ],
)
def test_refuses_what_it_cannot_normalise(make, error, words):
    with pytest.raises(error, match=words):
        make()
