"""Activation normalisation (Kingma and Dhariwal, 2018, arXiv:1807.03039): y = x e^a + b for every channel.

log-determinant   H W sum over channels of a
first values      a = -log(var + 1e-5) / 2,  b = -mean e^a  of one batch, which makes y standardised
"""

import math

import keras
from keras import ops

EPSILON = 1e-5


@keras.saving.register_keras_serializable("keras_gans")
class ActNorm(keras.layers.Layer):
    """Scales and shifts every channel (the last axis), invertibly. Always float32; the identity until `initialize`."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def build(self, input_shape):
        options = {"shape": (input_shape[-1],), "initializer": "zeros", "dtype": "float32", "autocast": False}
        self.log_scale = self.add_weight(name="log_scale", **options)
        self.bias = self.add_weight(name="bias", **options)
        self.positions = math.prod(input_shape[1:-1])

    def initialize(self, inputs):
        """Takes scale and shift from a batch (n, ..., channels), whose outputs then have mean 0 and variance 1."""
        axes = tuple(range(len(inputs.shape) - 1))
        log_scale = -0.5 * ops.log(ops.var(inputs, axis=axes) + EPSILON)
        self.log_scale.assign(log_scale)
        self.bias.assign(-ops.mean(inputs, axis=axes) * ops.exp(log_scale))

    def transform(self, inputs, estimator=None, training=False):
        """Returns `(y, log-determinant)`, the latter a scalar."""
        del estimator, training
        log_scale = ops.convert_to_tensor(self.log_scale)
        outputs = inputs * ops.exp(log_scale) + ops.convert_to_tensor(self.bias)
        return outputs, self.positions * ops.sum(log_scale)

    def inverse(self, outputs, solver=None):
        """Returns x of y."""
        del solver
        return (outputs - ops.convert_to_tensor(self.bias)) * ops.exp(-ops.convert_to_tensor(self.log_scale))

    def call(self, inputs):
        return self.transform(inputs)[0]

    def compute_output_shape(self, input_shape):
        return input_shape
