"""What an attribution returns, and its picture."""

import dataclasses

import numpy as np

from keras_gans import checks

LARGEST_BARS = 64  # coordinates of a sample that are drawn as bars


@dataclasses.dataclass(frozen=True)
class Attribution:
    """One number per coordinate of the inputs, signed: positive ones raised the target.

    Args:
        method: Name of the method.
        values: float32 array (n, ...) of the shape of what moves, or a list of them for several inputs.
        inputs: List of the arrays that moved: the inputs, or the outputs of the layer `on`.
        target: What is explained, in words.
        outputs: float64 array (n,), the target at the inputs.
        baseline_outputs: The same at the baseline; None for a method without one.
        gaps: float64 array (n,), the sum of the values minus the difference of both: 0 for exact integrals. With
            several baselines their mean.
        converged: Booleans (n,), whether every gap is within the tolerance.
        nodes: Integers (n,), the nodes that were used.
        tolerance: The relative gap that was asked for.
        baseline: The baseline in words.
        on: `"inputs"`, or the name of the layer.
    """

    method: str
    values: np.ndarray | list
    inputs: list
    target: str
    outputs: np.ndarray
    baseline_outputs: np.ndarray | None = None
    gaps: np.ndarray | None = None
    converged: np.ndarray | None = None
    nodes: np.ndarray | None = None
    tolerance: float | None = None
    baseline: str | None = None
    on: str = "inputs"

    @property
    def relative_gaps(self):
        """|gap| / |F(x) - F(x0)| (n,), infinite where only the latter is 0; None without a baseline."""
        if self.gaps is None:
            return None
        differences = np.abs(self.outputs - self.baseline_outputs)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.gaps == 0, 0.0, np.abs(self.gaps) / differences)

    def per_position(self):
        """Returns the values summed over their last axis, signed: one number per token, (n, tokens), or per pixel."""
        if isinstance(self.values, list) or self.values.ndim < 3:
            raise ValueError(
                "The values have no last axis to sum over: they must have shape (n, positions, ..., size)."
            )
        return self.values.sum(-1)

    def shortfall(self):
        """Returns the sentence that says how far from the tolerance the gaps are."""
        missed = ~self.converged
        return (
            f"Integrated gradients: {missed.sum()} of {len(missed)} samples did not reach tolerance={self.tolerance:g} "
            f"with {self.nodes.max():,} nodes; their largest gap is {np.abs(self.gaps[missed]).max():.3g}, "
            f"{self.relative_gaps[missed].max():.3g} of the difference it should explain. Raise `maximum_nodes`, or "
            "take a baseline that is nearer."
        )

    def figure(self, count=8, absolute=False, titles=None):
        """Returns a `matplotlib` figure: a row per sample with the input, its attribution, and the gap in the title.

        Args:
            count: Most samples that are drawn, default 8.
            absolute: Whether the sizes of the values are drawn and not their signs, default False.
            titles: Names of the samples, or None.

        One colour scale serves all samples: a picture scaled by its own maximum would hide that a sample has none.
        """
        from matplotlib.figure import Figure

        count = min(checks.positive_integer("count", count), len(self.outputs))
        parts = self.values if isinstance(self.values, list) else [self.values]
        figure = Figure(figsize=(2.6 * 2 * len(parts) + 0.8, 2.4 * count + 0.7), layout="constrained")
        axes = figure.subplots(count, 2 * len(parts), squeeze=False)
        for place, (inputs, values) in enumerate(zip(self.inputs, parts, strict=True)):
            pair = axes[:, 2 * place : 2 * place + 2]
            _draw(figure, pair, inputs[:count], np.abs(values[:count]) if absolute else values[:count])
        for i in range(count):
            name = f"{i}: " if titles is None else f"{titles[i]}: "
            axes[i, 0].set_title(f"{name}{self.target} = {self.outputs[i]:.4g}", fontsize=8)
            if self.gaps is not None:
                axes[i, 1].set_title(f"gap {self.gaps[i]:+.1e}, {self.nodes[i]} nodes", fontsize=8)
        where = "" if self.on == "inputs" else f" at {self.on}"
        baseline = "" if self.baseline is None else f", baseline {self.baseline}"
        figure.suptitle(f"{self.method[0].upper()}{self.method[1:]}{where}{baseline}", fontsize=9)
        return figure

    def __str__(self):
        parts = [f"{self.method} of {self.target} for {len(self.outputs)} samples"]
        if self.gaps is not None:
            parts.append(f"baseline {self.baseline}, at most {self.nodes.max():,} nodes")
            parts.append(f"largest gap {np.abs(self.gaps).max():.2e}, {self.converged.sum()} within the tolerance")
        return "; ".join(parts)


def _draw(figure, axes, inputs, values):
    """Draws inputs and values (n, ...) into two columns of axes: pictures, or bars."""
    bound = np.abs(values).max() or 1.0
    if values.ndim == 4 and inputs.shape[-1] in (1, 3):
        low, high = inputs.min(), inputs.max()
        shown = (inputs - low) / (high - low if high > low else 1.0)
        sums = values.sum(-1)
        bound = np.abs(sums).max() or 1.0
        for (left, right), image, value in zip(axes, shown, sums, strict=True):
            left.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=1)
            drawn = right.imshow(value, cmap="RdBu_r", vmin=-bound, vmax=bound)
            for each in (left, right):
                each.set_axis_off()
        figure.colorbar(drawn, ax=list(axes[:, 1]), label="attribution, summed over channels", shrink=0.6)
        return
    if values.ndim > 2:  # tokens, or positions of a feature map
        inputs = np.linalg.norm(inputs.reshape(len(inputs), -1, inputs.shape[-1]), axis=-1)
        values = values.sum(-1).reshape(len(values), -1)
        bound = np.abs(values).max() or 1.0
        names = "position", "norm", "attribution, summed"
    else:
        inputs, values = inputs.reshape(len(inputs), -1), values.reshape(len(values), -1)
        names = "coordinate", "input", "attribution"
    shown = min(LARGEST_BARS, values.shape[1])
    for (left, right), sample, value in zip(axes, inputs, values, strict=True):
        for each, heights, name in ((left, sample, names[1]), (right, value, names[2])):
            each.bar(
                np.arange(shown), heights[:shown], color=["#b2182b" if h > 0 else "#2166ac" for h in heights[:shown]]
            )
            each.set_xlabel(names[0] if shown == values.shape[1] else f"{names[0]} (the first {shown})", fontsize=7)
            each.set_ylabel(name, fontsize=7)
            each.tick_params(labelsize=6)
        right.set_ylim(-1.1 * bound, 1.1 * bound)
