"""Resampling by 2 with the low-pass filter [1, 3, 3, 1] of StyleGAN2 and R3GAN (arXiv:1912.04958, arXiv:2501.05441).

Along each axis, with zeros outside the image:

    up     y[2i] = 3/4 x[i] + 1/4 x[i-1],  y[2i+1] = 3/4 x[i] + 1/4 x[i+1]
    down   y[i] = (x[2i-1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8

`UpSampling2D(interpolation="bilinear")` differs at the borders. Slices and sums only: second derivatives are exact.
"""

import keras
from keras import ops

from keras_gans import checks


def part(inputs, axis, start, stop):
    """Returns `inputs[start:stop]` along an axis of features (n, h, w, c)."""
    index = [slice(None)] * 4
    index[axis] = slice(start, stop)
    return inputs[tuple(index)]


def framed(inputs, axis):
    """Returns the inputs with one line of zeros before and after, along an axis."""
    widths = [[0, 0]] * 4
    widths[axis] = [1, 1]
    return ops.pad(inputs, widths)


def upsampled(inputs, axis):
    """Returns features (n, h, w, c) with twice the length along an axis (1 or 2)."""
    length = inputs.shape[axis]
    around = framed(inputs, axis)
    even = 0.75 * inputs + 0.25 * part(around, axis, 0, length)
    odd = 0.75 * inputs + 0.25 * part(around, axis, 2, length + 2)
    shape = [-1, *inputs.shape[1:]]
    shape[axis] *= 2
    return ops.reshape(ops.stack([even, odd], axis=axis + 1), shape)


def downsampled(inputs, axis):
    """Returns features (n, h, w, c) with half the length along an axis (1 or 2)."""
    half = inputs.shape[axis] // 2
    # Even and odd lines by a reshape: slices of stride 2 are several times slower on a CPU.
    pairs = ops.reshape(inputs, [-1, *inputs.shape[1:axis], half, 2, *inputs.shape[axis + 1 :]])
    even, odd = ops.unstack(pairs, num=2, axis=axis + 1)
    before = part(framed(odd, axis), axis, 0, half)  # x[2i - 1]
    after = part(framed(even, axis), axis, 2, half + 2)  # x[2i + 2]
    return 0.375 * (even + odd) + 0.125 * (before + after)


@keras.saving.register_keras_serializable("keras_gans")
class FIRUpsampling2D(keras.layers.Layer):
    """Doubles height and width of features (n, h, w, c) with the filter [1, 3, 3, 1]."""

    def call(self, inputs):
        return upsampled(upsampled(inputs, 1), 2)

    def compute_output_shape(self, input_shape):
        count, height, width, channels = input_shape
        return count, 2 * height, 2 * width, channels


@keras.saving.register_keras_serializable("keras_gans")
class FIRDownsampling2D(keras.layers.Layer):
    """Halves height and width, both even, of features (n, h, w, c) with the filter [1, 3, 3, 1]."""

    def build(self, input_shape):
        if len(input_shape) != 4 or any(side is None or side % 2 for side in input_shape[1:3]):
            raise ValueError(
                "FIRDownsampling2D needs features (n, height, width, channels) of even height and width. "
                f"{checks.received(input_shape=tuple(input_shape))}"
            )

    def call(self, inputs):
        return downsampled(downsampled(inputs, 1), 2)

    def compute_output_shape(self, input_shape):
        count, height, width, channels = input_shape
        return count, height // 2, width // 2, channels
