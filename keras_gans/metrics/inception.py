"""Inception score (Salimans et al., 2016, arXiv:1606.03498), from the logits of any classifier."""

import typing

import numpy as np

from keras_gans import checks
from keras_gans.metrics import feature_arrays


class InceptionScore(typing.NamedTuple):
    """`mean` and `std` (ddof 0) over the splits."""

    mean: float
    std: float


def _log_softmax(logits):
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


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
    splits = checks.positive_integer("splits", splits)
    if splits > len(logits):
        raise ValueError(
            f"`splits` must be at most the number of rows, {len(logits)}. {checks.received(splits=splits)}"
        )
    if shuffle:
        logits = logits[np.random.default_rng(seed).permutation(len(logits))]
    scores = []
    for part in range(splits):
        logs = _log_softmax(logits[part * len(logits) // splits : (part + 1) * len(logits) // splits])
        probabilities = np.exp(logs)
        average = probabilities.mean(axis=0)
        # 0 log 0 = 0 on both sides; a saturated logit gives p = 0 with a large negative, finite log.
        own = float((probabilities * logs).sum(axis=1).mean())
        common = float((average[average > 0] * np.log(average[average > 0])).sum())
        scores.append(np.exp(own - common))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))
