"""A model whose epochs are of several kinds, each with a compiled step of its own."""

from keras_gans.engine.optimizers import scale_rate
from keras_gans.engine.private_keras import plain_setattr

SHORTEST = 20  # epochs before a rate is halved


def rate_factor(epoch, epochs, halve_every=None):
    """Returns the factor of learning rates in epoch 0, 1, ...: halved every so many.

    The default is a tenth of `epochs`, but no fewer than 20: what is published for 200 and for 500 epochs.
    """
    return 0.5 ** (epoch // (halve_every or max(SHORTEST, epochs // 10)))


class Staged:
    """The part of a model that trains in stages: `<stage>_step(data)` is the step of a stage.

    A variant names its `stages` and calls `enter(stage)` where an epoch begins. The compiled step of every stage is
    kept, so that going back and forth compiles nothing again.
    """

    stages: tuple[str, ...] = ()
    stage = ""  # the present one

    def train_step(self, data):
        return self._step()(self, data)

    def _step(self):
        return getattr(type(self), f"{self.stage or self.stages[0]}_step")

    def enter(self, stage):
        """Makes the step of `stage` the train step, within a running `fit`, too."""
        present = self.stage or self.stages[0]
        if stage == present and self.train_function is not None:
            return
        kept = {} if self.train_function is None else dict(vars(self).get("_stage_functions", {}))
        if self.train_function is not None:
            kept[present] = self.train_function, self.train_step
        plain_setattr(self, "stage", stage)
        self.train_function, step = kept.get(stage, (None, None))
        if self.train_function is None:
            super().make_train_function()
        else:
            plain_setattr(self, "train_step", step)  # which eager functions, and new shapes, call
        plain_setattr(self, "_stage_functions", kept)

    def make_train_function(self, force=False):
        if self.train_function is None or force:  # the model has changed, and with it the step of every stage
            plain_setattr(self, "_stage_functions", {})
        super().make_train_function(force)

    def halve_rates(self, players, epoch, epochs, halve_every=None):
        """Brings the learning rates of players from epoch - 1 to `epoch` of a stage; see `rate_factor`."""
        if not epoch:
            return
        factor = rate_factor(epoch, epochs, halve_every) / rate_factor(epoch - 1, epochs, halve_every)
        for player in players if factor < 1.0 else ():
            scale_rate(self.optimizer.of(player), factor)
