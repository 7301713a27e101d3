"""Invertible residual blocks and the network of them (Behrmann et al., 2019, arXiv:1811.00995).

block    y = x + g(x),  g = A_m phi A_(m-1) phi ... A_1 (phi),  |A_i| <= c < 1, slopes of phi at most 1: L <= c^m
prior    v ~ N(m, diag e^(2s)), m and s trained, one pair for every class;  z = (v - m) e^(-s) is the latent
"""

import math

import keras
from keras import ops

from keras_gans import checks
from keras_gans.layers.lipschitz import contractive
from keras_gans.layers.rearranging import Split


def plain_estimator(residual, inputs):
    """Returns `(g(x), 0)`: the estimator of those who ask for no log-determinant."""
    return residual(inputs), 0.0


@keras.saving.register_keras_serializable("keras_gans")
class InvertibleBlock(keras.layers.Layer):
    """y = x + g(x), with g a chain of layers of bounded norm and activations between them.

    Args:
        maps: List of `LipschitzDense` or `LipschitzConv2D`; the last one returns what the first one takes.
        activation: `"elu"` (default), `"lipswish"`, `"softplus"` or `"tanh"`, before every map but the first.
        activate_first: Whether it stands before the first one, too, default True.
    """

    def __init__(self, maps, activation="elu", activate_first=True, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.maps = list(maps)
        self.phi = contractive(activation)
        self.activation, self.activate_first = activation, checks.flag("activate_first", activate_first)

    def build(self, input_shape):
        shape, self.dimension = input_shape, math.prod(input_shape[1:])
        for each in self.maps:
            if not each.built:
                each.build(shape)
            shape = each.compute_output_shape(shape)
        if tuple(shape[1:]) != tuple(input_shape[1:]):
            raise ValueError(
                f"`maps` must return what they take, {tuple(input_shape[1:])}. Received: maps that return "
                f"{tuple(shape[1:])}."
            )

    def residual(self, training=False):
        """Returns g as a function of tensors, whose kernels are computed now, once for all calls."""
        kernels = [each.used_kernel(training) for each in self.maps]
        biases = [ops.convert_to_tensor(each.bias) for each in self.maps]

        def g(x):
            for i, (each, kernel, bias) in enumerate(zip(self.maps, kernels, biases, strict=True)):
                x = each.mapped(self.phi(x) if i or self.activate_first else x, kernel) + bias
            return x

        return g

    def transform(self, inputs, estimator=plain_estimator, training=False):
        """Returns `(y, log-determinant)`, the latter (n,) by the estimator; see `keras_gans.flows`."""
        change, log_det = estimator(self.residual(training), inputs)
        return inputs + change, log_det

    def inverse(self, outputs, solver):
        """Returns x of y; see `keras_gans.flows.fixed_point`."""
        return solver(self.residual(), outputs)

    def call(self, inputs, training=False):
        return self.transform(inputs, training=training)[0]

    def bounds(self):
        """Returns `[(layer, bound, how), ...]`: see `norm_bound` of the layers. Their product bounds the block."""
        return [(each.name, *each.norm_bound()) for each in self.maps]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        maps = [keras.saving.serialize_keras_object(each) for each in self.maps]
        own = {"maps": maps, "activation": self.activation, "activate_first": self.activate_first}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        maps = [keras.saving.deserialize_keras_object(each) for each in config.pop("maps")]
        return cls(maps, **config)


@keras.saving.register_keras_serializable("keras_gans")
class Flow(keras.Model):
    """An invertible network: images or points to latents of as many numbers, and back, with its log-determinant.

    Args:
        image_shape: Shape of one sample.
        steps: List of `InvertibleBlock`, `ActNorm`, `Squeeze`, `Split` and `Flattened`, in their order.
        num_classes: 0, or the number of classes, each of which has a prior of its own.
    """

    def __init__(self, image_shape, steps, num_classes=0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})  # under every policy, or the bounds do not hold
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.steps = list(steps)
        shape, self.sent_sizes = (None, *self.image_shape), ()
        for step in self.steps:
            if not step.built:  # one that comes out of a file is
                step.build(shape)
            if isinstance(step, Split):
                self.sent_sizes += (math.prod(step.sent_shape),)
            shape = step.compute_output_shape(shape)
        self.last_shape, self.dimension = tuple(shape[1:]), math.prod(self.image_shape)
        options = {"shape": (max(1, num_classes), self.dimension), "initializer": "zeros", "autocast": False}
        self.prior_mean = self.add_weight(name="prior_mean", dtype="float32", **options)
        self.prior_log_deviation = self.add_weight(name="prior_log_deviation", dtype="float32", **options)
        self.built = True

    @property
    def blocks(self):
        return [step for step in self.steps if isinstance(step, InvertibleBlock)]

    def transform(self, x, estimator=plain_estimator, training=False):
        """Returns `(v, log-determinant)` of samples x (n, ...): v is (n, D), the latter (n,) or a scalar."""
        total, sent = 0.0, []
        for step in self.steps:
            if isinstance(step, Split):
                sent.append(ops.reshape(step.sent(x), (-1, math.prod(step.sent_shape))))
            x, log_det = step.transform(x, estimator, training)
            total = total + log_det
        return ops.concatenate([*sent, ops.reshape(x, (-1, math.prod(self.last_shape)))], axis=-1), total

    def inverse(self, v, solver):
        """Returns the samples (n, ...) of v (n, D)."""
        ends = [sum(self.sent_sizes[: i + 1]) for i in range(len(self.sent_sizes))]
        sent = [v[:, end - size : end] for end, size in zip(ends, self.sent_sizes, strict=True)]
        x = ops.reshape(v[:, sum(self.sent_sizes) :], (-1, *self.last_shape))
        for step in reversed(self.steps):
            if isinstance(step, Split):
                x = step.joined(ops.reshape(sent.pop(), (-1, *step.sent_shape)), x)
            else:
                x = step.inverse(x, solver)
        return x

    def prior(self, labels=None):
        """Returns mean and log-deviation of the prior, (n, D) of the labels, or (1, D)."""
        mean, log_deviation = ops.convert_to_tensor(self.prior_mean), ops.convert_to_tensor(self.prior_log_deviation)
        if not self.num_classes:
            return mean, log_deviation
        return ops.take(mean, labels, axis=0), ops.take(log_deviation, labels, axis=0)

    def standardized(self, v, labels=None):
        """Returns the latents z (n, D) of v."""
        mean, log_deviation = self.prior(labels)
        return (v - mean) * ops.exp(-log_deviation)

    def log_prior(self, v, labels=None):
        """Returns log N(v; m, diag e^(2s)) in nats, (n,), of v (n, D)."""
        squares, log_deviation = ops.square(self.standardized(v, labels)), self.prior(labels)[1]
        return ops.sum(-0.5 * squares - log_deviation, axis=-1) - 0.5 * self.dimension * math.log(2 * math.pi)

    def log_priors(self, v):
        """Returns log N(v; m_y, diag e^(2 s_y)) of all classes y, (n, classes)."""
        mean, log_deviation = ops.convert_to_tensor(self.prior_mean), ops.convert_to_tensor(self.prior_log_deviation)
        z = (v[:, None] - mean) * ops.exp(-log_deviation)  # (n, classes, D)
        return ops.sum(-0.5 * ops.square(z) - log_deviation, axis=-1) - 0.5 * self.dimension * math.log(2 * math.pi)

    def initialize(self, x):
        """Initialises every `ActNorm` with what it sees of samples x, one after the other."""
        for step in self.steps:
            if hasattr(step, "initialize"):
                step.initialize(x)
            x, _ = step.transform(x, plain_estimator)

    def call(self, inputs, training=False):
        """Returns the latents z (n, D) of samples, or of `[samples, labels]`."""
        x, labels = inputs if self.num_classes else (inputs, None)
        return self.standardized(self.transform(ops.cast(x, "float32"), training=training)[0], labels)

    def get_config(self):
        steps = [keras.saving.serialize_keras_object(step) for step in self.steps]
        return {"image_shape": self.image_shape, "steps": steps, "num_classes": self.num_classes, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        steps = [keras.saving.deserialize_keras_object(step, custom_objects) for step in config["steps"]]
        return cls(**{**config, "steps": steps})
