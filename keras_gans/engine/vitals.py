"""What `Health` measures beside the train step, and the state it goes back to."""

import numpy as np
from keras import ops

from keras_gans.engine.backend import module as backend
from keras_gans.engine.gradients import value_and_gradients


def snapshot(model):
    """Returns copies of all variables of a model and its optimiser, as NumPy arrays."""
    backend.sync(model)
    return [np.array(ops.convert_to_numpy(backend.read(variable))) for variable in _variables(model)]


def restore(model, state):
    """Puts back what `snapshot` returned; inside `fit` the next step starts from it."""
    backend.sync(model)
    for variable, value in zip(_variables(model), state, strict=True):
        variable.assign(value)


def _variables(model):
    return [*model.variables, *(model.optimizer.variables if model.optimizer is not None else [])]


class Vitals:
    """A compiled measurement of a model of the zoo on fixed images and latents, at inference.

    Returns a dict of arrays: `fakes` (n, ...), floats; of a model with a discriminator `real_scores` and `fake_scores`
    (n,); `<player>_gradient`, the norm of the gradient of each player with a loss of its own.
    """

    def __init__(self, model):
        self.model = model
        self._compiled = backend.compiled(model, self._measure)

    def __call__(self, images, labels, latents):
        backend.sync(self.model)
        arguments = [None if each is None else ops.convert_to_tensor(each) for each in (images, labels, latents)]
        return {name: ops.convert_to_numpy(value) for name, value in self._compiled(*arguments).items()}

    def _measure(self, images, labels, latents):
        model = self.model
        images, labels = model.batch((images,) if labels is None else (images, labels))
        found = {}
        found["fakes"] = fakes = model.fake(latents, labels, training=False)
        scores = {"real_scores": model.realness(images, labels), "fake_scores": model.realness(fakes, labels)}
        found |= {name: values for name, values in scores.items() if values is not None}
        for player in [player for player in model.players if f"{player}_loss" in model.all_logs()]:
            variables = getattr(model, player).trainable_variables

            def loss(player=player):
                return ops.cast(model.observed_losses(images, labels, latents)[f"{player}_loss"], "float32")

            gradients = value_and_gradients(loss, variables)[2]
            squares = [ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in gradients]
            found[f"{player}_gradient"] = ops.sqrt(sum(squares))
        return found
