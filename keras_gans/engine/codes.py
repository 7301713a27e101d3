"""One learned vector for every training image: state of a model that is bound to the images it was learned from."""

import hashlib

import keras
import numpy as np
from keras import ops

from keras_gans.engine.backend import module as backend
from keras_gans.engine.fitting import to_floats
from keras_gans.engine.private_keras import plain_setattr

PROJECTIONS = ("sphere", "ball")
ROUNDING = 1e-6  # a length that is nearer to 1 is left: projecting twice changes no bit
ROWS = 4096  # hashed and projected together


def digest_of(images):
    """Returns the SHA-256 of images as floats in [-1, 1] and of their shape, as 8 integers (int32)."""
    digest = hashlib.sha256(str(images.shape).encode())
    for start in range(0, len(images), ROWS):
        digest.update(np.ascontiguousarray(to_floats(images[start : start + ROWS])).tobytes())
    return np.frombuffer(digest.digest(), "<i4")


def in_words(count, digest):
    """Returns how many images there are and which, as sentences tell it."""
    return f"{count:,} images with digest {np.asarray(digest, '<i4').tobytes().hex()[:12]}"


def projected(codes, projection):
    """Returns codes (n, d) on the unit sphere, or in the unit ball. No gradient passes through their length."""
    lengths = ops.stop_gradient(ops.sqrt(ops.sum(ops.square(codes), axis=-1, keepdims=True)))
    return codes / (ops.maximum(lengths, 1.0) if projection == "ball" else lengths + 1e-12)


class Codes(keras.layers.Layer):
    """The table of codes (N, d), row i for image i, and the noise (N, k) that each is matched with.

    It is empty until `bind`, and empty again after `forget`.

    Args:
        size: Length d of a code.
        noise_size: Length k of a noise vector.
        projection: `"sphere"`, all codes of length 1, or `"ball"`, of length 1 or less.
    """

    def __init__(self, size, noise_size, projection, name="codes", **kwargs):
        super().__init__(name=name, autocast=False, **kwargs)
        self.size, self.noise_size, self.projection = size, noise_size, projection
        self.digest = self._state("digest", (8,), dtype="int32")
        self.matched = self._state("matched", ())  # noises that are some code's match, per code
        self.table = self.noises = None
        self.built = True

    def _state(self, name, shape, trainable=False, dtype="float32"):
        return self.add_weight(name=name, shape=shape, initializer="zeros", dtype=dtype, trainable=trainable)

    @property
    def count(self):
        """How many images there are codes for; 0 without."""
        return 0 if self.table is None else self.table.shape[0]

    @property
    def bound(self):
        """Whether the codes belong to images."""
        return bool(self.count and np.any(self.known()))

    def known(self):
        """Returns the digest of the images that the codes belong to."""
        return ops.convert_to_numpy(backend.read(self.digest))

    def seat(self, count):
        """Makes room for the codes of so many images, all zero; 0 takes all away."""
        for name in ("table", "noises"):
            if getattr(self, name) is not None:
                delattr(self, name)
            setattr(self, name, None)
        self.digest.assign(np.zeros(8, "int32"))
        if count:
            self.table = self._state("table", (count, self.size), trainable=True)
            self.noises = self._state("noises", (count, self.noise_size))

    def bind(self, images, seed):
        """Gives every image a random code where there are none; returns whether it did.

        Raises:
            ValueError: The codes are those of other images.
        """
        plain_setattr(self, "given", (len(images), digest_of(images)))
        if self.bound:
            self.require_given()
            return False
        self.seat(len(images))
        codes = np.random.default_rng(seed).normal(0.0, 0.01, self.table.shape)  # as published
        if self.projection == "sphere":  # in the ball they are in no order that the decoder could learn by heart
            codes /= np.linalg.norm(codes, axis=1, keepdims=True)
        self.table.assign(codes.astype("float32"))
        self.digest.assign(self.given[1])
        return True

    def require_given(self):
        """Refuses other images than those of the codes; a file may have brought codes since `bind`."""
        count, digest = self.given
        if count != self.count or np.any(digest != self.known()):
            raise ValueError(
                f"`x` must be the {in_words(self.count, self.known())} that the codes of the model were learned from, "
                "in the same order; `forget()` starts over with other images. "
                f"Received: {in_words(count, digest)}."
            )

    def values(self):
        """Returns the codes (N, d) as an array."""
        return ops.convert_to_numpy(backend.read(self.table))

    def project(self):
        """Puts every code back on the sphere, or into the ball; those that are there stay as they are."""
        codes = np.array(self.values())
        for start in range(0, len(codes), ROWS):
            part = codes[start : start + ROWS]
            lengths = np.linalg.norm(part.astype("float64"), axis=1, keepdims=True)
            inside = lengths < 1.0 if self.projection == "ball" else np.zeros_like(lengths, bool)
            divisors = np.where(inside | (np.abs(lengths - 1.0) < ROUNDING), 1.0, lengths + 1e-12)
            part[:] = part / divisors
        self.table.assign(codes)

    def get_config(self):
        own = {"size": self.size, "noise_size": self.noise_size, "projection": self.projection}
        return {**super().get_config(), **own}
