"""The moving average of a model's weights, updated inside the compiled train step."""

import contextlib

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend


def _copy(variable):
    """Returns the value as an array of its own: JAX donates buffers, so that two variables must not share one."""
    return ops.convert_to_numpy(backend.read(variable)).copy()


@keras.saving.register_keras_serializable("keras_gans")
class WeightAverage(keras.layers.Layer):
    """A second copy of the weights of some networks that averages the optimiser's trajectory.

    With `theta_n` the weights after step n = 1, 2, ... and `a_n = min(decay, (n - 1) / n)`:

        average_n = a_n average_(n-1) + (1 - a_n) theta_n

    so it is the plain mean of the first `1 / (1 - decay)` steps and an exponential average afterwards.
    Batch statistics are averaged like weights; spectral-norm vectors are copied; integers are left alone.
    The copy is part of the model: saved, resumed and distributed with it. Training never reads it.

    Args:
        decay: Float in [0, 1), per train step. Half-life in steps: `ln 0.5 / ln decay` (0.999: 693).
        networks: Names of the model's networks that are averaged; None for the first, the generator of a GAN.

    Reference: Yazici et al., 2018, arXiv:1806.04498.
    """

    def __init__(self, decay=0.999, networks=None, name=None, **kwargs):
        super().__init__(name=name or f"average_{decay}".replace(".", "_"), trainable=False, dtype="float32", **kwargs)
        self.decay = checks.number("decay", decay, minimum=0, below=1)
        self.networks = None if networks is None else list(networks)

    def attach(self, model):
        """Creates the copies, equal to the present weights of `model`'s networks."""
        self.networks = self.networks or list(model.networks[:1])
        sources = []
        for network in self.networks:
            if not hasattr(model, network):
                known = getattr(model, "networks", ())
                raise ValueError(
                    f"`networks` must name networks of the model ({', '.join(known)}). "
                    f"{checks.nearest(network, known)}{checks.received(networks=self.networks)}"
                )
            sources += [v for v in getattr(model, network).variables if keras.backend.is_float_dtype(v.dtype)]
        object.__setattr__(self, "_sources", tuple(sources))  # not ours: must not be tracked as our weights
        self.steps = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="steps")
        self.averages = [
            self.add_weight(
                shape=source.shape,
                initializer="zeros",
                dtype="float32",
                trainable=False,
                autocast=False,
                name=source.path.replace("/", "_"),
                aggregation="mean",
            )
            for source in sources
        ]
        for average, source in zip(self.averages, sources, strict=True):
            average.assign(_copy(source))
        self.built = True

    def update(self):
        """Takes one step of the recurrence with the present weights."""
        self.steps.assign(self.steps + 1)
        steps = ops.cast(self.steps, "float32")
        keep = ops.minimum(self.decay, (steps - 1.0) / steps)
        for average, source in zip(self.averages, self._sources, strict=True):
            value = ops.cast(source.value, "float32")
            if "singular_vector" not in source.name:
                value = average.value + (value - average.value) * (1.0 - keep)
            average.assign(value)

    @contextlib.contextmanager
    def applied(self, model=None):
        """Puts the averages into the networks for the time of the `with`; the raw weights come back bit for bit.

        Args:
            model: Not needed; accepted so that `average.applied(model)` reads like a sentence.
        """
        del model
        raw = [_copy(source) for source in self._sources]
        for average, source in zip(self.averages, self._sources, strict=True):
            source.assign(_copy(average))
        try:
            yield
        finally:
            for value, source in zip(raw, self._sources, strict=True):
                source.assign(value)

    def get_config(self):
        return {"decay": self.decay, "networks": self.networks, "name": self.name}
