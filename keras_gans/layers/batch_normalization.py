"""Batch normalisation with the backend's fused kernel (Ioffe and Szegedy, 2015, arXiv:1502.03167).

Keras 3 composes batch normalisation from small operations; on a CPU this is the most expensive part of a DCGAN
step after the convolutions. TensorFlow's fused kernel reads and writes each activation once.
"""

import keras

from keras_gans.engine import kernels


@keras.saving.register_keras_serializable("keras_gans")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, faster where the backend has a fused kernel.

    Weights, configuration, mathematics and moving statistics are those of the Keras layer: for each channel
    `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with the biased variance over all other axes. On
    TensorFlow, rank-4 inputs with the channels last go through the fused kernel; everything else (JAX, PyTorch, other
    ranks and axes, a mask, `renorm`, `synchronized`, float64) through Keras's own code.

    In float32 both agree to 1e-5. In bfloat16 or float16 statistics and arithmetic are float32 in both; the outputs
    differ by at most one rounding of the compute dtype (2**-8 relative in bfloat16), and so do the gradients
    with respect to the inputs.

    Args:
        **kwargs: those of `keras.layers.BatchNormalization`.

    Example:

    >>> layer = BatchNormalization(momentum=0.9, epsilon=1e-5)
    >>> layer(keras.random.normal((8, 4, 4, 16)), training=True).shape
    (8, 4, 4, 16)
    """

    def call(self, inputs, training=None, mask=None):
        """Returns normalised `inputs`; in training the moving statistics move towards those of the batch."""
        if mask is not None or self.renorm or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        use_batch = training and self.trainable
        fused = kernels.fused_batch_normalization(
            inputs,
            self.gamma,
            self.beta,
            self.epsilon,
            mean=None if use_batch else self.moving_mean,
            variance=None if use_batch else self.moving_variance,
            axis=self.axis,
        )
        if fused is None:
            return super().call(inputs, training=training)
        outputs, mean, variance = fused
        if use_batch:
            self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
            self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return keras.ops.cast(outputs, self.compute_dtype)
