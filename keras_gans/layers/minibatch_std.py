"""Minibatch standard deviation, a statistic that shows the discriminator how varied a batch is.

Karras et al., 2017, arXiv:1710.10196; grouped as in StyleGAN2, arXiv:1912.04958.
"""

import keras
from keras import ops

from keras_gans import checks


@keras.saving.register_keras_serializable("keras_gans")
class MinibatchStandardDeviation(keras.layers.Layer):
    """Appends one channel: the mean over all features of their standard deviation within a group of samples.

    In a batch of n samples and groups of G, sample i is grouped with i + n/G, i + 2n/G and so on. The samples
    of a group are coupled: gradient penalties per sample, gradient normalisation and scores that depend on one image
    alone do not go with it.

    G is the largest divisor of n that does not exceed `group_size`. A batch without a divisor between 2 and
    `group_size` therefore gets the constant 1e-4: keep the batch size a multiple of `group_size` and drop the last
    partial batch in training.

    Args:
        group_size: integer of at least 2. Default 4 (the paper's).
        **kwargs: those of `keras.layers.Layer`.

    Call: features (n, ..., C). Returns (n, ..., C + 1). The statistic is computed in float32.
    """

    couples_samples = True

    def __init__(self, group_size=4, **kwargs):
        super().__init__(**kwargs)
        self.group_size = checks.size("group_size", group_size, minimum=2)

    def call(self, inputs):
        count = ops.shape(inputs)[0]
        group = 1
        for divisor in range(2, self.group_size + 1):
            if isinstance(count, int):
                group = divisor if count % divisor == 0 else group
            else:  # known only when the compiled step runs
                group = ops.where(ops.equal(count % divisor, 0), divisor, group)
        features = ops.cast(inputs, "float32")
        inner = tuple(inputs.shape[1:])
        features = ops.reshape(features, (group, count // group, *inner))
        deviations = ops.sqrt(ops.var(features, axis=0) + 1e-8)  # (n / group, ..., C)
        axes = tuple(range(1, len(inputs.shape)))
        statistic = ops.mean(deviations, axis=axes, keepdims=True)  # (n / group, 1, ..., 1)
        statistic = ops.tile(statistic, (group,) + (1,) * len(inner))
        ones = ops.ones_like(inputs[..., :1])
        return ops.concatenate([inputs, ones * ops.cast(statistic, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "group_size": self.group_size}
