"""What is asked of images that are there: whose labels they have, how real they are, which energy."""

import numpy as np

from keras_gans import checks


def labels_of(model, count, labels=None):
    """Returns the labels (count,) of images that are there: as `model.labels_for`, but none are made up.

    Raises:
        ValueError: Labels are missing where the model is conditional, or do not fit.
    """
    if labels is None and model.num_classes:
        checks.labels(None, count, model.num_classes)
    return model.labels_for(count, labels)


def for_score(model, images, labels=None):
    """Returns `(images, labels)` of which a score is asked: arrays are checked, as floats; tensors stay."""
    if not isinstance(images, np.ndarray):
        return images, labels
    return model.as_floats(images), labels_of(model, len(images), labels)


class Energy:
    """The part of a model whose `realness` is minus an energy."""

    def energy(self, images, labels=None):
        """Returns the energy of images, float32 (n,): low for images like the data.

        Args:
            images: uint8 or float images (n, h, w, c), as for `fit`.
            labels: Of a conditional model, n classes or one for all. Default: the lowest energy over all classes, that
                of the class which suits an image best.
        """
        images = self.as_floats(images)
        if labels is None and self.num_classes:
            return np.min([self._energies(images, label) for label in range(self.num_classes)], axis=0)
        return self._energies(images, labels)

    def _energies(self, images, labels):
        labels = labels_of(self, len(images), labels)
        return self.compiled_call("energy", lambda *batch: -self.realness(*batch), images, labels)
