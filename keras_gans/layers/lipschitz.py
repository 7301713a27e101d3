"""Linear layers of bounded norm and activations of slope at most 1: residual maps of them are contractions.

With A the linear map on inputs of its real size, padding included, c < 1 the bound, u and v unit vectors kept from step
to step (Gouk et al., 2018, arXiv:1804.04368; Behrmann et al., 2019, arXiv:1811.00995):

    v <- A'u / |A'u|,  u <- A v / |A v|       power iteration, in training alone
    sigma = <u, A v>                          the norm of A; u and v are constants for the gradient, the kernel is not
    kernel in use = W / (max(1, sigma / c) + 1e-5)      in every call: a kernel of norm below c stays as it is

On circular images a constant u would stay constant for ever, whatever has the largest norm: a hundredth of a fixed
random pattern is added to u there before its steps.

A' of a convolution of stride 1 and odd size is the convolution with the kernel turned by 180 degrees and its channels
exchanged. The norm of the kernel as a matrix, which `SpectralNormalization` takes, bounds that of a convolution from no
side: blurring with 3x3 ones / 9 has the norm 1 on large images, and 1/3 as a matrix.
"""

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import tap
from keras_gans.layers.spectral_normalization import TINY

WARM_UP = 60  # iterations after `build`
SLACK = 1e-5  # of float32
NUDGE = 0.01
EXACT_SIZE = 512  # up to this many inputs or outputs the whole matrix of a convolution is looked at
PADDINGS = ("same", "circular")


def lipswish(x):
    """Returns x sigmoid(x) / 1.1, of slopes up to 0.99985 (Chen et al., 2019, arXiv:1906.02735)."""
    return x * ops.sigmoid(x) / 1.1


ACTIVATIONS = {"elu": ops.elu, "lipswish": lipswish, "softplus": ops.softplus, "tanh": ops.tanh}
TOO_STEEP = {"swish": 1.0999, "silu": 1.0999, "gelu": 1.1290, "mish": 1.0885}


def contractive(activation):
    """Returns the activation of a name, whose slopes are at most 1 and which can be differentiated twice."""
    if activation in TOO_STEEP:
        raise ValueError(
            f"`activation` must have slopes of at most 1, or a block is no contraction, with no inverse: {activation} "
            f"has slopes up to {TOO_STEEP[activation]}. Use 'lipswish', which is swish / 1.1. "
            f"{checks.received(activation=activation)}"
        )
    return ACTIVATIONS[checks.one_of("activation", activation, ACTIVATIONS)]


def unit(tensor):
    return tensor / (ops.sqrt(ops.sum(ops.square(tensor))) + TINY)


def unit_pattern(shape):
    """Returns an array of a shape and norm 1 that is the same every time and has all frequencies."""
    pattern = np.random.default_rng(0).standard_normal(shape)
    return pattern / np.linalg.norm(pattern)


