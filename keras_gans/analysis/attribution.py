"""Attributions: which coordinates of an input raised one number of a model's output, and by how much.

With F the target (one number per sample), x an input, x0 a baseline, and a_k, w_k nodes and weights on [0, 1]:

    integrated gradients   A = (x - x0) sum_k w_k grad F(x0 + a_k (x - x0))        (arXiv:1703.01365)
    gradient               A = grad F(x)                                           (arXiv:1312.6034)
    gradient x input       A = x grad F(x)
    SmoothGrad             A = E grad F(x + s e),  e ~ N(0, I)                     (arXiv:1706.03825)

Only the first is complete: its A sum to F(x) - F(x0), and `gaps` is by how much they do not. A_i > 0 means that
coordinate i raised F on the way from the baseline. Gradient x input is what the first is with one node at the end: not
an approximation of it.

Our choices: 1. nodes are doubled from 16 until |gap| <= tolerance |F(x) - F(x0)| + 1e-6 max(1, |F(x)|, |F(x0)|), sample
by sample, at most 1,024; 2. Gauss-Legendre nodes, which are exact for polynomials; where F is piecewise linear (ReLU)
no rule is better than another, and the gap falls like 1/n; 3. everything runs at inference.
"""

import warnings

import numpy as np

from keras_gans import checks
from keras_gans.analysis.baselines import baselines_of
from keras_gans.analysis.lines import Lines
from keras_gans.analysis.quadrature import RULES, nodes_and_weights
from keras_gans.analysis.result import Attribution

FIRST_NODES, MOST_NODES = 16, 1024
BATCH_SIZE = 64


def integrated_gradients(
    model,
    inputs,
    target=None,
    baseline="zeros",
    tolerance=1e-3,
    on="inputs",
    rule="gauss_legendre",
    nodes=None,
    maximum_nodes=MOST_NODES,
    batch_size=BATCH_SIZE,
):
    """Returns the integrated gradients of a target from a baseline to the inputs (Sundararajan et al., 2017).

    Args:
        model: Any built `keras.Model`, called with `training=False`; or a two-player variant of the zoo, whose
            discriminator is looked at.
        inputs: Array (n, ...), or a list, tuple or dict of arrays for a model with several inputs: floats move, each
            with its baseline, integers are held. For a variant of the zoo images as for `fit`, or `(images, labels)`.
        target: The number F per sample. None (default): the model's only output, of a variant the critic's score, also
            `"score"`. An integer, or n of them: a class, the place in outputs (n, classes); prefer logits to
            probabilities, which compete. `"predicted"`: the class of the largest output. `("encoding", k)`: coordinate
            k of the encoder of a variant that has one. A function of the outputs, written with `keras.ops`, that
            returns (n,) or (n, 1).
        baseline: x0, of what moves. `"zeros"` (default); a number; `"mean"`, the mean of the inputs over the samples;
            an array of the shape of one sample, for all; an array (n, ...), one per sample; a list of these: the
            attributions are averaged over them. For a layer also an array (or n) of the model's own inputs, such as
            ids of a padding token, whose outputs at the layer are taken. With several moving inputs a tuple or dict of
            one for each.
        tolerance: Largest gap that is accepted, relative to |F(x) - F(x0)|; above 0, default 1e-3.
        on: `"inputs"` (default), or a layer, its name or its path: the line then runs in the outputs of this layer, as
            one does for embeddings, whose ids have no gradient.
        rule: `"gauss_legendre"` (default), `"midpoint"`, `"trapezoid"`, `"left"` or `"right"` (the paper's sum).
        nodes: Exactly so many nodes in place of as many as the tolerance needs; default None.
        maximum_nodes: Most nodes per sample, default 1,024.
        batch_size: Points at which the model is called at a time, default 64. The memory depends on it alone.

    Returns:
        An `Attribution`. Where the tolerance was not reached, a warning says which gap remains.

    Raises:
        ValueError, TypeError: For a layer, class or target that is not there or cannot be differentiated, a baseline of
            the wrong shape, or integer inputs without a layer, in one sentence each.

    Example:
        >>> attribution = keras_gans.analysis.integrated_gradients(classifier, images[:8], target="predicted")
        >>> attribution.figure().savefig("attribution.png")

    Reference: Sundararajan, Taly, Yan, 2017, arXiv:1703.01365; several baselines: Erion et al., 2019, arXiv:1906.10670.
    """
    tolerance = checks.number("tolerance", tolerance, above=0)
    checks.one_of("rule", rule, RULES)
    maximum = checks.positive_integer("maximum_nodes", maximum_nodes)
    counts = _node_counts(maximum) if nodes is None else [checks.positive_integer("nodes", nodes)]
    lines = Lines(model, inputs, target, on, batch_size)
    starts = baselines_of(baseline, lines)  # (baselines, n, ...)
    several, samples = starts.shape[:2]

    # One line per baseline and sample: x0 + a (x - x0).
    rows = np.tile(np.arange(samples), several)
    starts = starts.reshape(-1, *starts.shape[2:])
    steps = lines.ends[rows] - starts
    at_ends = lines.values(lines.ends)[rows]
    at_starts = np.concatenate([lines.values(part) for part in np.split(starts, several)])
    differences = at_ends - at_starts
    allowed = tolerance * np.abs(differences) + 1e-6 * np.maximum(1.0, np.maximum(np.abs(at_ends), np.abs(at_starts)))

    sums, gaps = np.zeros(steps.shape), np.full(len(rows), np.inf)
    used, moved = np.zeros(len(rows), "int64"), np.zeros(len(rows), bool)
    open_rows = np.arange(len(rows))
    for count in counts:
        points, weights = nodes_and_weights(rule, count)
        gradients = lines.gradient_sums(
            rows[open_rows], starts[open_rows], steps[open_rows], points, weights, counts[0]
        )
        found = steps[open_rows] * gradients  # a coordinate that does not move has exactly 0
        flat = found.reshape(len(found), -1).sum(1)
        sums[open_rows], gaps[open_rows], used[open_rows] = found, flat - differences[open_rows], count
        moved[open_rows] |= gradients.reshape(len(found), -1).any(1)
        open_rows = open_rows[~(np.abs(gaps[open_rows]) <= allowed[open_rows])]
        if not len(open_rows):
            break
    _refuse_no_gradient(moved, differences, allowed, target)

    def over_baselines(values, reduce=np.mean):
        return reduce(values.reshape(several, samples, *values.shape[1:]), axis=0)

    attribution = Attribution(
        method="integrated gradients",
        values=_unpacked(lines, over_baselines(sums)),
        inputs=lines.packing.unpack(lines.ends),
        target=str(lines.target),
        outputs=over_baselines(at_ends),
        baseline_outputs=over_baselines(at_starts),
        gaps=over_baselines(gaps),
        converged=over_baselines(np.abs(gaps) <= allowed, np.all),
        nodes=over_baselines(used, np.max),
        tolerance=tolerance,
        baseline=_named(baseline),
        on=on if isinstance(on, str) else on.name,
    )
    if nodes is None and not attribution.converged.all():
        warnings.warn(attribution.shortfall(), stacklevel=2)
    return attribution


