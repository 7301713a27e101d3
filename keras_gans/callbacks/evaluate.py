"""Scores during training, and the best model by one of them."""

import contextlib
import json
import math
import os

from keras_gans import checks
from keras_gans.callbacks.copying import CopiedFresh
from keras_gans.output import files


class Evaluate(CopiedFresh):
    """Calls `function(model)` every so many epochs, puts the scores into the logs and keeps the best model.

    Works on any `keras.Model`. With an `average` the function sees the averaged weights, and so does the saved model.

    Args:
        function: Callable, model -> number or dict of numbers, for example one that compares
            `model.generate(1000, seed=0)` with held-out images.
        every: Epochs between two evaluations, default 1; the last epoch of `fit` is always evaluated.
        average: A `WeightMovingAverage`, or None.
        folder: Where `best.keras` and `best.json` (score, epoch) go, or None. A resumed run knows its best.
        monitor: The score that decides; needed when the function returns several.
        mode: `"min"` (default) or `"max"`: whether a low or a high score is better. NaN is never the best.
        name: Name of the score in the logs when the function returns a number, default `"score"`.

    Attributes:
        history: List of `{"epoch": ..., <score>: ...}`.
        best: The best score so far, or None.

    Raises:
        ValueError: For a monitor that the function does not return, with the nearest; when `fit` begins, for a damaged
            best.json.

    Example:
        >>> def distance(model):
        ...     return float(np.abs(model.generate(500, seed=0).mean(0) - held_out.mean(0)).mean())
        >>> best = keras_gans.callbacks.Evaluate(distance, every=5, folder="best")
        >>> model.fit(images, epochs=50, callbacks=[best])
    """

    def __init__(self, function, every=1, average=None, folder=None, monitor=None, mode="min", name="score"):
        super().__init__()
        if not callable(function):
            raise TypeError(
                f"`function` must be callable: function(model) -> scores. {checks.received(function=function)}"
            )
        self.average = checks.moving_average("average", average)
        self.function, self.monitor, self.name = function, monitor, name
        self.every = checks.positive_integer("every", every)
        self.mode = checks.one_of("mode", mode, ("min", "max"))
        self.folder = None if folder is None else checks.writable_folder("folder", folder)
        self.history, self.best = [], None

    def on_train_begin(self, logs=None):
        path = self.folder and os.path.join(self.folder, "best.json")
        if path and os.path.exists(path):
            try:
                with open(path, encoding="utf-8") as file:
                    self.best = checks.number("score", json.load(file)["score"], finite=False)
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                raise ValueError(
                    f"The file {path} is damaged ({error}), and with it the score of best.keras. Remove it: the next "
                    "evaluation counts as the best."
                ) from error

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every and epoch + 1 != self.params.get("epochs"):
            return
        with contextlib.nullcontext() if self.average is None else self.average.applied(self.model):
            scores = self.function(self.model)
            scores = scores if isinstance(scores, dict) else {self.name: scores}
            scores = {name: float(value) for name, value in scores.items()}
            monitor = self.monitor or (next(iter(scores)) if len(scores) == 1 else None)
            score = scores[checks.one_of("monitor", monitor, scores)]
            if self._is_best(score):
                self.best = score
                if self.folder:
                    with files.replacing(os.path.join(self.folder, "best.keras"), suffix=".keras") as temporary:
                        self.model.save(temporary)
                    files.write_json(
                        os.path.join(self.folder, "best.json"), {"score": score, "epoch": epoch + 1, **scores}
                    )
        self.history.append({"epoch": epoch + 1, **scores})
        if logs is not None:
            logs.update(scores)

    def _is_best(self, score):
        if math.isnan(score):
            return False
        return self.best is None or (score < self.best if self.mode == "min" else score > self.best)
