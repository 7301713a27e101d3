"""DiffAugment, random changes of images that a gradient passes through (Zhao et al., 2020, arXiv:2006.10738).

Everything the discriminator sees, real and generated, in both players' steps, goes through T; each sample gets
parameters of its own, fresh at every call. With u from U(0, 1) and x of shape (h, w, c):

    color         brightness  x + (u - 1/2)
                  saturation  (x - m) 2u + m          m the mean over channels, one per pixel; not for gray images
                  contrast    (x - m) (u + 1/2) + m   m the mean over the whole image as it is by then
    translation   output (i, j) = input (i + a, j + b), 0 outside; a, b integers uniform in -s .. s, s = round(size / 8)
    cutout        a rectangle of half the size, set to 0, its centre uniform over the image: it may reach over the edge

All three are affine in x, so derivatives of every order exist. Nothing is clipped. The functions of this module are the
augmentations for given parameters; the layer draws them.

Our choices: 1. always 1/8 and 1/2, as in the authors' code; 2. no inference mode: use the layer in training only.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.model import ReplicaSeeds

SHIFT, CUT = 0.125, 0.5  # of the height and the width


def per_image(values):
    """Returns one number per sample, (n,), in the shape (n, 1, 1, 1)."""
    return ops.reshape(values, (-1, 1, 1, 1))


def brightness(images, u):
    """Adds `u - 1/2`, u (n,), to images (n, h, w, c)."""
    return images + (per_image(u) - 0.5)


def saturation(images, u):
    """Multiplies the distance of each channel from the mean of the channels by `2u`; gray images stay as they are."""
    if images.shape[-1] == 1:
        return images
    gray = ops.mean(images, axis=-1, keepdims=True)
    return (images - gray) * (2.0 * per_image(u)) + gray


def contrast(images, u):
    """Multiplies the distance of all values from the mean of their image by `u + 1/2`."""
    level = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - level) * (per_image(u) + 0.5) + level


def translate(images, down, right):
    """Moves what is seen: output (i, j) is input (i + down, j + right), or 0 outside the image.

    Args:
        images: (n, h, w, c).
        down, right: int32 (n,), one pair per sample.
    """
    height, width, channels = images.shape[1:]
    count = ops.shape(images)[0]
    # A frame of zeros, one pixel wide: every index outside the image is clamped onto it.
    framed = ops.reshape(ops.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), (-1, channels))
    rows = ops.clip(ops.arange(height, dtype="int32")[None] + ops.reshape(down, (-1, 1)) + 1, 0, height + 1)
    columns = ops.clip(ops.arange(width, dtype="int32")[None] + ops.reshape(right, (-1, 1)) + 1, 0, width + 1)
    first = ops.arange(count, dtype="int32")[:, None, None] * ((height + 2) * (width + 2))
    pixels = first + rows[:, :, None] * (width + 2) + columns[:, None, :]  # (n, h, w)
    moved = ops.take(framed, ops.reshape(pixels, (-1,)), axis=0)
    return ops.reshape(moved, (-1, height, width, channels))


def cut_size(side):
    """Returns the length of the cut-out rectangle along a side of the image."""
    return int(side * CUT + 0.5)


def erase(images, top, left):
    """Sets a rectangle of half the height and half the width to 0.

    Args:
        images: (n, h, w, c).
        top, left: int32 (n,), the centre: the rectangle covers the rows from `top - size // 2` on, `size` of them,
            as far as they are inside the image.
    """

    def inside(centre, side):
        size = cut_size(side)
        distance = ops.arange(side, dtype="int32")[None] - ops.reshape(centre, (-1, 1)) + size // 2
        return ops.cast(ops.logical_and(distance >= 0, distance < size), images.dtype)  # (n, side)

    height, width = images.shape[1:3]
    erased = inside(top, height)[:, :, None, None] * inside(left, width)[:, None, :, None]
    return images * (1.0 - erased)


def integers(u, low, high):
    """Returns int32 numbers from `low` to `high`, both included, equally likely for u from U(0, 1)."""
    return ops.cast(ops.floor(u * (high - low + 1)), "int32") + low


def color(images, u):
    """Brightness, saturation and contrast; u (n, 3)."""
    return contrast(saturation(brightness(images, u[:, 0]), u[:, 1]), u[:, 2])


def translation(images, u):
    """A translation by at most 1/8 of the size; u (n, 2)."""
    limits = [int(side * SHIFT + 0.5) for side in images.shape[1:3]]
    return translate(images, *(integers(u[:, i], -limit, limit) for i, limit in enumerate(limits)))


def cutout(images, u):
    """A cut-out whose centre lies anywhere in the image; u (n, 2)."""
    last = [side - cut_size(side) % 2 for side in images.shape[1:3]]
    return erase(images, *(integers(u[:, i], 0, limit) for i, limit in enumerate(last)))


AUGMENTATIONS = {"color": (color, 3), "translation": (translation, 2), "cutout": (cutout, 2)}  # and how many numbers


@keras.saving.register_keras_serializable("keras_gans")
class DiffAugment(keras.layers.Layer):
    """Augments images (n, h, w, c) in [-1, 1], each in its own way, at every call.

    For `augmentation=` of any two-player variant. It helps where data are few (below about 10,000 to 30,000 images) and
    harms slightly where they are many. For digits and text use `"translation"` alone: a cut-out erases the digit.

    Args:
        policy: Comma-separated list of `"color"`, `"translation"` and `"cutout"`, applied in this order. Default all
            three, the authors' choice for few data.
        p: Probability, in [0, 1], that a sample is augmented at all. Default 1.
        seed: Integer, or None (default) for a seed from Keras's global one.
        **kwargs: Those of `keras.layers.Layer`; the layer computes in float32 under every precision policy.

    Raises:
        ValueError: For an unknown word in `policy` (the nearest is suggested), p outside [0, 1], or inputs that are
            not images.

    Example:
        >>> augmentation = keras_gans.layers.DiffAugment("color,translation,cutout")
        >>> model = keras_gans.create("gan", image_shape=(32, 32, 3), augmentation=augmentation)

    Reference: Zhao et al., 2020, arXiv:2006.10738.
    """

    def __init__(self, policy="color,translation,cutout", p=1.0, seed=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if not isinstance(policy, str):
            raise TypeError(
                f"`policy` must be a string such as 'color,translation,cutout'. {checks.received(policy=policy)}"
            )
        words = [checks.one_of("policy", word.strip(), AUGMENTATIONS) for word in policy.split(",")]
        self.policy = ",".join(words)
        self.p = checks.number("p", p, minimum=0, maximum=1)
        self.seed = None if seed is None else checks.positive_integer("seed", seed, minimum=0, maximum=2**32 - 1)
        self.seeds = ReplicaSeeds(seed, name="augmentation_seeds")
        self.numbers = sum(AUGMENTATIONS[word][1] for word in words)
        self.built = True

    def call(self, images):
        """Returns the augmented images, of the same shape."""
        if len(images.shape) != 4 or None in images.shape[1:]:
            raise ValueError(
                "DiffAugment needs images of shape (n, height, width, channels). "
                f"Received: images.shape={tuple(images.shape)}."
            )
        u = keras.random.uniform((ops.shape(images)[0], self.numbers + 1), dtype="float32", seed=self.seeds)
        return self.augment(images, u)

    def augment(self, images, u):
        """Returns the augmented images for given numbers.

        Args:
            images: (n, h, w, c).
            u: (n, numbers + 1) in [0, 1): 3 columns for color, 2 for translation, 2 for cutout, in the order of the
                policy; the sample is augmented if the last column is below p.
        """
        outputs, start = images, 0
        for word in self.policy.split(","):
            function, count = AUGMENTATIONS[word]
            outputs = function(outputs, u[:, start : start + count])
            start += count
        return outputs if self.p == 1.0 else ops.where(per_image(u[:, -1]) < self.p, outputs, images)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "policy": self.policy, "p": self.p, "seed": self.seed}
