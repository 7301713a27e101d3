"""The weight moving average, as a callback."""

import keras

from keras_gans.engine import WeightAverage


class WeightMovingAverage(keras.callbacks.Callback):
    """Averages the weights of a model's networks over the train steps, inside the compiled step.

    The recurrence is that of `keras_gans.engine.WeightAverage`; the average is saved and resumed with the
    model, and training is the same, bit for bit, with and without it.

    Args:
        decay: Float in [0, 1) per train step, default 0.999 (half-life 693 steps).
        networks: Names of the networks to average, default the first: the generator of a GAN.

    Example:
        >>> average = keras_gans.callbacks.WeightMovingAverage(0.999)
        >>> model.fit(images, epochs=10, callbacks=[average])
        >>> with average.applied(model):
        ...     pictures = model.generate(16)

    Reference: Yazici et al., 2018, arXiv:1806.04498.
    """

    def __init__(self, decay=0.999, networks=None):
        super().__init__()
        self.average = WeightAverage(decay, networks)

    def set_model(self, model):
        super().set_model(model)
        if not hasattr(model, "add_average"):
            raise TypeError(f"WeightMovingAverage needs a model of keras_gans. Received: {type(model).__name__}.")
        self.average = model.add_average(self.average)

    def applied(self, model=None):
        """Returns a context in which the model has the averaged weights; see `WeightAverage.applied`."""
        return self.average.applied(model)
