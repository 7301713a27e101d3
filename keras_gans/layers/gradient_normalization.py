"""Gradient normalisation: a critic divided by a function of its own input gradient.

With f(x) the raw score of a sample and n = |grad f(x)| the norm over all pixels and channels:

    "gn"    f / (n + |f|)            in (-1, 1)    GN-GAN (Wu et al., 2021, arXiv:2109.02235)
    "gran"  f n / (n^2 + epsilon)                  GraN   (Bhaskara et al., 2021, arXiv:2111.03162)

For a piecewise linear critic the gradient of the first has the norm (n / (n + |f|))^2, at most 1: the bound holds for
the model and not for sampled points only, and there is no coefficient to tune. The denominator is differentiated too,
so both players' steps are of second order.

Our choices: 1. 1e-12 under the root of n, which also settles f = n = 0; 2. the score is float32 under every precision
policy.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import input_gradients
from keras_gans.engine.private_keras import layers_of
from keras_gans.engine.simultaneous import couples_samples

FORMS = ("gn", "gran")


def normalized_score(score, norm, form="gn", epsilon=1e-3):
    """Returns the normalised scores of scores and gradient norms, all of the same shape."""
    checks.same_shape(score=score, norm=norm)
    if form == "gran":
        return score * norm / (ops.square(norm) + epsilon)
    return score / (norm + ops.abs(score))


@keras.saving.register_keras_serializable("keras_gans")
class GradientNormalized(keras.Model):
    """A critic with normalised gradient, to be used as the `discriminator` of any two-player variant.

    Since |score| < 1 with `form="gn"`, the hinge loss is the Wasserstein loss plus 2.

    Args:
        critic: `keras.Model`, images (n, ...) -> raw scores (n, 1), or `[images, labels]` -> scores; without batch
            norm, minibatch statistics, dropout or another random layer.
        form: `"gn"` (default) or `"gran"`.
        epsilon: Of `"gran"`, greater than 0, default 1e-3.

    Raises:
        TypeError: If `critic` is not a `keras.Model`.
        ValueError: For an unknown form, a critic with another number of outputs, or one of the layers above.

    Example:
        >>> critic = keras_gans.networks.resnet.discriminator((32, 32, 3), normalization=None)
        >>> model = keras_gans.GAN(generator, GradientNormalized(critic), latent_dim=128, loss="hinge")

    Reference: arXiv:2109.02235, whose settings for CIFAR-10 are: residual networks, hinge, 5 critic steps, Adam with
    betas (0, 0.9) and learning rates 4e-4 (critic) and 2e-4.
    """

    def __init__(self, critic, form="gn", epsilon=1e-3, name=None):
        super().__init__(name=name, dtype="float32")
        if not isinstance(critic, keras.Model):
            raise TypeError(f"`critic` must be a keras.Model. {checks.received(critic=critic)}")
        self.critic = critic
        self.form = checks.one_of("form", form, FORMS)
        self.epsilon = checks.number("epsilon", epsilon, above=0)
        for layer in reversed(layers_of(critic)):  # the innermost first
            if couples_samples(layer):
                raise ValueError(
                    "`critic` must treat samples independently, or the gradient is not that of one sample. The layer "
                    f"{layer.name!r} mixes the samples of a batch: build the critic with normalization=None."
                )
            if any(variable.name == "seed_generator_state" for variable in layer.non_trainable_variables):
                raise ValueError(
                    "`critic` must compute the same function every time, since it is called for its value and for its "
                    f"gradient. The layer {layer.name!r} is random: build the critic without dropout."
                )

    def build(self, input_shape):
        if not self.critic.built:
            self.critic.build(input_shape)
        units = tuple(self.critic.compute_output_shape(input_shape))[1:]
        if units != (1,):
            raise ValueError(
                f"`critic` must return one score per image, shape (n, 1). Received: output shape {(None, *units)}."
            )
        self.built = True

    def call(self, inputs, training=None):
        """Returns the normalised scores, float32 (n, 1)."""
        images, *labels = inputs if isinstance(inputs, (list, tuple)) else (inputs,)

        def score(images):
            return ops.cast(self.critic([images, *labels] if labels else images, training=training), "float32")

        gradients = ops.cast(input_gradients(score, images), "float32")
        axes = tuple(range(1, len(gradients.shape)))
        norms = ops.sqrt(ops.sum(ops.square(gradients), axis=axes) + 1e-12)
        return normalized_score(score(images), norms[:, None], self.form, self.epsilon)

    def compute_output_shape(self, input_shape):
        return self.critic.compute_output_shape(input_shape)

    def get_config(self):
        return {
            "critic": keras.saving.serialize_keras_object(self.critic),
            "form": self.form,
            "epsilon": self.epsilon,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        critic = keras.saving.deserialize_keras_object(config["critic"], custom_objects=custom_objects)
        return cls(**{**config, "critic": critic})
