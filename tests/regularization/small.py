"""The small models of the method page, whose losses, gradients and steps are known, and models with everything."""

import keras
import numpy as np

X, Y = np.array([[0.2, 0.4, -0.3], [1.0, 0.5, 0.2]], "float32"), np.array([[1.0], [0.0]], "float32")
TOKENS, LABELS = np.array([[0, 2, 0], [1, 2, 3]], "int32"), np.array([[1.0], [0.0]], "float32")
MATRIX = np.array([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6], [0.7, 0.8]], "float32")
HEAD = np.array([[1.0], [-2.0]], "float32")
BACKEND = keras.config.backend()
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)


def logistic(rate=0.0, eager=True):
    """sp(z) - y z with z = x.w + b, w = (1, -2, 0.5), b = 0.1."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="dense")])
    model.set_weights([np.array([[1.0], [-2.0], [0.5]]), np.array([0.1])])
    model.compile(keras.optimizers.SGD(rate), BINARY, run_eagerly=eager)
    return model


def tanh_network():
    """sp(-z) with z = tanh(x W).w: one example, label 1."""
    layers = [keras.layers.Dense(2, "tanh", use_bias=False, name="hidden"), keras.layers.Dense(1, use_bias=False)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.set_weights([np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([[1.5], [-1.0]])])
    model.compile(keras.optimizers.SGD(0.0), BINARY, run_eagerly=True)
    return model, np.array([[0.3, -0.2]], "float32"), np.array([[1.0]], "float32")


def text(rate=0.0, mask_zero=False, matrix=MATRIX, pooled_with_mask=True):
    """The mean of three looked-up vectors against V = (1, -2), with those of padding or without."""
    inputs = keras.Input((3,), dtype="int32")
    embedded = keras.layers.Embedding(4, 2, name="tokens", mask_zero=mask_zero)(inputs)
    pooled = keras.layers.GlobalAveragePooling1D()(embedded) if pooled_with_mask else keras.ops.mean(embedded, axis=1)
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, name="head")(pooled))
    model.set_weights([matrix, HEAD])
    model.compile(keras.optimizers.SGD(rate), BINARY, run_eagerly=True)
    return model


def softmax(rate=0.0):
    """Softmax of W x without a bias, three classes; the loss takes logits."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    model.set_weights([np.array([[0.5, 0.1, -0.4], [-0.2, 0.3, 0.6]])])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, run_eagerly=True)
    return model


def with_state(eager=True, optimizer="adam", dropout=0.5):
    """A classifier of 4 numbers with batch normalisation, dropout and a regularised weight, always the same one."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Dense(6, name="first", kernel_regularizer=keras.regularizers.L2(0.01)),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.ReLU(),
        keras.layers.Dropout(dropout, seed=5, name="dropout"),
        keras.layers.Dense(3, name="last"),
    ]
    model = keras.Sequential([keras.Input((4,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=eager, jit_compile=not eager and BACKEND == "jax")
    return model


def table(rows=12):
    """Returns numbers (rows, 4) and labels (rows,) in 0..2."""
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 4)).astype("float32"), random.integers(0, 3, rows).astype("int32")


def loss_of(model, x, y, **options):
    """Trains on one batch and returns the logged loss."""
    return model.fit(x, y, batch_size=len(y), verbose=0, shuffle=False, **options).history["loss"][0]


def values_of(model):
    """Returns all variables of a model and its optimiser as arrays."""
    return [keras.ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]


def assert_same(first, second, atol=0.0):
    for a, b in zip(values_of(first), values_of(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
