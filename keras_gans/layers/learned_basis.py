"""A learnt tensor that turns a vector into the first feature map of a generator (R3GAN, arXiv:2501.05441)."""

import keras

from keras_gans import checks


@keras.saving.register_keras_serializable("keras_gans")
class LearnedBasis(keras.layers.Layer):
    """Multiplies each vector (n, C) by a weight (height, width, C): features (n, height, width, C).

    Args:
        height, width: positive integers.
        **kwargs: those of `keras.layers.Layer`.

    The weight starts from N(0, 1).
    """

    def __init__(self, height, width, **kwargs):
        super().__init__(**kwargs)
        self.height = checks.size("height", height)
        self.width = checks.size("width", width)

    def build(self, input_shape):
        self.basis = self.add_weight(
            name="basis",
            shape=(self.height, self.width, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )

    def call(self, inputs):
        return inputs[:, None, None, :] * self.basis

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.height, self.width, input_shape[-1]

    def get_config(self):
        return {**super().get_config(), "height": self.height, "width": self.width}
