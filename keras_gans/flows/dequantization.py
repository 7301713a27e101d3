"""Images of 256 levels as points of a continuous space, and what a density there says in bits.

    x = (b + U) / 256 - 1/2,  b = 0, ..., 255, U uniform in [0, 1)
    bits per dimension = -log p(x) / (D log 2) + log2(256)

An upper bound, in expectation over U, of the bits that a code of the bytes needs under the model.
"""

import math

from keras import ops

LEVELS = 256


def uniform_and_signs(normal):
    """Returns U in [0, 1] and signs +1 or -1 made of numbers of N(0, 1), all independent of one another.

    The sign of a normal number and its magnitude are independent; U is the law of the magnitude, erf(|z| / sqrt 2).
    """
    return ops.erf(ops.abs(normal) / math.sqrt(2.0)), ops.where(normal < 0, -1.0, 1.0)


def dequantized(images, uniform=0.5):
    """Returns x of images in [-1, 1], which are taken for the nearest of 256 levels.

    Args:
        images: float32 tensor (n, h, w, c); points (n, d) are returned as they are.
        uniform: U, a tensor of that shape, or the middle of the level (default).
    """
    if len(images.shape) != 4:
        return images
    return (ops.round((images + 1.0) * (LEVELS - 1) / 2.0) + uniform) / LEVELS - 0.5


def quantized(x):
    """Returns images in [-1, 1] of x: the middle of a level becomes that level. Points are returned as they are."""
    if len(x.shape) != 4:
        return x
    return ops.clip(((x + 0.5) * LEVELS - 0.5) * 2.0 / (LEVELS - 1) - 1.0, -1.0, 1.0)


def bits_per_dimension(nats, shape):
    """Returns bits per dimension of log-densities of x in nats, for samples of a shape; the 8 of images is above."""
    bits = -nats / (math.prod(shape) * math.log(2.0))
    return bits + math.log2(LEVELS) if len(shape) == 3 else bits
