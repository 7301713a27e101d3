"""A critic's score in a step: the passes that its losses are made of serve its penalties, too.

A penalty at the reals or the fakes takes the input gradient of the pass that scored them: it sees the same augmentation
and the same dropout, and the step has one pass less.
"""

import inspect

import keras
from keras import ops

from keras_gans.engine.backend import module as backend
from keras_gans.engine.private_keras import layers_of


def _differs_in_training(layer):
    """Returns whether a layer may compute something else in training than in inference.

    Of Keras's own those do that hold statistics or seeds, though the calls of most take `training`.
    """
    if type(layer).__module__.startswith("keras."):
        return bool(layer.non_trainable_variables)
    return "training" in inspect.signature(layer.call).parameters


class Score:
    """A critic's score, images (n, ...) -> (n,), that remembers its passes.

    Args:
        outputs: Function `(images, training=True)` -> the critic's outputs (n, units).
        judge: Function, outputs -> scores.
        still: Whether a pass in training computes what one in inference does, and leaves nothing behind.
        seed: `SeedGenerator` of the directions in which `slopes` looks.
    """

    def __init__(self, outputs, judge, still=False, seed=None):
        self._outputs, self._judge, self._still, self._seed, self._passes = outputs, judge, still, seed, []

    @classmethod
    def of(cls, model, labels):
        """Returns that of an `AdversarialModel` for images with these labels (n,), or None."""
        still = model.augmentation is None and not any(map(_differs_in_training, layers_of(model.discriminator)))

        def outputs(images, training=True):
            return model.score(images, labels, training=training)

        return cls(outputs, model.judge, still, model.latent_seeds)

    def __call__(self, images):
        return self._judge(self._outputs(images))

    def outputs(self, images):
        """Returns the critic's outputs (n, units) for images, and remembers the pass."""
        outputs, pullback = backend.value_and_input_pullback(self._outputs, images)
        self._passes.append((images, outputs, pullback))
        return outputs

    def knows(self, images):
        """Returns whether a pass on these images is remembered."""
        return any(seen is images for seen, _, _ in self._passes)

    def gradients(self, images):
        """Returns the gradient of the summed scores with respect to images, itself differentiable."""
        for seen, outputs, pullback in self._passes:
            if seen is images:
                return pullback(backend.input_gradients(self._judge, outputs))
        return backend.input_gradients(self, images)

    def slopes(self, images, std):
        """Returns `(C(x + std u) - C(x)) / std` (n,) for images x, along one direction u ~ N(0, I) of each.

        C is the critic in inference, without augmentation and dropout: another draw would outweigh the difference.
        """
        moved = images + std * keras.random.normal(ops.shape(images), seed=self._seed)
        known = [outputs for seen, outputs, _ in self._passes if seen is images and self._still]
        before = known[0] if known else self._outputs(images, training=False)
        return (self._judge(self._outputs(moved, training=False)) - self._judge(before)) / std