class Lipschitz(keras.layers.Layer):
    """What dense layers and convolutions of bounded norm share: a kernel, a bias, u and v. Always float32.

    A subclass says by `prepared(input_shape)` the shapes of the kernel, of v and of u, and computes `mapped` and
    `adjoint` of tensors, and `mapped_array` of NumPy's arrays with a kernel or its `adjoint_of`.
    """

    nudge: float | np.ndarray = 0.0  # what is added to u before its steps

    def __init__(self, coefficient=0.9, power_iterations=5, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.coefficient = checks.number("coefficient", coefficient, above=0, below=1)
        self.power_iterations = checks.size("power_iterations", power_iterations)

    def build(self, input_shape):
        kernel, v, u = self.prepared(input_shape)
        options = {"dtype": "float32", "autocast": False}
        self.kernel = self.add_weight(shape=kernel, initializer="glorot_uniform", name="kernel", **options)
        self.bias = self.add_weight(shape=(kernel[-1],), initializer="zeros", name="bias", **options)
        # They do not depend on the data: all replicas agree. A moving average of weights knows them by their names.
        options |= {"trainable": False, "aggregation": "only_first_replica", "initializer": "random_normal"}
        self.v = self.add_weight(shape=v, name="singular_vector_v", **options)
        self.u = self.add_weight(shape=u, name="singular_vector_u", **options)
        self.warm_up()

    def warm_up(self, count=WARM_UP):
        """Takes `count` steps of the power iteration by NumPy: outside of a compiled step that is quicker by far."""
        kernel, u = (ops.convert_to_numpy(each).astype("float64") for each in (self.kernel, self.u))
        u = u + self.nudge
        for _ in range(count):
            v = self.mapped_array(u, self.adjoint_of(kernel))
            v /= np.linalg.norm(v) + TINY
            u = self.mapped_array(v, kernel)
            u /= np.linalg.norm(u) + TINY
        self.u.assign(u)
        self.v.assign(v)

    def iterate(self, count=1):
        """Takes `count` steps of the power iteration with the present kernel, keeps u and v, and returns them."""
        kernel, u = (ops.stop_gradient(ops.convert_to_tensor(each)) for each in (self.kernel, self.u))

        u = u + ops.convert_to_tensor(self.nudge, "float32")

        def step(_, vectors):
            v = unit(self.adjoint(vectors[0], kernel))
            return unit(self.mapped(v, kernel)), v

        u, v = ops.fori_loop(0, count, step, (u, ops.stop_gradient(ops.convert_to_tensor(self.v))))
        self.u.assign(u)
        self.v.assign(v)
        return u, v

    def used_kernel(self, training=False):
        """Returns the kernel divided as above, a float32 tensor; in training the power iteration takes its steps."""
        kernel = ops.convert_to_tensor(self.kernel)
        if training and self.trainable:
            u, v = self.iterate(self.power_iterations)
        else:
            u, v = ops.convert_to_tensor(self.u), ops.convert_to_tensor(self.v)
        sigma = ops.sum(ops.stop_gradient(u) * self.mapped(ops.stop_gradient(v), kernel))
        tap(self, "spectral_norm", sigma)
        return kernel / (ops.maximum(1.0, sigma / self.coefficient) + SLACK)

    def call(self, inputs, training=False):
        return self.mapped(inputs, self.used_kernel(training)) + ops.convert_to_tensor(self.bias)

    def norm_bound(self):
        """Returns `(bound, how)`: a number that the norm of the layer in use is not above, computed without u and v."""
        return self.norm_of(ops.convert_to_numpy(self.used_kernel()).astype("float64"))

    def get_config(self):
        own = {"coefficient": self.coefficient, "power_iterations": self.power_iterations}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("keras_gans")
class LipschitzDense(Lipschitz):
    """A dense layer whose matrix has a norm of at most `coefficient`.

    Args:
        units: Integer, length of an output.
        coefficient: Bound of the norm, above 0 and below 1, default 0.9.
        power_iterations: Steps of the power iteration in each call with `training=True`, default 5.

    Reference: arXiv:1811.00995.
    """

    def __init__(self, units, coefficient=0.9, power_iterations=5, **kwargs):
        super().__init__(coefficient, power_iterations, **kwargs)
        self.units = checks.size("units", units)

    def prepared(self, input_shape):
        size = input_shape[-1]
        return (size, self.units), (1, size), (1, self.units)

    def mapped(self, inputs, kernel):
        return ops.matmul(inputs, kernel)

    def mapped_array(self, inputs, kernel):
        return inputs @ kernel

    def adjoint_of(self, kernel):
        return kernel.T

    def adjoint(self, outputs, kernel):
        return ops.matmul(outputs, ops.transpose(kernel))

    def norm_of(self, kernel):
        return float(np.linalg.norm(kernel, 2)), "exact"

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("keras_gans")
class LipschitzConv2D(Lipschitz):
    """A convolution of stride 1 whose norm on images of the size that it is built for is at most `coefficient`.

    Args:
        filters: Integer, channels of an output.
        kernel_size: Odd integer, default 3.
        coefficient, power_iterations: As for `LipschitzDense`.
        padding: `"same"` (default) for zeros around the image, or `"circular"`, where it goes on at the other side.

    Reference: arXiv:1811.00995.
    """

    def __init__(self, filters, kernel_size=3, coefficient=0.9, power_iterations=5, padding="same", **kwargs):
        super().__init__(coefficient, power_iterations, **kwargs)
        self.filters = checks.size("filters", filters)
        self.kernel_size = checks.size("kernel_size", kernel_size)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd. {checks.received(kernel_size=kernel_size)}")
        self.padding = checks.one_of("padding", padding, PADDINGS)

    def prepared(self, input_shape):
        height, width, channels = input_shape[1:]
        largest = 2 * min(height, width) + 1
        if self.padding == "circular" and self.kernel_size > largest:
            raise ValueError(
                f"`kernel_size` must be at most {largest} for circular images of {height}x{width}. "
                f"{checks.received(kernel_size=self.kernel_size)}"
            )
        self.size = (height, width)
        side = (1, 1) if self.kernel_size == 1 else (height, width)  # the same matrix everywhere: one position tells
        if self.padding == "circular" and self.kernel_size > 1:
            self.nudge = NUDGE * unit_pattern((1, *side, self.filters))
        kernel = (self.kernel_size, self.kernel_size, channels, self.filters)
        return kernel, (1, *side, channels), (1, *side, self.filters)

    def mapped(self, inputs, kernel):
        around = self.kernel_size // 2
        if self.padding == "circular" and around:
            inputs = ops.concatenate([inputs[:, -around:], inputs, inputs[:, :around]], 1)
            inputs = ops.concatenate([inputs[:, :, -around:], inputs, inputs[:, :, :around]], 2)
        padding = "valid" if self.padding == "circular" else "same"
        return ops.conv(inputs, kernel, strides=1, padding=padding, data_format="channels_last")

    def mapped_array(self, inputs, kernel):
        around = self.kernel_size // 2
        widths = [(0, 0), (around, around), (around, around), (0, 0)]
        padded = np.pad(inputs, widths, mode="constant" if self.padding == "same" else "wrap")
        height, width = inputs.shape[1:3]
        parts = [
            padded[:, row : row + height, column : column + width] @ kernel[row, column]
            for row, column in np.ndindex(*kernel.shape[:2])
        ]
        return np.sum(parts, axis=0)

    def adjoint_of(self, kernel):
        return kernel[::-1, ::-1].transpose(0, 1, 3, 2)

    def adjoint(self, outputs, kernel):
        return self.mapped(outputs, ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2)))

    def norm_of(self, kernel):
        """Exact by FFT for circular images; else by the matrix where it is small, or the bound of larger circles."""
        inputs, outputs = kernel.shape[2:]
        if self.kernel_size == 1:
            return float(np.linalg.norm(kernel[0, 0], 2)), "exact"
        smaller = int(np.prod(self.size)) * min(inputs, outputs)
        if self.padding == "same" and smaller <= EXACT_SIZE:
            basis = np.eye(smaller).reshape(smaller, *self.size, -1)
            images = self.mapped_array(basis, kernel if inputs <= outputs else self.adjoint_of(kernel))
            matrix = images.reshape(smaller, -1)
            return float(np.sqrt(np.linalg.eigvalsh(matrix @ matrix.T)[-1])), "exact"
        # A zero-padded image is a part of a larger circular one.
        size = [side if self.padding == "circular" else max(2 * side, side + self.kernel_size) for side in self.size]
        frequencies = np.fft.fft2(wrapped(kernel, size), axes=(0, 1))
        norm = float(np.linalg.norm(frequencies, 2, axis=(2, 3)).max())
        return norm, "exact" if self.padding == "circular" else "upper bound"

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "padding": self.padding}
        return {**super().get_config(), **own}


def wrapped(kernel, size):
    """Returns a kernel (k, k, in, out) laid on a circle of a size (h, w), entries that meet added."""
    result = np.zeros((*size, *kernel.shape[2:]))
    for row, column in np.ndindex(*kernel.shape[:2]):
        result[row % size[0], column % size[1]] += kernel[row, column]
    return result
