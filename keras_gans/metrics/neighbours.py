"""Does a model copy its training images? Nearest neighbours of what it makes, and of images it has not seen.

With a_j the distance of generated sample j to the nearest training sample t(j), b_i that of held-out sample i, and
own(t) that of a training sample to its nearest other one:

    copied        share of a_j below the 1 % quantile of b: about 0.01 for a model that does not copy
    z             of Mann and Whitney's U of a against b: far below 0 when generated samples lie nearer to the training
                  samples than new ones do (copying), far above 0 when they lie outside the data
    authenticity  share of a_j > own(t(j)) (Alaa et al., 2021, arXiv:2102.08921)
"""

import typing

import numpy as np
from scipy import stats

from keras_gans.metrics import feature_arrays, pairwise

QUANTILE = 0.01


class NearestNeighbours(typing.NamedTuple):
    """`copied`, `z` and `authenticity` as above; per generated sample `distances`, `indices` and `mirrored` (m,)."""

    copied: float
    z: float
    authenticity: float
    distances: np.ndarray
    indices: np.ndarray
    mirrored: np.ndarray

    def closest(self, count=10):
        """Returns the places of the `count` generated samples that lie nearest to a training sample."""
        return np.argsort(self.distances, kind="stable")[:count]


def nearest_neighbours(*, train, fake, held_out, mirrored=None):
    """Compares generated samples with the training samples nearest to them: a check for copies.

    Args:
        train: Features (n, d) of the training samples.
        fake: Features (m, d) of generated samples.
        held_out: Features (k, d) of real samples that the model has not seen.
        mirrored: Features (m, d) of the mirrored generated images, where a mirrored copy is a copy, too; or None.

    Returns:
        A `NearestNeighbours`.

    Raises:
        TypeError, ValueError: Fewer than two samples, NaN (which row), different dimensions or numbers.
    """
    train, fake = feature_arrays.pair(train=train, fake=fake)
    _, held_out = feature_arrays.pair(train=train, held_out=held_out)
    if mirrored is not None:
        _, mirrored = feature_arrays.pair(train=train, mirrored=mirrored)
        if len(mirrored) != len(fake):
            raise ValueError(
                f"`mirrored` must have the {len(fake)} rows of `fake`. Received: mirrored.shape={mirrored.shape}."
            )
    known, made, unseen, *flipped = pairwise.prepared(train, fake, held_out, *([] if mirrored is None else [mirrored]))
    distances, indices = pairwise.nearest(made, known)
    flags = np.zeros(len(fake), bool)
    if flipped:
        others, places = pairwise.nearest(flipped[0], known)
        flags = others < distances
        distances, indices = np.where(flags, others, distances), np.where(flags, places, indices)
    usual, _ = pairwise.nearest(unseen, known)
    n, m = len(distances), len(usual)
    ranks = stats.rankdata(np.concatenate([distances, usual]))
    u = ranks[:n].sum() - n * (n + 1) / 2
    own = np.sqrt(pairwise.squared_radii(known, {1})[1])
    return NearestNeighbours(
        copied=float(np.mean(distances < np.quantile(usual, QUANTILE))),
        z=float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)),
        authenticity=float(np.mean(distances > own[indices])),
        distances=distances,
        indices=indices,
        mirrored=flags,
    )
