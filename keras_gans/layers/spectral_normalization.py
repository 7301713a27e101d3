"""Spectral normalisation of a layer's kernel (Miyato et al., 2018, arXiv:1802.05957).

With K the kernel as a matrix of shape (everything that goes in, channels that come out), u a unit vector kept from call
to call and sg(.) the identity without gradient:

    v      = K u / |K u|,  u' = K^T v / |K^T v|      power iteration, under sg
    sigma  = sg(v)^T K sg(u')                        an estimate of the largest singular value
    output = layer computed with K / sigma; the bias is untouched

The gradient flows through both places where K stands, dL/dK = (C - <C, K/sigma> v u'^T) / sigma with C = dL/d(K/sigma),
hence is orthogonal to K up to the error of sigma: the scale of K is free. `keras.layers.SpectralNormalization` instead
overwrites K by K / sigma and loses a part of the gradient.

Our choices: 1. in inference sigma is |K u| with the stored u; 2. a kernel that is exactly zero is left as it is.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import tap
from keras_gans.engine.private_keras import full_precision_variables

TINY = 1e-12  # added to norms, as in the paper's code


def unit(vector):
    """Returns `vector` (n,) divided by its Euclidean norm."""
    return vector / (ops.sqrt(ops.sum(ops.square(vector))) + TINY)


def random_unit_vector(shape, dtype=None):
    """An initializer: a direction drawn uniformly."""
    return unit(keras.initializers.RandomNormal(stddev=1.0)(shape, dtype=dtype))


def spectral_norm(matrix, u, power_iterations=1):
    """Estimates the largest singular value of `matrix` by power iteration.

    Args:
        matrix: float32 tensor (rows, columns).
        u: unit tensor (columns,), the estimate of the first right singular vector so far.
        power_iterations: non-negative integer; with 0, `u` is kept.

    Returns:
        `(sigma, u)`: scalar, differentiable with respect to `matrix` with the singular vectors held constant;
        the improved u, a constant.
    """
    constant = ops.stop_gradient(matrix)
    v = unit(ops.matmul(constant, u))
    for iteration in range(power_iterations):
        image = ops.matmul(v, constant)
        u = ops.where(ops.sum(ops.square(image)) > 0, unit(image), u)
        if iteration + 1 < power_iterations:
            v = unit(ops.matmul(constant, u))
    u, v = ops.stop_gradient(u), ops.stop_gradient(v)
    return ops.sum(ops.matmul(v, matrix) * u), u


@keras.saving.register_keras_serializable("keras_gans")
class SpectralNormalization(keras.layers.Wrapper):
    """Computes with the wrapped layer's kernel divided by its largest singular value.

    The trainable kernel is never assigned. The only state is `u`, a float32 non-trainable weight of shape (channels
    out,), which moves by `power_iterations` steps at each call with `training=True` unless the layer is frozen
    (`trainable=False`). Power iterations and sigma are float32 under every precision policy.

    For convolutions sigma is the norm of the kernel as a matrix (height * width * channels in, channels out), the
    convention of the paper; the norm of the convolution itself is at most sqrt(height * width) times larger.

    Args:
        layer: a `Dense`, `Conv1D/2D/3D`, `Conv1D/2D/3DTranspose` or `Embedding` layer of Keras.
        power_iterations: positive integer, iterations per training call. Default 1 (the paper).
        **kwargs: those of `keras.layers.Layer`; the dtype policy defaults to that of `layer`.

    Raises:
        TypeError: `layer` is of another kind, so that we could not know where its kernel enters.
        ValueError: `layer` has an activity regularizer, LoRA or a quantized kernel.

    Example:

    >>> layer = SpectralNormalization(keras.layers.Conv2D(64, 4, strides=2, padding="same"))
    >>> layer(keras.random.normal((8, 32, 32, 3)), training=True).shape
    (8, 16, 16, 64)

    Reference: Miyato, Kataoka, Koyama and Yoshida, 2018, arXiv:1802.05957.
    """

    def __init__(self, layer, power_iterations=1, **kwargs):
        operation = _operation(layer)
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(layer, **kwargs)
        self.power_iterations = checks.size("power_iterations", power_iterations)
        self.autocast = False  # inputs are cast for the wrapped layer below; labels must not be cast at all
        self.supports_masking = layer.supports_masking
        self._operation = operation

    def build(self, input_shape):
        super().build(input_shape)
        kernel = self._kernel()
        self.u = self.add_weight(
            name="u",
            shape=(kernel.shape[self._output_axis()],),
            initializer=random_unit_vector,
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",  # u does not depend on the data: all replicas agree
        )

    def call(self, inputs, training=None):
        """Returns the wrapped layer's outputs, computed with kernel / sigma."""
        with full_precision_variables():
            kernel = ops.cast(ops.convert_to_tensor(self._kernel()), "float32")
            u = ops.convert_to_tensor(self.u)
            learn = training and self.trainable
            sigma, u = spectral_norm(self._matrix(kernel), u, self.power_iterations if learn else 0)
            tap(self, "spectral_norm", sigma)
            if learn:
                self.u.assign(u)
            # A zero kernel has sigma = 0 and stays zero.
            kernel = kernel / ops.where(sigma > TINY, sigma, ops.ones_like(sigma))
            return self._compute(inputs, kernel)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(self, inputs, mask=None):
        return self.layer.compute_mask(inputs, mask)

    def get_config(self):
        return {**super().get_config(), "power_iterations": self.power_iterations}

    def normalized_kernel(self):
        """Returns kernel / sigma as inference uses it, a float32 tensor of the kernel's shape."""
        with full_precision_variables():
            kernel = ops.cast(ops.convert_to_tensor(self._kernel()), "float32")
            sigma, _ = spectral_norm(self._matrix(kernel), ops.convert_to_tensor(self.u), 0)
            return kernel / ops.where(sigma > TINY, sigma, ops.ones_like(sigma))

    def _kernel(self):
        return self.layer.embeddings if self._operation == "embedding" else self.layer.kernel

    def _output_axis(self):
        return -2 if self._operation == "conv_transpose" else -1  # transposed convolutions: (..., out, in)

    def _matrix(self, kernel):
        if self._operation == "conv_transpose":
            kernel = ops.swapaxes(kernel, -1, -2)
        return ops.reshape(kernel, (-1, kernel.shape[-1]))

    def _compute(self, inputs, kernel):
        """The forward pass of `self.layer` with `kernel` (float32) in the place of its own."""
        layer, dtype = self.layer, self.layer.compute_dtype
        kernel = ops.cast(kernel, dtype)
        if self._operation == "embedding":
            return ops.take(kernel, ops.cast(inputs, "int32"), axis=0)

        inputs = ops.cast(inputs, dtype)
        if self._operation == "dense":
            outputs = ops.matmul(inputs, kernel)
        elif self._operation == "conv_transpose":
            outputs = ops.conv_transpose(
                inputs,
                kernel,
                strides=list(layer.strides),
                padding=layer.padding,
                output_padding=layer.output_padding,
                dilation_rate=layer.dilation_rate,
                data_format=layer.data_format,
            )
        else:
            padding = layer.padding
            if padding == "causal":  # one-dimensional convolutions only
                before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
                widths = [[0, 0], [before, 0], [0, 0]]
                if layer.data_format == "channels_first":
                    widths = [[0, 0], [0, 0], [before, 0]]
                inputs = ops.pad(inputs, widths)
                padding = "valid"
            outputs = ops.conv(
                inputs,
                kernel,
                strides=list(layer.strides),
                padding=padding,
                dilation_rate=layer.dilation_rate,
                data_format=layer.data_format,
            )
        if layer.bias is not None:
            bias = ops.cast(layer.bias, dtype)
            if getattr(layer, "data_format", "channels_last") == "channels_first":
                bias = ops.reshape(bias, (-1,) + (1,) * layer.rank)
            outputs = outputs + bias
        return outputs if layer.activation is None else layer.activation(outputs)


_CALLS = {
    "dense": (keras.layers.Dense,),
    "conv": (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    "conv_transpose": (
        keras.layers.Conv1DTranspose,
        keras.layers.Conv2DTranspose,
        keras.layers.Conv3DTranspose,
    ),
    "embedding": (keras.layers.Embedding,),
}


def _operation(layer):
    """Returns which of the known forward passes `layer` has; a subclass with its own `call` has none of them."""
    known = [
        name
        for name, classes in _CALLS.items()
        if any(isinstance(layer, c) and type(layer).call is c.call for c in classes)
    ]
    if not known:
        raise TypeError(
            "`layer` must be a Dense, Conv1D/2D/3D, Conv1D/2D/3DTranspose or Embedding layer of Keras whose `call` "
            f"is not overridden. {checks.received(layer=layer)}"
        )
    if getattr(layer, "activity_regularizer", None) is not None:
        raise ValueError(
            "`layer` must have no activity regularizer: give it to SpectralNormalization instead. "
            f"{checks.received(layer=layer)}"
        )
    if getattr(layer, "lora_rank", None) or getattr(layer, "quantization_mode", None):
        raise ValueError(f"`layer` must have neither LoRA nor quantized weights. {checks.received(layer=layer)}")
    return known[0]
