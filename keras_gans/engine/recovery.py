"""A training that goes back by itself: the last good weights are state of the model, the rate is halved."""

import logging

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import plain_setattr

logger = logging.getLogger("keras_gans")


class Recovery:
    """The part of a model of one player whose weights go back where a step finds that they have run away.

    The copies are variables of the model: a resumed run goes back to the same weights as one that was never stopped. A
    model calls `prepare_recovery` at the end of its constructor and `recovered` in every step.
    """

    def prepare_recovery(self, keep_every):
        """Makes the copies of the weights and statistics of the player; `keep_every` is in steps, at least 1."""
        (self._player,) = self.players
        self.keep_every = checks.positive_integer("keep_every", keep_every)
        kept = [
            self.add_weight(
                shape=variable.shape,
                initializer=keras.initializers.Constant(ops.convert_to_numpy(variable.value)),
                dtype=variable.dtype,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
                name=f"kept_{place}",
            )
            for place, variable in enumerate(self._recoverable())
        ]
        plain_setattr(self, "_kept", kept)  # `add_weight` tracks them
        self.rollbacks = self._counter("rollbacks", 0)
        self.steps_kept = self._counter("steps_kept", 0)

    def _recoverable(self):
        network = getattr(self, self._player)
        return [variable for variable in network.variables if keras.backend.is_float_dtype(variable.dtype)]

    def recovered(self, away):
        """Puts the kept weights back where the scalar `away` is true; else keeps the present ones every so often."""
        steps = ops.convert_to_tensor(self.steps_kept)
        keep = ops.logical_and(ops.logical_not(away), steps % self.keep_every == 0)
        for variable, kept in zip(self._recoverable(), self._kept, strict=True):
            present, before = backend.read(variable), backend.read(kept)
            variable.assign(ops.where(away, before, present))
            kept.assign(ops.where(keep, present, before))
        rate = self.optimizer.of(self._player).learning_rate
        rate.assign(backend.read(rate) * ops.where(away, 0.5, 1.0))
        self.rollbacks.assign(ops.convert_to_tensor(self.rollbacks) + ops.cast(away, "int32"))
        self.steps_kept.assign(ops.where(away, 0, steps + 1))

    def _compiled(self):
        optimizer = self.optimizer.of(self._player)
        if not isinstance(optimizer.learning_rate, keras.Variable):
            raise ValueError(
                f"`{self.optimizer_argument(self._player)}` must have a number as learning rate: the model halves it "
                f"when it goes back. {checks.received(learning_rate=optimizer.get_config()['learning_rate'])}"
            )
        super()._compiled()

    def fit(self, x=None, y=None, *, callbacks=None, **kwargs):
        """Trains the model; see `GenerativeModel.fit`. A warning at the end of an epoch says where it went back."""
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(_Tell())
        else:
            given = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
            callbacks = [*given, _Tell()]
        return super().fit(x, y, callbacks=callbacks, **kwargs)


class _Tell(keras.callbacks.Callback):
    """Says at the end of an epoch how often the model went back, and what the rate is now."""

    def _times(self):
        backend.sync(self.model)
        return int(ops.convert_to_numpy(self.model.rollbacks.value))

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self._times()

    def on_epoch_end(self, epoch, logs=None):
        times = self._times() - self.before
        if times:
            logger.warning(
                "%s ran away in epoch %d: it went back to its last good weights%s, and the learning rate is now %.3g.",
                self.model.name,
                epoch + 1,
                "" if times == 1 else f" {times} times",
                float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            )
