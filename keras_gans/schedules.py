"""Values that change with the step: `CosineBurnIn`, and an Adam whose beta_2 may be one.

A schedule is a `keras.optimizers.schedules.LearningRateSchedule`: a function of the optimiser's step. Learning rates
take it as everywhere in Keras; here the weights of penalties (`R1(CosineBurnIn(...))`), R3GAN's gamma and the half-life
of a moving average take it too. It is evaluated inside the compiled step: nothing is traced twice.
"""

import math

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_gans import checks


def number_or_schedule(argument, value, **bounds):
    """Returns `value` if it is a schedule or its config, else the number it must be (`checks.number`)."""
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    return value if isinstance(value, LearningRateSchedule) else checks.number(argument, value, **bounds)


def at(value, step):
    """Returns a number as it is, and a schedule's value at a step."""
    return value(step) if isinstance(value, LearningRateSchedule) else value


def config_of(value):
    """Returns what `number_or_schedule` reads back."""
    return keras.saving.serialize_keras_object(value) if isinstance(value, LearningRateSchedule) else value


@keras.saving.register_keras_serializable("keras_gans")
class CosineBurnIn(LearningRateSchedule):
    """A value that moves from `start` to `end` along half a cosine, and then stays.

    At step t < steps it is `start + (1 - (1 + cos(pi t / steps)) / 2) (end - start)`, from then on `end`.

    Args:
        start, end: Numbers.
        steps: Optimiser steps from one to the other, at least 1.

    Reference: the schedules of R3GAN, Huang et al., 2025, arXiv:2501.05441.
    """

    def __init__(self, start, end, steps):
        self.start, self.end = checks.number("start", start), checks.number("end", end)
        self.steps = checks.positive_integer("steps", steps)

    def __call__(self, step):
        progress = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return self.start + 0.5 * (1.0 - ops.cos(math.pi * progress)) * (self.end - self.start)

    def get_config(self):
        return {"start": self.start, "end": self.end, "steps": self.steps}

    def __repr__(self):
        return f"CosineBurnIn({self.start:g}, {self.end:g}, steps={self.steps})"


@keras.saving.register_keras_serializable("keras_gans")
class ScheduledAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` whose `beta_2` may be a schedule; its bias correction uses the present value.

    Args:
        learning_rate: Number or schedule, default 0.001.
        beta_1: Number in [0, 1), default 0.9.
        beta_2: Number in [0, 1) or a schedule with such values, default 0.999.
        epsilon: Number, default 1e-7.

    The other arguments are those of `keras.optimizers.Adam`; `amsgrad` is refused.

    Example:
        >>> rate, beta_2 = CosineBurnIn(2e-4, 5e-5, 5000), CosineBurnIn(0.9, 0.99, 5000)
        >>> optimizer = ScheduledAdam(rate, beta_1=0.0, beta_2=beta_2, epsilon=1e-8)
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, name="adam", **kwargs):
        if kwargs.get("amsgrad"):
            raise ValueError(f"`amsgrad` has no form with a scheduled beta_2. {checks.received(amsgrad=True)}")
        beta_2 = number_or_schedule("beta_2", beta_2, minimum=0, below=1)
        super().__init__(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, name=name, **kwargs)

    @property
    def beta_2(self):
        """The value at the present step."""
        return at(self._beta_2, self.iterations)

    @beta_2.setter
    def beta_2(self, value):
        self._beta_2 = value

    def get_config(self):
        return {**super().get_config(), "beta_2": config_of(self._beta_2)}
