"""Small classifiers, trained by `scripts/train_classifiers.py` and shipped: features that work without a download.

A Frechet distance in their features is no FID and does not compare with one. Within one kind of images it is the better
judge: Inception was made for photographs, these for the images at hand. Two are there:

    gray    28x28 or 32x32 garments and digits (Fashion-MNIST, scikit-learn's digits), 20 classes
    rgb     32x32 photographs (CIFAR-10), 10 classes

Both are six convolutions of 3x3 with ReLU, two at each of three resolutions, and the mean over the last maps: 128
features, from which one dense layer makes the logits.
"""

import hashlib
import importlib.resources
import json

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.layers.image_format import channels_last

KINDS = {"gray": {"channels": 1, "widths": (32, 64, 128)}, "rgb": {"channels": 3, "widths": (32, 96, 128)}}


class Classifier:
    """A shipped classifier as a feature network of `keras_gans.metrics.evaluate`.

    Args:
        kind: `"gray"` or `"rgb"`.
        batch_size: Images per call, default 256; it never changes the features.

    Attributes:
        classes: Names of the classes, in the order of the logits.
        accuracy: `{data: test accuracy in [0, 1]}`, measured when it was trained.

    Raises:
        ValueError: An unknown kind; when called, images that are not uint8 (n, 32, 32, c), or 28x28 gray.
    """

    def __init__(self, kind="gray", batch_size=256):
        self.kind = checks.one_of("kind", kind, KINDS)
        self.batch_size = checks.positive_integer("batch_size", batch_size)
        place = importlib.resources.files("keras_gans.metrics") / "weights" / f"classifier_{kind}.npz"
        with place.open("rb") as file:
            content = file.read()
        self.digest = hashlib.sha256(content).hexdigest()
        self.name = f"classifier_{kind}_{self.digest[:8]}"
        with place.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            meta = json.loads(str(arrays["meta"]))
            weights = [arrays[f"weight_{i}"].astype(np.float32) for i in range(meta["weights"])]
        self.classes, self.accuracy = meta["classes"], meta["accuracy"]
        self.model = network(KINDS[kind]["channels"], KINDS[kind]["widths"], len(self.classes), "float32")
        self.model.set_weights(weights)
        self.model.compile()

    def __call__(self, images):
        """Returns the features (n, 128), float64, of uint8 images (n, 32, 32, c)."""
        return self.with_logits(images)[0]

    def with_logits(self, images):
        """Returns features (n, 128) and logits (n, classes), float64."""
        images, channels = np.asarray(images), KINDS[self.kind]["channels"]
        sizes = ((32, 32), (28, 28)) if self.kind == "gray" else ((32, 32),)
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[1:3] not in sizes
            or images.shape[3] != channels
        ):
            raise ValueError(
                f"`images` must be uint8 (n, 32, 32, {channels}) for the classifier {self.kind!r}. Received: "
                f"{images.dtype.name} {images.shape}."
            )
        if images.shape[1] == 28:
            images = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
        found = {"features": [], "logits": []}
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            rows = len(batch)
            if start:  # as large as the others, for which the network is compiled
                batch = np.concatenate([batch, np.repeat(batch[-1:], self.batch_size - rows, axis=0)])
            outputs = self.model.predict_on_batch(batch)
            for name, values in found.items():
                values.append(np.asarray(outputs[name])[:rows])
        return tuple(np.concatenate(values).astype(np.float64) for values in found.values())


@channels_last
def network(channels, widths, classes, dtype, norm=None, sides=(32, 32)):
    """Returns the classifier: uint8 images (n, *sides, channels) to `{"features": (n, d), "logits": (n, classes)}`.

    Args:
        channels: 1 or 3.
        widths: Channels at each resolution, coarser from left to right; the last is d.
        classes: Number of classes.
        dtype: Dtype policy of the convolutions.
        norm: For training, what returns the batch norm that each convolution has in place of a bias.
        sides: Height and width, default (32, 32), at least 4 each.
    """
    images = keras.Input((*sides, channels), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(images)
    for stage, width in enumerate(widths):
        for _ in range(2):
            x = keras.layers.Conv2D(width, 3, padding="same", use_bias=norm is None, dtype=dtype)(x)
            if norm is not None:
                x = norm(momentum=0.9, dtype=dtype)(x)
            x = keras.layers.ReLU(dtype=dtype)(x)
        if stage < len(widths) - 1:
            x = keras.layers.AveragePooling2D(2, dtype=dtype)(x)
    features = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(features)
    return keras.Model(images, {"features": features, "logits": logits})


def folded(model):
    """Returns the weights of the network without batch norms that computes the same as one with them."""
    weights = []
    for layer, follower in zip(model.layers, [*model.layers[1:], None], strict=True):
        if isinstance(layer, keras.layers.Conv2D):
            kernel, norm = ops.convert_to_numpy(layer.kernel), follower
            gamma, beta, mean, variance = (
                ops.convert_to_numpy(value) for value in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            )
            scale = gamma / np.sqrt(variance + norm.epsilon)
            weights += [kernel * scale, beta - mean * scale]
        elif isinstance(layer, keras.layers.Dense):
            weights += layer.get_weights()
    return weights
