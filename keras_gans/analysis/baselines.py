"""The baselines of integrated gradients: where the lines begin."""

import numbers

import numpy as np

from keras_gans import checks


def baselines_of(baseline, lines):
    """Returns baselines as one array (baselines, n, ...) of what moves; see `integrated_gradients`.

    Args:
        baseline: As the user gave it; a list is several baselines.
        lines: The `Lines` that begin there.
    """
    several = baseline if isinstance(baseline, list) else [baseline]
    if not several:
        raise ValueError("`baseline` must hold at least one. Received: baseline=[] (list).")
    return np.stack([_one(each, lines) for each in several])


def _one(baseline, lines):
    """Returns one baseline as an array (n, ...) of what moves."""
    shapes, names = lines.packing.shapes, lines.inputs.form.names
    if isinstance(baseline, (tuple, dict)):
        moving = [names[i] for i in lines.inputs.form.moving] if isinstance(baseline, dict) and names else None
        if len(baseline) != len(shapes) or (isinstance(baseline, dict) and set(baseline) != set(moving or ())):
            raise ValueError(
                f"`baseline` must be one for each of the {len(shapes)} inputs that move"
                f"{f' ({moving})' if moving else ''}. {checks.received(baseline=baseline)}"
            )
        parts = [baseline[name] for name in moving] if moving else list(baseline)
    elif len(shapes) > 1 and not (isinstance(baseline, (str, numbers.Real))):
        raise ValueError(
            f"`baseline` must be a tuple with one for each of the {len(shapes)} inputs that move. "
            f"{checks.received(baseline=type(baseline).__name__)}"
        )
    else:
        parts = [baseline] * len(shapes)
    ends = lines.packing.unpack(lines.ends)
    return lines.packing.pack([_part(part, end, lines) for part, end in zip(parts, ends, strict=True)])


def _part(baseline, ends, lines):
    """Returns the baseline of one array `ends` (n, ...) of what moves, in its shape."""
    if isinstance(baseline, str):
        checks.one_of("baseline", baseline, ("zeros", "mean"))
        if baseline == "zeros":
            return np.zeros_like(ends)
        if len(ends) == 1:
            raise ValueError("`baseline` 'mean' needs at least 2 samples: of one it is the sample itself.")
        return np.broadcast_to(ends.mean(0), ends.shape).astype(ends.dtype)
    try:
        array = np.asarray(baseline)
        numbers_only = array.dtype.kind in "iufb"
    except ValueError:
        numbers_only = False
    if not numbers_only:
        raise TypeError(
            f"`baseline` must be 'zeros', 'mean', a number, an array or a list of these. "
            f"{checks.received(baseline=baseline)}"
        )
    if array.ndim == 0 or array.shape in (ends.shape[1:], ends.shape):
        found = np.broadcast_to(array, ends.shape).astype(ends.dtype)
    else:
        found = _through_layer(array, lines, ends)
    if not np.isfinite(found).all():
        raise ValueError("`baseline` must be finite. Received: a baseline with NaN or infinity.")
    return found


def _through_layer(array, lines, ends):
    """Returns what the layer `on` gives for a baseline of the model's own inputs."""
    given = lines.inputs.arrays
    shapes = [ends.shape[1:], ends.shape]
    if lines.layer is not None and len(given) == 1:
        shapes += [given[0].shape[1:], given[0].shape]
        if array.shape in shapes:
            return lines.layer_outputs([np.broadcast_to(array, given[0].shape).astype(given[0].dtype)])
    expected = " or ".join(str(shape) for shape in dict.fromkeys(shapes))
    raise ValueError(
        f"`baseline` must be a number or have the shape of a sample, or of all: {expected}. "
        f"Received: baseline.shape={array.shape}."
    )
