"""The weight moving average, as a callback."""

from keras_gans.callbacks.copying import CopiedFresh
from keras_gans.engine import WeightAverage, attach
from keras_gans.engine.averaging import WARMUP


class WeightMovingAverage(CopiedFresh):
    """Averages the weights of any `keras.Model` over the train steps, inside the compiled step.

    The recurrence is that of `keras_gans.engine.WeightAverage`; the average is saved and resumed with the
    model, and training is the same, bit for bit, with and without it. Several averages (0.999 and 0.9999) live side
    by side. `SampleGrid(average=...)` and `Evaluate(average=...)` use it for pictures and scores; to export the
    averaged weights, `with average.applied(): model.save("averaged.keras")`.

    Args:
        decay: Float in [0, 1) per train step, default 0.999 (half-life 693 steps).
        networks: Names of the networks to average: attributes of the model. Default: of a model of the zoo the
            generator (of an O-GAN also the discriminator, its encoder), of any other model all weights.
        half_life: Train steps after which a weight counts half, instead of a decay; a number or a schedule.
        warmup: A number of at least 1 (default 50: about the last fiftieth of the steps is averaged until the decay's
            own length is reached), `"fast"`, `"mean"`, `"debiased"` or None, as for `WeightAverage`.
        include_statistics: Whether batch statistics are averaged (default) or copied.
        evaluate: Whether `evaluate` and the validation of `fit` use the average, default False.

    Raises:
        ValueError: For a decay outside [0, 1), a decay together with a half_life, or a network that the model lacks.
        RuntimeError: When `fit` begins while the average is applied: training would go on from the average.

    Example:
        >>> average = keras_gans.callbacks.WeightMovingAverage(0.999)
        >>> model.fit(images, epochs=10, callbacks=[average])
        >>> with average.applied(model):
        ...     pictures = model.generate(16)

    Reference: Yazici et al., 2018, arXiv:1806.04498.
    """

    def __init__(
        self,
        decay=None,
        networks=None,
        half_life=None,
        warmup=WARMUP,
        include_statistics=True,
        evaluate=False,
    ):
        super().__init__()
        self.average = WeightAverage(decay, networks, half_life, warmup, include_statistics)
        self.evaluate = bool(evaluate)

    def set_model(self, model):
        super().set_model(model)
        self.average = attach(model, self.average)

    def on_train_begin(self, logs=None):
        if self.average.is_applied:
            raise RuntimeError("The moving average is applied; leave `with average.applied():` before you train.")

    def on_test_begin(self, logs=None):
        if self.evaluate:
            self.average.apply()

    def on_test_end(self, logs=None):
        if self.evaluate:
            self.average.restore()

    def applied(self, model=None):
        """Returns a context in which the model has the averaged weights; see `WeightAverage.applied`."""
        return self.average.applied(model)
