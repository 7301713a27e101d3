"""A saved classifier, any `keras.Model`, and pictures in the units in which it takes them."""

import typing

import keras
import numpy as np

from keras_gans import checks
from keras_gans.engine.private_keras import layers_of
from keras_gans.runs import loading

UNITS = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}
SCALING = (keras.layers.Rescaling, keras.layers.Normalization)


class Pictures(typing.NamedTuple):
    """What a classifier is shown.

    Args:
        images: float32 (n, h, w, c) in `units`.
        labels: Integers (n,), or None.
        class_names: List of names, or None.
        units: One of `UNITS`.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: list | None
    units: str


def pictures_for(model, data, units=None, split=None, count=None):
    """Returns `Pictures` of a set or folder in the size, channels and units of a model of one image.

    Args:
        model: A `keras.Model` with one input (n, h, w, c).
        data: A set by name, a folder, or an .h5 file.
        units: One of `UNITS`; None for 0..255 where the model scales them itself in a layer, else 0..1.
        split: "train", "test", or None: the test split of a named set, all of a folder.
        count: Pictures to draw, the same ones each time; None for all.

    Raises:
        ValueError: The model takes no images, or the data cannot be read.
    """
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] not in (1, 3):
        raise ValueError(
            f"The model must take one batch of images (n, height, width, 1 or 3). It takes: {checks.shown(shape, 80)}."
        )
    if units is None:
        units = "0..255" if any(isinstance(layer, SCALING) for layer in layers_of(model)) else "0..1"
    low, high = UNITS[checks.one_of("units", units, UNITS)]
    sides = list(shape[1:3]) if None not in shape[1:3] else None
    split = split or ("train" if loading.is_folder(data) else "test")
    images, labels, names = loading.load_data(data, split, sides, shape[-1])
    if count is not None and count < len(images):
        rows = np.sort(np.random.default_rng(0).permutation(len(images))[:count])
        images, labels = images[rows], None if labels is None else labels[rows]
    return Pictures(images.astype("float32") / 255.0 * (high - low) + low, labels, names, units)
