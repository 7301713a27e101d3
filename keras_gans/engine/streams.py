"""Datasets whose every batch is checked on its way into `fit` and `evaluate`, not only the first one.

The check costs two passes over a batch of floats, beside the step; uint8 images are asked for their shape alone. What
is wrong is said with the number of the batch.
"""

import copy
import functools
import itertools
import logging
import re

import keras
import numpy as np

from keras_gans import checks

IMAGE_KEYS, LABEL_KEYS = ("image", "images"), ("label", "labels")
PIXELS = "`images` must be floats in 0..255, as those of the first batch are. Received: floats from"
RANGE = "`images` must be uint8 in 0..255 or finite floats in [-1, 1]. Received: floats from"
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
        return _to_numpy(images), None if labels is None else _to_numpy(labels)

    def _check_labels(self, labels, count):
        if labels is not None or self.num_classes:
            checks.labels(labels, count, self.num_classes)


def _to_numpy(leaf):
    return leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf)


class CheckedDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches are checked; in everything else it is the given one."""

    def __init__(self, dataset, check):
        options = {name: getattr(dataset, name) for name in ("workers", "use_multiprocessing", "max_queue_size")}
        super().__init__(**options)
        self.dataset, self.check = dataset, check

    def __len__(self):
        return len(self.dataset)

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def __getitem__(self, index):
        return self.check(self.dataset[index], index)

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()

    def __getattr__(self, name):
        if name == "dataset":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)


def is_of(dataset, module, name):
    """Returns whether a dataset is of a class of another library, which need not be installed."""
    return any(cls.__name__ == name and cls.__module__.startswith(module) for cls in type(dataset).__mro__)


def checked(dataset, check):
    """Returns a dataset that yields what the given one does, checked; its first batch is checked now.

    A source that can be read once loses no batch by that. A kind that cannot be looked into is returned as it is.

    Args:
        dataset: `PyDataset`, generator, `tf.data.Dataset`, torch `DataLoader`, grain dataset, or another iterable of
            batches. Those of tf.data and grain may yield floats in 0..255, which are scaled.
        check: A `BatchCheck`.
    """
    if isinstance(dataset, keras.utils.PyDataset):
        check.first(dataset[0])
        return CheckedDataset(dataset, check)
    if is_of(dataset, "tensorflow", "DatasetV2"):
        check.first(keras.tree.map_structure(_to_numpy, _first(iter(dataset))), scales=True)
        return _mapped(dataset, check)
    if is_of(dataset, "torch.utils.data", "DataLoader"):
        check.first(keras.tree.map_structure(_to_numpy, _first(iter(dataset))))
        return _loader(dataset, check)
    if is_of(dataset, "grain", "MapDataset") or is_of(dataset, "grain", "IterDataset"):
        check.first(keras.tree.map_structure(_to_numpy, _first(iter(dataset))), scales=True)
        return dataset.map(check)
    if hasattr(dataset, "__next__"):  # it can be read once
        first = _first(dataset)
        check.first(first)
        return _generated(itertools.chain([first], dataset), check)
    if hasattr(dataset, "__iter__"):
        check.first(keras.tree.map_structure(_to_numpy, _first(iter(dataset))))
    return dataset


def _first(iterator):
    try:
        return next(iterator)
    except StopIteration:
        raise ValueError("The dataset given to `fit` yields no batch.") from None


def _generated(batches, check):
    for number, batch in enumerate(batches):
        check(batch, number)
        yield batch if isinstance(batch, tuple) else (batch,)  # Keras takes tuples only


def _loader(loader, check):
    """Returns a torch DataLoader like the given one, whose batches are checked in this process."""
    kind = type(loader)

    def iterate(self):
        for number, batch in enumerate(kind.__iter__(self)):
            yield check(batch, number)

    again = copy.copy(loader)
    object.__setattr__(again, "__class__", type(kind.__name__, (kind,), {"__iter__": iterate}))
    return again


def _mapped(dataset, check):
    """Returns a tf.data pipeline whose batches are checked in it, beside the step."""
    import tensorflow as tf

    def passed(*element):
        images, labels = unpacked(element if len(element) > 1 else element[0], check.num_classes > 0)
        demands = []
        if images.dtype.is_floating:
            limit = 1.0 if len(check.image_shape) == 3 else tf.float32.max
            values = tf.cast(images, tf.float32)
            inside = tf.abs(scaled(values) if check.pixels else values) <= limit  # NaN compares false
            words = [PIXELS if check.pixels else RANGE, tf.reduce_min(values), tf.reduce_max(values)]
            demands.append(tf.Assert(tf.reduce_all(inside), words))
        if labels is not None and check.num_classes:
            low, high = tf.reduce_min(labels), tf.reduce_max(labels)
            inside = tf.logical_and(low >= 0, high < check.num_classes)
            demands.append(tf.Assert(inside, [CLASSES.format(check.num_classes - 1), low, high]))
        with tf.control_dependencies(demands):
            again = tf.nest.map_structure(tf.identity, element)
        again = with_images(again, scaled) if check.pixels else again
        return again if len(element) > 1 else again[0]

    return dataset.map(passed)


def sentence_of(error):
    """Returns the sentence of a check that TensorFlow has wrapped into an error of its own, or None."""
    raised = re.search(r"(?:Value|Type)Error: ((?:Batch \d+|A batch): .*)", str(error))  # in a generator or PyDataset
    if raised is not None:
        return raised[1]
    found = re.search(r"assertion failed: \[(`(?:images|labels)` must .*?)\] \[(.*?)\] \[(.*?)\]", str(error))
    return None if found is None else f"{found[1]} {found[2]} to {found[3]}."
