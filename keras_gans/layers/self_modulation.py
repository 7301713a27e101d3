"""Self-modulation: the latents scale and shift every norm of a generator (Chen et al., 2018, arXiv:1810.01365).

With z the latents of a sample and x_hat the batch-normalised features, C channels:

    m = ReLU(W z + c),  gamma = W_g m + c_g,  beta = W_b m + c_b,  out = gamma * x_hat + beta

c_g starts from 1, the other biases from 0. The batch statistics stay those of batch norm.
With labels y: z' = z + E_y + E'_y * z takes the place of z.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.layers.batch_normalization import BatchNormalization
from keras_gans.layers.spectral_normalization import SpectralNormalization


@keras.saving.register_keras_serializable("keras_gans")
class SelfModulatedBatchNormalization(keras.layers.Layer):
    """Batch normalisation whose scale and shift are computed from the latents.

    With d latents, h hidden units and C channels it has d h + h + 2 (h C + C) parameters, and d h + h more where
    the hidden layer is not shared.

    Args:
        hidden_units: positive integer h. Default 32 (the paper).
        shared: whether gamma and beta read one and the same hidden layer (the authors' code, the default), or one each.
        momentum: of the moving statistics, in [0, 1). Default 0.9.
        epsilon: added to the variance. Default 1e-5.
        kernel_initializer: of all kernels. Default Glorot uniform.
        spectral: whether all kernels are spectrally normalised. Default False.
        **kwargs: those of `keras.layers.Layer`.

    Call: `[features, latents]`, features (n, ..., C) with the channels last, latents (n, d). Returns a tensor of the
    features' shape.

    Reference: Chen, Lucic, Houlsby and Gelly, 2018, arXiv:1810.01365.
    """

    def __init__(
        self,
        hidden_units=32,
        shared=True,
        momentum=0.9,
        epsilon=1e-5,
        kernel_initializer="glorot_uniform",
        spectral=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_units = checks.size("hidden_units", hidden_units)
        self.shared = shared
        self.momentum = checks.number("momentum", momentum, minimum=0.0, below=1.0)
        self.epsilon = checks.number("epsilon", epsilon, above=0.0)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.spectral = spectral
        self.normalization = BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, center=False, scale=False, dtype=self.dtype_policy
        )
        self.hidden = self._dense(self.hidden_units, "hidden", activation="relu")
        self.hidden_beta = None if shared else self._dense(self.hidden_units, "hidden_beta", activation="relu")
        self.gamma = self.beta = None

    def _dense(self, units, name, **options):
        # A copy of the initializer for each kernel: one instance with one seed would repeat its draw.
        initializer = keras.initializers.get(keras.initializers.serialize(self.kernel_initializer))
        layer = keras.layers.Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name, **options)
        return SpectralNormalization(layer, name=name) if self.spectral else layer

    def build(self, input_shape):
        features, latents = self._shapes(input_shape)
        self.normalization.build(features)
        self.gamma = self._dense(features[-1], "gamma", bias_initializer="ones")
        self.beta = self._dense(features[-1], "beta")
        self.hidden.build(latents)
        if self.hidden_beta is not None:
            self.hidden_beta.build(latents)
        for layer in (self.gamma, self.beta):
            layer.build((None, self.hidden_units))

    def call(self, inputs, training=None):
        features, latents = inputs
        flags = {"training": training} if self.spectral else {}
        normalized = self.normalization(features, training=training)
        hidden = self.hidden(latents, **flags)
        hidden_beta = hidden if self.shared else self.hidden_beta(latents, **flags)
        per_sample = (-1,) + (1,) * (len(normalized.shape) - 2) + (normalized.shape[-1],)
        gamma = ops.reshape(self.gamma(hidden, **flags), per_sample)
        beta = ops.reshape(self.beta(hidden_beta, **flags), per_sample)
        return normalized * gamma + beta

    def compute_output_shape(self, input_shape):
        return self._shapes(input_shape)[0]

    def _shapes(self, input_shape):
        pair = isinstance(input_shape, (list, tuple)) and len(input_shape) == 2
        if not pair or not all(isinstance(s, (list, tuple)) for s in input_shape) or len(input_shape[1]) != 2:
            raise ValueError(
                "SelfModulatedBatchNormalization must be called on [features, latents], latents of shape (n, d). "
                f"{checks.received(input_shape=input_shape)}"
            )
        return tuple(input_shape[0]), tuple(input_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "shared": self.shared,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "spectral": self.spectral,
        }


@keras.saving.register_keras_serializable("keras_gans")
class LabelledLatents(keras.layers.Layer):
    """Mixes labels into latents: `z + E[y] + E'[y] * z`, the conditional form of self-modulation.

    Weights: `addends` E and `factors` E', both (num_classes, d), from N(0, 0.02).

    Args:
        num_classes: positive integer K.
        **kwargs: those of `keras.layers.Layer`.

    Call: `[latents, labels]`, latents (n, d), labels integers (n,) in 0 .. K-1. Returns (n, d).

    Reference: arXiv:1810.01365, section 2.3.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = checks.size("num_classes", num_classes)

    def build(self, input_shape):
        shape = (self.num_classes, input_shape[0][-1])
        self.addends, self.factors = (
            self.add_weight(name=name, shape=shape, initializer=keras.initializers.RandomNormal(stddev=0.02))
            for name in ("addends", "factors")
        )

    def call(self, inputs):
        latents, labels = inputs
        labels = ops.cast(labels, "int32")
        addends, factors = (ops.take(table, labels, axis=0) for table in (self.addends, self.factors))
        return latents + addends + factors * latents

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
