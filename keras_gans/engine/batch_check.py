"""What a batch must be: images in the range and shape of a model, labels of its classes, and nothing besides.

The check costs two passes over a batch of floats, beside the step; uint8 images are asked for their shape alone.
"""

import functools
import logging

import numpy as np

from keras_gans import checks

IMAGE_KEYS, LABEL_KEYS = ("image", "images"), ("label", "labels")
PIXELS = "`images` must be floats in 0..255, as those of the first batch are. Received: floats from"
RANGE = "`images` must be uint8 in 0..255 or finite floats in [-1, 1]. Received: floats from"
SHAPE = "`images` must have shape {}, as the networks of the model do. Received: a batch whose sides are"
COUNTS = "`labels` must be as many as the images. Received: labels and images:"
CLASSES = "`labels` must be in 0..{}. Received: labels from"


def unpacked(data, conditional):
    """Returns `(images, labels)` of a batch as datasets yield it; labels None where there are none.

    A batch is `images`, `(images,)`, `(images, labels)`, or a dict with the key `image` or `images` and, where the
    model is `conditional`, `label` or `labels`; its other keys are left out. None at the end of a tuple is nothing:
    `train_on_batch` of Keras adds it.

    Raises:
        ValueError: A dict without images, or a tuple of more than two: its third element would be dropped.
    """
    while isinstance(data, (tuple, list)) and len(data) > 1 and data[-1] is None:
        data = data[:-1]
    while isinstance(data, (tuple, list)) and len(data) == 1:
        data = data[0]
    if isinstance(data, dict):
        found = [[data[key] for key in keys if key in data] for keys in (IMAGE_KEYS, LABEL_KEYS)]
        if len(found[0]) != 1 or len(found[1]) > 1:
            raise ValueError(
                "A batch that is a dict must hold `images` (or `image`), and `labels` (or `label`) for a conditional "
                f"model. Received: a dict with the keys {sorted(map(str, data))}."
            )
        return found[0][0], found[1][0] if found[1] and conditional else None
    if isinstance(data, (tuple, list)):
        if isinstance(data, list) and len(data) > 2 and len({np.shape(each) for each in data}) == 1:
            raise ValueError(
                "Images must be one array (n, ...), not one for each: make it with numpy.stack(images). "
                f"Received: a {type(data).__name__} of {len(data)}, each of shape {np.shape(data[0])}."
            )
        if len(data) != 2:
            raise ValueError(
                "A batch must be `images` or `(images, labels)`: a third element would be dropped. "
                f"Received: a {type(data).__name__} of {len(data)}."
            )
        return data[0], data[1]
    return data, None


def with_images(batch, function):
    """Returns a batch as `unpacked` takes it with its images replaced by `function(images)`."""
    if isinstance(batch, dict):
        key = next(key for key in IMAGE_KEYS if key in batch)
        return {**batch, key: function(batch[key])}
    if isinstance(batch, (tuple, list)):
        return (with_images(batch[0], function), *batch[1:])
    return function(batch)


def scaled(images):
    """Returns floats in 0..255 as floats in [-1, 1]."""
    return images / 127.5 - 1.0


@functools.cache
def _say_that_pixels_are_scaled():
    logging.getLogger("keras_gans").warning(
        "The dataset yields floats in 0..255, as keras.utils.image_dataset_from_directory does: they are scaled to "
        "[-1, 1]."
    )


class BatchCheck:
    """Refuses a batch that a model cannot train on. It holds no model, so that worker processes can take it along.

    Args:
        image_shape: Shape of one image.
        num_classes: 0, or the number of classes of a conditional model.
    """

    pixels = False  # whether the images are floats in 0..255, which are scaled

    def __init__(self, image_shape, num_classes):
        self.image_shape, self.num_classes = image_shape, num_classes

    def first(self, batch, scales=False):
        """Checks the first batch of a dataset, whose range also tells floats in 0..1 from those in [-1, 1].

        Args:
            batch: The batch, of NumPy arrays.
            scales: Whether floats in 0..255 are taken, for a dataset into which the scaling can be put.
        """
        images, labels = self._arrays(batch)
        if scales and images.ndim == 4 and images.dtype.kind == "f" and images.min() >= 0 and 1 < images.max() <= 255:
            self.pixels, images = True, scaled(images)
            _say_that_pixels_are_scaled()
        try:
            checks.images("images", images, self.image_shape)
        except ValueError as error:
            advice = "Let the dataset yield uint8 images, or images / 127.5 - 1."
            raise ValueError(
                str(error).replace("If the values are 0..255, pass images.astype('uint8').", advice)
            ) from None
        self._check_labels(labels, len(images))

    def __call__(self, batch, number=None):
        """Checks batch `number` = 0, 1, ... and returns it, its images in [-1, 1]."""
        try:
            images, labels = self._arrays(batch)
            if self.pixels and not (images.min() >= 0 and images.max() <= 255):
                raise ValueError(f"{PIXELS} {images.min():g} to {images.max():g}.")
            batch = with_images(batch, scaled) if self.pixels else batch
            checks.images("images", scaled(images) if self.pixels else images, self.image_shape, spans=False)
            self._check_labels(labels, len(images))
        except (ValueError, TypeError) as error:
            raise type(error)(f"{'A batch' if number is None else f'Batch {number + 1}'}: {error}") from error
        return batch

    def _arrays(self, batch):
        images, labels = unpacked(batch, self.num_classes > 0)
        return to_numpy(images), None if labels is None else to_numpy(labels)

    def _check_labels(self, labels, count):
        if labels is not None or self.num_classes:
            checks.labels(labels, count, self.num_classes)


def to_numpy(leaf):
    return leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf)
