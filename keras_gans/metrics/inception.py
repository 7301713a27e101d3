"""Inception score (Salimans et al., 2016, arXiv:1606.03498), from the logits of any classifier."""

import typing

import numpy as np

from keras_gans import checks
from keras_gans.metrics import feature_arrays

PIECE = 128  # rows whose probabilities are computed at once: they stay in the cache
FARTHEST = -1e4  # exp of this is 0 in any precision


class InceptionScore(typing.NamedTuple):
    """`mean` and `std` (ddof 0) over the splits."""

    mean: float
    std: float


def _sums(logits):
    """Returns `(sum over the rows of sum_k p_k log p_k, sum of p)` of one piece of logits, which it overwrites.

    With e = exp(z - max z) and s = sum e, a row has sum_k p_k log p_k = sum_k e_k (z_k - max z) / s - log s: no log per
    entry, and 0 log 0 = 0, since a saturated logit gives e = 0 beside a finite z - max z.
    """
    with np.errstate(over="ignore"):
        logits -= logits.max(axis=1, keepdims=True)
    np.maximum(logits, FARTHEST, out=logits)
    powers = np.exp(logits)
    totals = powers.sum(axis=1, dtype=np.float64)
    own = np.einsum("ij,ij->i", powers, logits) / totals - np.log(totals)
    return float(own.sum()), (1 / totals).astype(powers.dtype) @ powers


def inception_score(*, logits, splits=10, shuffle=True, seed=0):
    """exp of the mean divergence of a sample's class probabilities from their average: sharp and varied is high.

    Only with the Inception network of 2015-12-05 is it the published score; with another classifier it is a classifier
    score, comparable under that classifier alone. It lies between 1 and the number of classes.

    Args:
        logits: (n, classes), the classifier's outputs before the softmax.
        splits: Parts of which each gives a score, default 10.
        shuffle: Whether rows are put in a random order first (default): sorted by class, parts would see few classes.
        seed: Integer that fixes that order.

    Returns:
        An `InceptionScore`.

    Raises:
        TypeError, ValueError: not (n, classes), NaN (which row), more splits than rows.

    Reference: Salimans et al., 2016, arXiv:1606.03498.
    """
    logits = feature_arrays.features("logits", logits)
    if logits.dtype == np.float16:
        logits = logits.astype(np.float32)
    splits = checks.positive_integer("splits", splits)
    if splits > len(logits):
        raise ValueError(
            f"`splits` must be at most the number of rows, {len(logits)}. {checks.received(splits=splits)}"
        )
    rows = np.random.default_rng(seed).permutation(len(logits)) if shuffle else np.arange(len(logits))
    scores = []
    for part in np.array_split(rows, _bounds(len(logits), splits)):
        own, average = 0.0, np.zeros(logits.shape[1])
        for start in range(0, len(part), PIECE):
            piece_own, probabilities = _sums(logits[part[start : start + PIECE]])
            own, average = own + piece_own, average + probabilities
        average = average[average > 0] / len(part)
        scores.append(np.exp(own / len(part) - float((average * np.log(average)).sum())))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _bounds(count, splits):
    return [part * count // splits for part in range(1, splits)]
