"""Distances between two images, one number per sample: what a reconstruction is to lower.

    l1, l2       mean |a - b|, mean (a - b)^2 over all pixels and channels
    laplacian    sum_j mean |L_j a - L_j b| + 0.1 mean (a - b)^2        of the levels L_j of a Laplacian pyramid
    features     mean |a - b| + sum_l mean |phi_l(a) - phi_l(b)|        of the outputs phi_l of a network

The pyramid (Bojanowski et al., 2017, arXiv:1707.05776, GLO, do not fix theirs): g_0 = x; g_(j+1) every other pixel of
blur(g_j); L_j = g_j - up(g_(j+1)), and the last level is g_J itself. `blur` is (1, 4, 6, 4, 1) / 16 along both sides
with reflected borders, `up` puts the pixels on the even places of zeros and blurs four times as much. The mean of each
level gives the weights 2^(2j) of the paper up to one factor, at any size; the sides are halved while both are above 4.

Our choices: 1. the pyramid's exact form; 2. the weight 0.1 of the squared error.
"""

import functools

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import refuse_unsavable

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
SMALLEST_SIDE = 4
SQUARED_WEIGHT = 0.1


def per_sample(values):
    """Returns the float32 mean (n,) of values (n, ...) over all axes but the first."""
    return ops.mean(ops.cast(values, "float32"), axis=tuple(range(1, len(values.shape))))


def l1(first, second):
    """Returns the mean absolute difference (n,) of images or points (n, ...)."""
    checks.same_shape(first=first, second=second)
    return per_sample(ops.abs(first - second))


def l2(first, second):
    """Returns the mean squared difference (n,) of images or points (n, ...)."""
    checks.same_shape(first=first, second=second)
    return per_sample(ops.square(first - second))


@functools.cache
def blurring(side):
    """Returns the matrix (side, side) that smooths a line of pixels, float32; `side` at least 3."""
    places = np.pad(np.arange(side), 2, mode="reflect")
    matrix = np.zeros((side, side))
    for offset, weight in enumerate(KERNEL):
        np.add.at(matrix, (np.arange(side), places[offset : offset + side]), weight)
    return matrix.astype("float32")


def _along_both_sides(images, rows, columns):
    """Returns images (n, h, w, c) whose columns and rows of pixels are multiplied by matrices: (n, i, j, c)."""
    return ops.einsum("ih,nhwc,jw->nijc", rows, images, columns)


def down(images):
    """Returns every other pixel of the smoothed images (n, h, w, c): (n, ceil(h / 2), ceil(w / 2), c)."""
    height, width = images.shape[1:3]
    return _along_both_sides(images, blurring(height)[::2], blurring(width)[::2])


def up(images, height, width):
    """Returns images (n, ceil(height / 2), ceil(width / 2), c) enlarged to (n, height, width, c)."""
    return _along_both_sides(images, 2.0 * blurring(height)[:, ::2], 2.0 * blurring(width)[:, ::2])


def laplacian_pyramid(images, halvings=None):
    """Returns the levels of images (n, h, w, c), the finest first; with `up` they give the images back exactly.

    Args:
        images: Tensor (n, h, w, c).
        halvings: How often the sides are halved; default: while both are above 4.
    """
    levels = []
    while min(images.shape[1:3]) > SMALLEST_SIDE if halvings is None else len(levels) < halvings:
        smaller = down(images)
        levels.append(images - up(smaller, *images.shape[1:3]))
        images = smaller
    return [*levels, images]


def laplacian(first, second, squared_weight=SQUARED_WEIGHT, halvings=None):
    """Returns the distance (n,) of images (n, h, w, c) over a Laplacian pyramid, as above."""
    checks.same_shape(first=first, second=second)
    differences = first - second  # the pyramid is linear
    total = sum(per_sample(ops.abs(level)) for level in laplacian_pyramid(differences, halvings))
    return total + squared_weight * per_sample(ops.square(differences)) if squared_weight else total


def features(network, first, second):
    """Returns the distance (n,) of images by a network's outputs, a tensor (n, ...) or a list of them."""
    total = l1(first, second)
    outputs = [network(images, training=False) for images in (first, second)]
    outputs = [each if isinstance(each, (list, tuple)) else [each] for each in outputs]
    return total + sum(l1(*pair) for pair in zip(*outputs, strict=True))


NAMED = {"laplacian": laplacian, "l1": l1, "l2": l2}


def named(distance):
    """Returns the function (a, b) -> (n,) of a distance: one of `NAMED`, a network of features, or a callable."""
    if isinstance(distance, str):
        return NAMED[distance]
    return functools.partial(features, distance) if hasattr(distance, "layers") else distance


def checked(distance, shape):
    """Returns a distance, as `named` takes it, that gives one number for each pair of images (or points) of a shape."""
    if isinstance(distance, str) or not callable(distance):
        checks.one_of("distance", distance, NAMED)
    else:
        refuse_unsavable("distance", distance)
    if isinstance(distance, str) and distance == "laplacian" and len(shape) != 3:
        raise ValueError(f"`distance` must be 'l1', 'l2' or a function for points. Received: distance={distance!r}.")
    images = ops.zeros((2, *shape))
    returned = tuple(named(distance)(images, images).shape)
    if returned != (2,):
        raise ValueError(f"`distance` must return one number per image, shape (n,). Received: {returned} for 2 images.")
    return distance
