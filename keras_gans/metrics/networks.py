"""Where features come from: shipped classifiers, Inception, a network of the user's, a random projection, pixels.

A feature network is called on uint8 images (n, h, w, c) and returns features (n, d); `name` and `digest` say which one
it is, since numbers of different networks are never comparable.
"""

import hashlib

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.metrics.classifier import Classifier
from keras_gans.metrics.fid_inception import FIDInception

NAMES = ("auto", "classifier", "inception", "random", "pixels")
CLASSIFIED = ((28, 28, 1), (32, 32, 1), (32, 32, 3))  # the shapes of images that the shipped classifiers take


class Pixels:
    """The pixels themselves, in [-1, 1]."""

    name = "pixels"
    digest = hashlib.sha256(b"pixels in [-1, 1]").hexdigest()

    def __call__(self, images):
        return images.reshape(len(images), -1) / 127.5 - 1.0


class RandomProjection:
    """relu(x W) of the pixels x in [-1, 1], with W from N(0, 1 / pixels), drawn once from a seed.

    Args:
        dimension: Number of features, default 256.
        seed: Integer.
    """

    def __init__(self, dimension=256, seed=0):
        self.dimension = checks.positive_integer("dimension", dimension)
        self.seed = checks.positive_integer("seed", seed, minimum=0)
        self.name = f"random_projection_{dimension}_{seed}"
        self.digest = hashlib.sha256(self.name.encode()).hexdigest()

    def __call__(self, images):
        pixels = int(np.prod(images.shape[1:]))
        weights = np.random.default_rng(self.seed).normal(size=(pixels, self.dimension)) / np.sqrt(pixels)
        return np.maximum((images.reshape(len(images), -1) / 127.5 - 1.0) @ weights, 0.0)


class Network:
    """The outputs of a Keras model, flattened to (n, d).

    Args:
        model: `keras.Model` that takes images as uint8 values (put a `Rescaling` layer in front where it wants others).
        name: Name under which the numbers are quoted, default that of the model.
        batch_size: Images per call, default 256; it never changes the features.
    """

    def __init__(self, model, name=None, batch_size=256):
        if not isinstance(model, keras.Model):
            raise TypeError(f"`model` must be a keras.Model. {checks.received(model=model)}")
        self.model, self.name, self.batch_size = model, name or model.name, batch_size

    @property
    def digest(self):
        """SHA-256 of the weights."""
        return weights_digest(self.model)

    def __call__(self, images):
        parts = [
            ops.convert_to_numpy(self.model(images[start : start + self.batch_size], training=False))
            for start in range(0, len(images), self.batch_size)
        ]
        return np.concatenate(parts).reshape(len(images), -1).astype(np.float64)


def weights_digest(model):
    """Returns the SHA-256 of a model's weights, in their order."""
    result = hashlib.sha256()
    for weight in model.weights:
        array = np.ascontiguousarray(ops.convert_to_numpy(weight.value))
        result.update(f"{array.shape} {array.dtype}".encode())
        result.update(array.tobytes())
    return result.hexdigest()


def feature_network(value, image_shape=None):
    """Returns a feature network for a name, a `keras.Model`, or one that already is.

    Args:
        value: `"auto"`, `"classifier"`, `"inception"`, `"random"`, `"pixels"`, a `keras.Model` or a feature network.
            `"auto"` is the shipped classifier for images that it takes, else the random projection.
        image_shape: (h, w, c) of the images, for `"auto"` and `"classifier"`.

    Raises:
        TypeError, ValueError: for anything else; a name gets the nearest.
    """
    if isinstance(value, str):
        checks.one_of("features", value, NAMES)
        if value == "auto":
            value = "classifier" if tuple(image_shape) in CLASSIFIED else "random"
        if value == "classifier":
            return Classifier("gray" if image_shape[-1] == 1 else "rgb")
        return {"random": RandomProjection, "pixels": Pixels, "inception": FIDInception}[value]()
    if isinstance(value, keras.Model):
        return Network(value)
    if callable(value) and hasattr(value, "name") and hasattr(value, "digest"):
        return value
    names = ", ".join(map(repr, NAMES))
    raise TypeError(
        f"`features` must be one of {names}, a keras.Model, or a callable with `name` and `digest`. "
        f"{checks.received(features=value)}"
    )
