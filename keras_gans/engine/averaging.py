"""The moving average of a model's weights, updated inside the compiled train step."""

import contextlib
import math
import numbers

import keras
from keras import ops

from keras_gans import checks, schedules
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import plain_setattr, raw_iterations

WARMUPS = ("fast", "mean", "debiased", None)
WARMUP = 50  # the average covers about the last fiftieth of the steps


def _copy(variable):
    """Returns the value as an array of its own: JAX donates buffers, so that two variables must not share one."""
    return ops.convert_to_numpy(backend.read(variable)).copy()


def weights_in_words(average):
    """Returns which weights are in use: those of a `WeightAverage`, or the last ones for None."""
    return "last weights" if average is None else f"moving average of the weights ({average.described()})"


@keras.saving.register_keras_serializable("keras_gans")
class WeightAverage(keras.layers.Layer):
    """A second copy of the weights of some networks that averages the optimiser's trajectory.

    With `theta_n` the weights after step n = 1, 2, ... and `a` the decay:

        average_n = a_n average_(n-1) + (1 - a_n) theta_n,   average_0 = theta_0

    where `warmup` chooses how the initialisation is forgotten:

        a number k  a_n = min(a, n / (n+k))          about the last 1 / k of the steps, then exponential
        "fast"      the same with k = 9, the rule of TensorFlow's moving averages
        "mean"      a_n = min(a, (n-1) / n)          the plain mean of the first 1 / (1 - a) steps, then exponential
        "debiased"  a_n = a (1 - a^(n-1)) / (1 - a^n)    the exponential average of theta_1 .. theta_n alone
        None        a_n = a

    The copy is part of the model: saved, resumed and distributed with it. Training never reads it.

    While a model still learns fast an average lags behind it: the plain mean shows gray pictures for the first
    `1 / (1 - a)` steps, and an average of a tenth of the steps may be 12 % farther from the data than the last weights.
    That of a fiftieth, the default, was never more than 2.3 % (docs/performance.md, scripts/bench/average_warmups.py).

    Args:
        decay: Float in [0, 1) per train step; default 0.999 where there is no half_life.
        networks: Names of the model's networks that are averaged; None for those that are of use after training: the
            generator of a GAN, and the discriminator of an O-GAN, which is its encoder.
        half_life: Train steps after which a weight counts half, at least 0, instead of a decay: `a = 0.5^(1 / h)`, 0
            for no averaging. A number or a schedule of the step (`keras_gans.schedules`).
        warmup: A number of at least 1 (default 50), `"fast"`, `"mean"`, `"debiased"` or None.
        include_statistics: Whether moving statistics (batch normalisation) are averaged like weights, which is the
            default, or copied. Spectral-norm vectors are always copied, integers are left alone.

    Reference: Yazici et al., 2018, arXiv:1806.04498; the half-life: Karras et al., 2018, arXiv:1710.10196.
    """

    def __init__(
        self,
        decay=None,
        networks=None,
        half_life=None,
        warmup=WARMUP,
        include_statistics=True,
        name=None,
        **kwargs,
    ):
        if decay is not None and half_life is not None:
            raise ValueError(
                f"Give `decay` or `half_life`, not both. {checks.received(decay=decay, half_life=half_life)}"
            )
        if half_life is None:
            decay = checks.number("decay", 0.999 if decay is None else decay, minimum=0, below=1)
        else:
            half_life = schedules.number_or_schedule("half_life", half_life, minimum=0)
        described = f"decay_{decay:g}" if half_life is None else "half_life"
        super().__init__(
            name=name or f"average_{described}".replace(".", "_"), trainable=False, dtype="float32", **kwargs
        )
        self.decay, self.half_life = decay, half_life
        is_number = isinstance(warmup, numbers.Real) and not isinstance(warmup, bool)
        self.warmup = (
            checks.number("warmup", warmup, minimum=1) if is_number else checks.one_of("warmup", warmup, WARMUPS)
        )
        self.include_statistics = bool(include_statistics)
        names = [networks] if isinstance(networks, str) else networks
        if not (names is None or (isinstance(names, (list, tuple)) and all(isinstance(each, str) for each in names))):
            raise TypeError(f"`networks` must be a list of names, or None. {checks.received(networks=networks)}")
        self.networks = None if names is None else list(names)
        self.is_applied = False

    def described(self):
        """Returns the decay or half-life in words."""
        return f"decay {self.decay:g}" if self.half_life is None else f"half-life {self.half_life} steps"

    def resolve(self, model):
        """Settles which networks are averaged: those that a model of the zoo names, the whole of any other model."""
        known = tuple(getattr(model, "networks", ()))
        self.networks = self.networks or list(getattr(model, "averaged", ()) or known[:1])
        for network in self.networks:
            if not isinstance(getattr(model, network, None), keras.layers.Layer):
                has = f"({', '.join(known)})" if known else "(layers or models that are attributes of it)"
                raise ValueError(
                    f"`networks` must name networks of the model {has}. "
                    f"{checks.nearest(network, known)}{checks.received(networks=self.networks)}"
                )

    def attach(self, model):
        """Creates the copies, equal to the present weights of `model`'s networks."""
        self.resolve(model)
        owners = [getattr(model, network) for network in self.networks] or [model]
        trained = {id(variable) for owner in owners for variable in owner.trainable_variables}
        critic = {id(v) for v in model.adversarial_loss.state} if hasattr(model, "adversarial_loss") else ()
        sources = [
            v
            for owner in owners
            for v in owner.variables
            if keras.backend.is_float_dtype(v.dtype) and id(v) not in critic
        ]
        plain_setattr(self, "_sources", tuple(sources))
        plain_setattr(self, "_copied", tuple(self._is_copied(v, id(v) in trained) for v in sources))
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

    def _is_copied(self, variable, is_trained):
        is_statistic = not is_trained and "moving" in variable.name
        return "singular_vector" in variable.name or (is_statistic and not self.include_statistics)

    def keep(self, step):
        """Returns the weight a_n of the old average at step n = 1, 2, ... (a float32 scalar)."""
        n = ops.cast(step, "float32")
        if self.half_life is None:
            decay = ops.convert_to_tensor(self.decay, "float32")
        else:
            decay = ops.exp(-math.log(2.0) / ops.maximum(schedules.at(self.half_life, n), 1e-8))
        if self.warmup == "mean":
            return ops.minimum(decay, (n - 1.0) / n)
        if self.warmup == "fast" or isinstance(self.warmup, float):
            return ops.minimum(decay, n / (n + (9.0 if self.warmup == "fast" else self.warmup)))
        if self.warmup == "debiased":
            # 1 - a^n by expm1: for a near 1 the powers themselves would cancel in float32.
            log_decay = ops.log(ops.maximum(decay, 1e-30))
            return decay * ops.expm1((n - 1.0) * log_decay) / ops.expm1(n * log_decay)
        return decay

    def update(self, optimizer=None):
        """Takes one step of the recurrence with the present weights.

        Args:
            optimizer: The optimiser that has just moved them. While it only accumulates gradients
                (`gradient_accumulation_steps`) nothing happens.
        """
        accumulated = getattr(optimizer, "gradient_accumulation_steps", None)
        counted = 1 if not accumulated else ops.cast(ops.equal(raw_iterations(optimizer) % accumulated, 0), "int32")
        steps = self.steps + counted
        moves = (1.0 - self.keep(ops.maximum(steps, 1))) * ops.cast(counted, "float32")
        self.steps.assign(steps)
        for average, source, is_copied in zip(self.averages, self._sources, self._copied, strict=True):
            value = ops.cast(source.value, "float32")
            average.assign(value if is_copied else average.value + (value - average.value) * moves)

    def pairs(self):
        """Returns `[(variable of the networks, its average as the networks take it), ...]`; nothing is changed."""
        return [
            (source, ops.cast(average.value, source.dtype))
            for average, source in zip(self.averages, self._sources, strict=True)
        ]

    @contextlib.contextmanager
    def applied(self, model=None):
        """Puts the averages into the networks for the time of the `with`; the raw weights come back bit for bit.

        The model itself is changed meanwhile: where other threads use it, as in a server, take
        `model.generate(n, average=True)`, which only reads.

        Args:
            model: Not needed; accepted so that `average.applied(model)` reads like a sentence.
        """
        del model
        self.apply()
        try:
            yield
        finally:
            self.restore()

    def apply(self):
        """Puts the averages into the networks; `restore` takes them out again."""
        if self.is_applied:
            raise RuntimeError(f"The average {self.name} is applied already; call restore() first.")
        plain_setattr(self, "_raw", [_copy(source) for source in self._sources])
        for average, source in zip(self.averages, self._sources, strict=True):
            source.assign(_copy(average))
        self.is_applied = True

    def restore(self):
        """Puts the raw weights back, bit for bit."""
        if not self.is_applied:
            raise RuntimeError(f"The average {self.name} is not applied; there is nothing to restore.")
        for value, source in zip(self._raw, self._sources, strict=True):
            source.assign(value)
        del self._raw
        self.is_applied = False

    def get_config(self):
        return {
            "decay": self.decay,
            "networks": self.networks,
            "half_life": None if self.half_life is None else schedules.config_of(self.half_life),
            "warmup": self.warmup,
            "include_statistics": self.include_statistics,
            "name": self.name,
        }
