"""Layers through which class labels reach a generator or a discriminator.

With y the label of a sample, K classes, h (F,) the features before the last dense layer:

    conditional batch norm   gamma_y * x_hat + beta_y, x_hat the batch-normalised input (Dumoulin et al., 2017,
                             arXiv:1610.07629; in GANs: Miyato and Koyama, 2018, arXiv:1802.05637)
    projection               w . h + b + <E_y, h>                      (Miyato and Koyama, 2018, arXiv:1802.05637)
    label scaling            h * (1 + E_y)                             (ours, for outputs of more than one unit)

All take `[features, labels]` with integer labels of shape (n,) in 0 .. K-1. A label outside this range is not
detected inside a compiled step.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.layers.batch_normalization import BatchNormalization
from keras_gans.layers.spectral_normalization import SpectralNormalization


def features_and_labels(layer, input_shape):
    """Returns the shape of the features; refuses anything but the shapes of `[features, labels]`."""
    pair = isinstance(input_shape, (list, tuple)) and len(input_shape) == 2
    if not pair or not all(isinstance(shape, (list, tuple)) for shape in input_shape) or len(input_shape[1]) != 1:
        raise ValueError(
            f"{type(layer).__name__} must be called on [features, labels], labels of shape (n,). "
            f"{checks.received(input_shape=input_shape)}"
        )
    return tuple(input_shape[0])


@keras.saving.register_keras_serializable("keras_gans")
class ConditionalBatchNormalization(keras.layers.Layer):
    """Batch normalisation whose scale and shift are looked up by class label.

    The batch statistics are those of the whole batch, not per class. Weights: `gamma` and `beta`, both (num_classes,
    channels), and the moving statistics of the inner `BatchNormalization`.

    Args:
        num_classes: positive integer K.
        momentum: of the moving statistics, in [0, 1). Default 0.9 (torch's 0.1).
        epsilon: added to the variance. Default 1e-5.
        gamma_initializer: of (K, channels). Default N(1, 0.02), as in DCGAN.
        beta_initializer: default zeros.
        **kwargs: those of `keras.layers.Layer`.

    Call: `[features, labels]`, features (n, ..., channels) with the channels last, labels integers (n,) in 0 .. K-1.
    Returns a tensor of the features' shape.

    Reference: Miyato and Koyama, 2018, arXiv:1802.05637.
    """

    def __init__(
        self, num_classes, momentum=0.9, epsilon=1e-5, gamma_initializer=None, beta_initializer="zeros", **kwargs
    ):
        super().__init__(**kwargs)
        self.num_classes = checks.size("num_classes", num_classes)
        self.momentum = checks.number("momentum", momentum, minimum=0.0, below=1.0)
        self.epsilon = checks.number("epsilon", epsilon, above=0.0)
        self.gamma_initializer = keras.initializers.get(
            keras.initializers.RandomNormal(mean=1.0, stddev=0.02) if gamma_initializer is None else gamma_initializer
        )
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.normalization = BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, center=False, scale=False, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        shape = features_and_labels(self, input_shape)
        table = (self.num_classes, shape[-1])
        self.gamma = self.add_weight(name="gamma", shape=table, initializer=self.gamma_initializer)
        self.beta = self.add_weight(name="beta", shape=table, initializer=self.beta_initializer)
        self.normalization.build(shape)

    def call(self, inputs, training=None):
        features, labels = inputs
        labels = ops.cast(labels, "int32")
        normalized = self.normalization(features, training=training)
        per_sample = (-1,) + (1,) * (len(normalized.shape) - 2) + (normalized.shape[-1],)
        gamma = ops.reshape(ops.take(self.gamma, labels, axis=0), per_sample)
        beta = ops.reshape(ops.take(self.beta, labels, axis=0), per_sample)
        return normalized * ops.cast(gamma, normalized.dtype) + ops.cast(beta, normalized.dtype)

    def compute_output_shape(self, input_shape):
        return features_and_labels(self, input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "beta_initializer": keras.initializers.serialize(self.beta_initializer),
        }


@keras.saving.register_keras_serializable("keras_gans")
class LabelProjection(keras.layers.Layer):
    """The head of a projection discriminator: `s = w . h + b + <E[y], h>`, one score per sample.

    Weights: `w` (F, 1), `b` (1,), `E` (num_classes, F): F + 1 + num_classes * F parameters.

    Args:
        num_classes: positive integer K.
        use_bias: whether there is a `b`. Default True.
        spectral: whether `w` and `E` are spectrally normalised, as the rest of the discriminator. Default False.
        kernel_initializer: of `w`. Default Glorot uniform.
        embeddings_initializer: of `E`. Default Glorot uniform.
        **kwargs: those of `keras.layers.Layer`; `dtype="float32"` keeps scores in float32 under mixed precision.

    Call: `[features, labels]`, features (n, F), labels integers (n,) in 0 .. K-1. Returns scores (n, 1); higher means
    more real.

    Reference: Miyato and Koyama, 2018, arXiv:1802.05637.
    """

    def __init__(
        self,
        num_classes,
        use_bias=True,
        spectral=False,
        kernel_initializer="glorot_uniform",
        embeddings_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = checks.size("num_classes", num_classes)
        self.use_bias = use_bias
        self.spectral = spectral
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        policy = {"dtype": self.dtype_policy}
        self.dense = keras.layers.Dense(1, use_bias=use_bias, kernel_initializer=self.kernel_initializer, **policy)
        if spectral:
            self.dense = SpectralNormalization(self.dense)
        self.embedding = None

    def build(self, input_shape):
        shape = features_and_labels(self, input_shape)
        if len(shape) != 2:
            raise ValueError(f"LabelProjection needs features of shape (n, F). {checks.received(shape=shape)}")
        self.dense.build(shape)
        embedding = keras.layers.Embedding(
            self.num_classes, shape[-1], embeddings_initializer=self.embeddings_initializer, dtype=self.dtype_policy
        )
        self.embedding = SpectralNormalization(embedding) if self.spectral else embedding
        self.embedding.build((None,))

    def call(self, inputs, training=None):
        features, labels = inputs
        flags = {"training": training} if self.spectral else {}
        directions = self.embedding(ops.cast(labels, "int32"), **flags)  # (n, F)
        return self.dense(features, **flags) + ops.sum(directions * features, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape):
        return (features_and_labels(self, input_shape)[0], 1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "use_bias": self.use_bias,
            "spectral": self.spectral,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }


@keras.saving.register_keras_serializable("keras_gans")
class LabelScaling(keras.layers.Layer):
    """Multiplies features by `1 + E[y]`, for conditional networks whose output has more than one unit.

    A projection adds one number and has no natural form for an output of many units (the encoder-discriminator of
    O-GAN); scaling the features before the last dense layer lets every output depend on the label. Ours.

    Args:
        num_classes: positive integer K.
        spectral: whether `E` (num_classes, F) is spectrally normalised, so that no factor exceeds 2. Default False.
        embeddings_initializer: of `E`. Default N(0, 0.02).
        **kwargs: those of `keras.layers.Layer`.

    Call: `[features, labels]`, features (n, F), labels integers (n,) in 0 .. K-1. Returns (n, F).
    """

    def __init__(self, num_classes, spectral=False, embeddings_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = checks.size("num_classes", num_classes)
        self.spectral = spectral
        self.embeddings_initializer = keras.initializers.get(
            keras.initializers.RandomNormal(stddev=0.02) if embeddings_initializer is None else embeddings_initializer
        )
        self.embedding = None

    def build(self, input_shape):
        shape = features_and_labels(self, input_shape)
        if len(shape) != 2:
            raise ValueError(f"LabelScaling needs features of shape (n, F). {checks.received(shape=shape)}")
        embedding = keras.layers.Embedding(
            self.num_classes, shape[-1], embeddings_initializer=self.embeddings_initializer, dtype=self.dtype_policy
        )
        self.embedding = SpectralNormalization(embedding) if self.spectral else embedding
        self.embedding.build((None,))

    def call(self, inputs, training=None):
        features, labels = inputs
        flags = {"training": training} if self.spectral else {}
        return features * (1.0 + self.embedding(ops.cast(labels, "int32"), **flags))

    def compute_output_shape(self, input_shape):
        return features_and_labels(self, input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "spectral": self.spectral,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
