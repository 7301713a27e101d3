"""What a metric accepts as features: a finite (n, d) array of real numbers, and the sentences for everything else."""

import numpy as np

CHECKED_ROWS = 4096  # rows looked at together when searching for NaN


def features(argument, value, minimum=2):
    """Returns `value` as a (n, d) array of its own floating type (integers become float64).

    Args:
        argument: Name to use in the sentence.
        value: Array-like of shape (n, d): one row per sample.
        minimum: Smallest n.

    Raises:
        TypeError: not numbers. ValueError: not (n, d), fewer than `minimum` rows, NaN or infinity (which row).
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"`{argument}` must hold real numbers. Received: {argument}.dtype={array.dtype.name}.")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"`{argument}` must have shape (n, d), one row of features per sample. "
            f"Received: {argument}.shape={array.shape}."
        )
    if len(array) < minimum:
        raise ValueError(
            f"`{argument}` must hold at least {minimum} samples. Received: {argument}.shape={array.shape}."
        )
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    for start in range(0, len(array), CHECKED_ROWS):
        finite = np.isfinite(array[start : start + CHECKED_ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin())
            bad = array[row][~np.isfinite(array[row])][0]
            raise ValueError(f"`{argument}` must be finite. Received: {bad} in row {row} of {argument}.")
    return array


def pair(minimum=2, **arrays):
    """Returns the named feature arrays, checked, in the order given; all must have one and the same d."""
    checked = {name: features(name, value, minimum) for name, value in arrays.items()}
    same_dimension(**checked)
    return tuple(checked.values())


def same_dimension(**arrays):
    """Refuses arrays (or means) whose last axes differ in length."""
    if len({array.shape[-1] for array in arrays.values()}) > 1:
        listed = ", ".join(f"{name} has d={array.shape[-1]}" for name, array in arrays.items())
        raise ValueError(
            f"The features must come from the same network and have the same dimension. Received: {listed}."
        )


def labels(argument, value, count, of):
    """Returns one integer label per row of the array named `of`, which has `count` rows."""
    array = np.asarray(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (count,):
        raise ValueError(
            f"`{argument}` must have shape ({count},), one label per row of `{of}`. "
            f"Received: {argument}.shape={array.shape}."
        )
    if array.dtype.kind not in "iu":
        raise TypeError(f"`{argument}` must be integers. Received: {argument}.dtype={array.dtype.name}.")
    return array
