"""The game of GAN-QP (Su, 2018, arXiv:1811.07296): score differences held by a quadratic term, pair by pair.

With D_i the score of real i minus that of fake i, and d_i the distance of the two images per pixel:

    critic:  E [-D + D^2 / (2 lam d)]

which is least at D = lam d. The distances are constants: nothing pulls a fake towards an unrelated real image.
"""

from keras import ops

from keras_gans.engine import mean

DISTANCES = ("l1", "l2", "mse")
SMALLEST_DISTANCE = 1e-6


def critic_loss(differences, distances, lam):
    """Returns the scalar loss of the critic from score differences (n,) and distances (n,)."""
    return mean(-differences + ops.square(differences) / (2.0 * lam * distances))


def pixel_distances(reals, fakes, kind):
    """Returns the distance (n,) of each pair per pixel, at least 1e-6, without a gradient.

    Args:
        reals, fakes: Images (n, ...).
        kind: `"l1"` the mean absolute, `"mse"` the mean squared difference, `"l2"` the root of that.
    """
    axes = tuple(range(1, len(fakes.shape)))
    gaps = ops.stop_gradient(reals - fakes)
    if kind == "l1":
        distances = ops.mean(ops.abs(gaps), axis=axes)
    else:
        distances = ops.mean(ops.square(gaps), axis=axes)
        distances = ops.sqrt(distances) if kind == "l2" else distances
    return ops.maximum(distances, SMALLEST_DISTANCE)