def gradient(model, inputs, target=None, on="inputs", batch_size=BATCH_SIZE):
    """Returns the gradient of a target at the inputs (Simonyan et al., 2013, arXiv:1312.6034).

    It says where the target is sensitive, not what made its value: where F saturates it is 0. Arguments, errors and
    result as for `integrated_gradients`; there is no baseline and no gap.
    """
    lines = Lines(model, inputs, target, on, batch_size)
    return _of_gradients("gradient", lines, _gradients(lines, lines.ends), on)


def gradient_x_input(model, inputs, target=None, on="inputs", batch_size=BATCH_SIZE):
    """Returns the inputs times the gradient of a target: of a linear F without offset what each coordinate adds.

    Arguments, errors and result as for `gradient`.
    """
    lines = Lines(model, inputs, target, on, batch_size)
    return _of_gradients("gradient x input", lines, lines.ends * _gradients(lines, lines.ends), on)


def smooth_grad(model, inputs, target=None, noise=0.15, samples=50, seed=0, on="inputs", batch_size=BATCH_SIZE):
    """Returns the mean gradient of a target at noisy inputs (Smilkov et al., 2017, arXiv:1706.03825).

    Args:
        noise: Standard deviation of the noise as a share of the largest minus the smallest value of each sample, at
            least 0, default 0.15 (the paper: 0.1 to 0.2).
        samples: Noisy inputs per sample, default 50.
        seed: Integer; the noise of a seed is the same on every backend.

    The other arguments, errors and result as for `gradient`.
    """
    noise = checks.number("noise", noise, minimum=0)
    samples = checks.positive_integer("samples", samples)
    rng = np.random.default_rng(checks.positive_integer("seed", seed, minimum=0))
    lines = Lines(model, inputs, target, on, batch_size)
    flat = lines.ends.reshape(len(lines.ends), -1)
    deviations = noise * (flat.max(1) - flat.min(1)).reshape(-1, *[1] * (lines.ends.ndim - 1))
    total, at_once = np.zeros(lines.ends.shape), max(1, lines.batch_size // len(flat))
    for first in range(0, samples, at_once):
        shape = min(at_once, samples - first), *lines.ends.shape
        noisy = lines.ends + deviations * rng.standard_normal(shape, dtype="float32")  # (draws, n, ...)
        found = _gradients(lines, noisy.reshape(-1, *shape[2:]).astype(lines.ends.dtype))
        total += found.reshape(shape).sum(0)
    return _of_gradients("SmoothGrad", lines, total / samples, on)


def _node_counts(maximum):
    """Returns 16, 32, 64, ... up to and with `maximum`."""
    counts = [min(FIRST_NODES, maximum)]
    while counts[-1] < maximum:
        counts.append(min(2 * counts[-1], maximum))
    return counts


def _gradients(lines, points):
    """Returns grad F at points (several times n, ...), the samples in turn: lines of no length, with one node."""
    rows = np.arange(len(points)) % len(lines.ends)
    return lines.gradient_sums(rows, points, np.zeros_like(points), np.zeros(1), np.ones(1), 1)


def _of_gradients(method, lines, values, on):
    outputs = lines.values(lines.ends)
    on = on if isinstance(on, str) else on.name
    inputs = lines.packing.unpack(lines.ends)
    return Attribution(method, _unpacked(lines, values), inputs, str(lines.target), outputs, on=on)


def _unpacked(lines, values):
    values = values.astype("float32")
    parts = lines.packing.unpack(values)
    return parts[0] if len(parts) == 1 else parts


def _refuse_no_gradient(moved, differences, allowed, target):
    """Raises where the target changes and its gradient is 0 everywhere: as after an arg-max or a cast to integers."""
    changed = np.abs(differences) > allowed
    if changed.any() and not moved[changed].any():
        raise ValueError(
            "`target` must be differentiable: it changes between baseline and input, but its gradient is 0 all the "
            f"way, as behind an arg-max, a rounding or stop_gradient. {checks.received(target=target)}"
        )


def _named(baseline):
    if isinstance(baseline, str):
        return baseline
    if isinstance(baseline, (int, float)):
        return f"{baseline:g}"
    return f"mean of {len(baseline)} baselines" if isinstance(baseline, list) else "given"
