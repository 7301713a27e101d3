"""Layers of a flow that only move values: their log-determinant is 0."""

import math

import keras
from keras import ops

from keras_gans import checks


class Rearranging(keras.layers.Layer):
    """What they share; always float32."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def transform(self, inputs, estimator=None, training=False):
        """Returns `(y, 0)`."""
        del estimator, training
        return self.call(inputs), 0.0


@keras.saving.register_keras_serializable("keras_gans")
class Squeeze(Rearranging):
    """Moves every 2x2 pixels into channels: (n, h, w, c) to (n, h/2, w/2, 4c).

    The channels are ordered by row offset, column offset and channel, the last of them first to change.

    Raises:
        ValueError: For images whose sides are not even.
    """

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[1] % 2 or input_shape[2] % 2:
            raise ValueError(
                "An image must have an even height and width to be squeezed: 2x2 pixels become one of four times the "
                f"channels. {checks.received(shape=tuple(input_shape[1:]))}"
            )
        self.image_shape = tuple(input_shape[1:])

    def call(self, inputs):
        height, width, channels = self.image_shape
        blocks = ops.reshape(inputs, (-1, height // 2, 2, width // 2, 2, channels))
        return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, height // 2, width // 2, 4 * channels))

    def inverse(self, outputs, solver=None):
        """Returns x of y."""
        del solver
        height, width, channels = self.image_shape
        blocks = ops.reshape(outputs, (-1, height // 2, width // 2, 2, 2, channels))
        return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels))

    def compute_output_shape(self, input_shape):
        rows, height, width, channels = input_shape
        return (rows, height // 2, width // 2, 4 * channels)


@keras.saving.register_keras_serializable("keras_gans")
class Flattened(Rearranging):
    """Makes one vector of every sample: (n, ...) to (n, D)."""

    def build(self, input_shape):
        self.image_shape = tuple(input_shape[1:])

    def call(self, inputs):
        return ops.reshape(inputs, (-1, math.prod(self.image_shape)))

    def inverse(self, outputs, solver=None):
        """Returns x of y."""
        del solver
        return ops.reshape(outputs, (-1, *self.image_shape))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], math.prod(input_shape[1:]))


@keras.saving.register_keras_serializable("keras_gans")
class Split(Rearranging):
    """Keeps the second half of the channels; a `Flow` sends the first half to its latents.

    Raises:
        ValueError: For an odd number of channels.
    """

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ValueError(
                "An image must have an even number of channels to be split. "
                f"{checks.received(shape=tuple(input_shape[1:]))}"
            )
        self.half = input_shape[-1] // 2
        self.sent_shape = (*input_shape[1:-1], self.half)

    def sent(self, inputs):
        """Returns the half that goes to the latents."""
        return inputs[..., : self.half]

    def call(self, inputs):
        return inputs[..., self.half :]

    def joined(self, sent, kept):
        """Returns what was split."""
        return ops.concatenate([sent, kept], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)
