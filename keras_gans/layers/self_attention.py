"""Self-attention over the positions of a feature map (Zhang et al., 2018, arXiv:1805.08318).

With x (h, w, C), all convolutions 1x1 without bias, N = h w positions:

    q = conv(x; C/8),  k = pool(conv(x; C/8)),  v = pool(conv(x; C/2)),  pool = 2x2 maximum
    A = softmax over the keys of q k^T (N, N/4),  out = x + gamma conv(A v; C),  gamma a scalar that starts from 0

The paper's formula has no pooling and v of C/8 channels; the authors' code is as above. No division by sqrt(C/8).
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import tap
from keras_gans.layers.spectral_normalization import SpectralNormalization


@keras.saving.register_keras_serializable("keras_gans")
class SelfAttention(keras.layers.Layer):
    """Adds to each position a weighted mean over all positions; the identity at the start.

    1.25 C**2 + 1 parameters. The weights are computed in float32. Memory grows with (h w)**2 / 4 per sample.

    Args:
        pooled: whether keys and values are max-pooled by 2 (the authors' code, the default).
        spectral: whether the four kernels are spectrally normalised (as in both networks of SAGAN). Default False.
        kernel_initializer: of the four kernels. Default Glorot uniform.
        **kwargs: those of `keras.layers.Layer`.

    Call: features (n, h, w, C), C a multiple of 8, h and w at least 2 if pooled. Returns the same shape.

    Reference: Zhang, Goodfellow, Metaxas and Odena, 2018, arXiv:1805.08318.
    """

    def __init__(self, pooled=True, spectral=False, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.pooled = pooled
        self.spectral = spectral
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        pool = keras.layers.MaxPooling2D(2, data_format="channels_last", dtype=self.dtype_policy)
        self.pool = pool if pooled else None
        self.query = self.key = self.value = self.output_projection = None

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None or input_shape[-1] % 8:
            raise ValueError(
                "SelfAttention needs features of shape (n, height, width, channels) with channels a multiple of 8. "
                f"{checks.received(input_shape=tuple(input_shape))}"
            )
        channels = input_shape[-1]

        def pointwise(filters, inputs, name):
            initializer = keras.initializers.get(keras.initializers.serialize(self.kernel_initializer))
            options = {"data_format": "channels_last", "kernel_initializer": initializer, "dtype": self.dtype_policy}
            layer = keras.layers.Conv2D(filters, 1, use_bias=False, name=name, **options)
            layer = SpectralNormalization(layer, name=name) if self.spectral else layer
            layer.build((None, None, None, inputs))
            return layer

        self.query = pointwise(channels // 8, channels, "query")
        self.key = pointwise(channels // 8, channels, "key")
        self.value = pointwise(channels // 2, channels, "value")
        self.output_projection = pointwise(channels, channels // 2, "output")
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros")

    def call(self, inputs, training=None):
        flags = {"training": training} if self.spectral else {}
        query, key, value = (layer(inputs, **flags) for layer in (self.query, self.key, self.value))
        if self.pooled:
            key, value = self.pool(key), self.pool(value)
        height, width, channels = inputs.shape[1:]
        query, key, value = (ops.reshape(t, (-1, t.shape[1] * t.shape[2], t.shape[3])) for t in (query, key, value))
        similarities = ops.matmul(query, ops.transpose(key, (0, 2, 1)))  # (n, h*w, keys)
        weights = tap(self, "weights", ops.softmax(ops.cast(similarities, "float32"), axis=-1))
        weights = ops.cast(weights, value.dtype)
        attended = ops.reshape(ops.matmul(weights, value), (-1, height, width, channels // 2))
        return inputs + ops.cast(self.gamma, inputs.dtype) * self.output_projection(attended, **flags)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "pooled": self.pooled,
            "spectral": self.spectral,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
