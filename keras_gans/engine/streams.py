"""Datasets whose every batch is checked on its way into `fit` and `evaluate`, not only the first one.

What is wrong is said with the number of the batch.
"""

import copy
import itertools
import re

import keras

from keras_gans import checks
from keras_gans.engine.batch_check import CLASSES, COUNTS, PIXELS, RANGE, SHAPE, scaled, to_numpy, unpacked, with_images


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
        check.first(keras.tree.map_structure(to_numpy, _first(iter(dataset))), scales=True)
        return _mapped(dataset, check)
    if is_of(dataset, "torch.utils.data", "DataLoader"):
        check.first(keras.tree.map_structure(to_numpy, _first(iter(dataset))))
        return _loader(dataset, check)
    if is_of(dataset, "grain", "MapDataset") or is_of(dataset, "grain", "IterDataset"):
        check.first(keras.tree.map_structure(to_numpy, _first(iter(dataset))), scales=True)
        return dataset.map(check)
    if hasattr(dataset, "__next__"):  # it can be read once
        first = _first(dataset)
        check.first(first)
        return _generated(itertools.chain([first], dataset), check)
    if not hasattr(dataset, "__iter__") or isinstance(dataset, (str, bytes, dict, set, type)):
        raise TypeError(
            f"`x` must be an array of images, or a dataset that yields batches of them. {checks.received(x=dataset)}"
        )
    check.first(keras.tree.map_structure(to_numpy, _first(iter(dataset))))
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
        demands = [_known_shape(tf, images, check.image_shape)]
        if images.dtype.is_floating:
            limit = 1.0 if len(check.image_shape) == 3 else tf.float32.max
            values = tf.cast(images, tf.float32)
            inside = tf.abs(scaled(values) if check.pixels else values) <= limit  # NaN compares false
            words = [PIXELS if check.pixels else RANGE, tf.reduce_min(values), tf.reduce_max(values)]
            demands.append(tf.Assert(tf.reduce_all(inside), words))
        if labels is not None and check.num_classes:
            counts = tf.stack([tf.size(labels), tf.shape(images)[0]])
            text = tf.strings.reduce_join(tf.strings.as_string(counts), separator=" and ")
            demands.append(tf.Assert(tf.equal(*tf.unstack(counts)), [COUNTS, text]))
            low, high = tf.reduce_min(labels), tf.reduce_max(labels)
            inside = tf.logical_and(low >= 0, high < check.num_classes)
            demands.append(tf.Assert(inside, [CLASSES.format(check.num_classes - 1), low, high]))
        with tf.control_dependencies(demands):
            again = tf.nest.map_structure(tf.identity, element)
        again = with_images(again, scaled) if check.pixels else again
        return again if len(element) > 1 else again[0]

    return dataset.map(passed)


def _known_shape(tf, images, shape):
    """Returns the operation that refuses images of another shape where a pipeline does not tell theirs."""
    if images.shape.rank is not None and None not in tuple(images.shape[1:]):
        return tf.no_op()
    text = tf.strings.reduce_join(tf.strings.as_string(tf.shape(images)), separator=", ")
    right = tf.strings.regex_full_match(text, ", ".join([r"\d+", *map(str, shape)]))
    return tf.Assert(right, [SHAPE.format(checks.batch_of(shape)), text])


def sentence_of(error):
    """Returns the sentence of a check that TensorFlow has wrapped into an error of its own, or None."""
    raised = re.search(r"(?:Value|Type)Error: ((?:Batch \d+|A batch): .*)", str(error))  # in a generator or PyDataset
    if raised is not None:
        return raised[1]
    found = re.search(r"assertion failed: \[(`(?:images|labels)` must .*?)\] \[(.*?)\](?: \[(.*?)\])?", str(error))
    if found is None:
        return None
    return f"{found[1]} {found[2]}{'' if found[3] is None else f' to {found[3]}'}."
