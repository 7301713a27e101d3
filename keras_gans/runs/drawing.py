"""Which images of a set a run trains on."""

import numpy as np


def sample(count, limit, seed):
    """Returns `limit` different places in 0..count-1, in their order: the same for the same seed."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:limit])


def balanced(labels, limit=None, seed=0):
    """Returns places in `labels` (n,) that hold every class equally often, sorted by class.

    Args:
        labels: Integer labels (n,).
        limit: Number of places in all, shared by the classes that occur; None for as many of each class as the largest
            has. A class with fewer images than its share gives all of them several times.
        seed: Integer that fixes the choice.

    Raises:
        ValueError: `limit` is smaller than the number of classes.
    """
    rng = np.random.default_rng(seed)
    present, sizes = np.unique(labels, return_counts=True)
    share = int(sizes.max()) if limit is None else limit // len(present)
    if share == 0:
        raise ValueError(f"`limit` must be at least {len(present)}, an image of each class. Received: limit={limit}.")
    return np.concatenate([np.resize(rng.permutation(np.flatnonzero(labels == label)), share) for label in present])
