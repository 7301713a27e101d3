"""Global sum pooling, the last layer before the score in the residual discriminator of SNGAN (arXiv:1802.05957)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_gans")
class GlobalSumPooling2D(keras.layers.Layer):
    """Sums features (n, h, w, C) over height and width to (n, C).

    h * w times the mean: penalties and learning rates tuned with one do not transfer to the other.
    """

    def call(self, inputs):
        return ops.sum(inputs, axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[3])
