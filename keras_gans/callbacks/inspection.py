"""Watching intermediate values of a model, during `fit` and after it."""

import io
import os

import numpy as np

from keras_gans import checks
from keras_gans.callbacks.copying import CopiedFresh
from keras_gans.engine import Probe
from keras_gans.engine.batches import count
from keras_gans.output import files
from keras_gans.output.tensorboard import EventWriter

NUMBERS = ("mean", "std", "min", "max", "norm", "zeros", "not_finite")


def inspect(model, images, watch, labels=None, seed=0):
    """Returns intermediate values of a model on given images, as at inference.

    Args:
        model: Any built `keras.Model`. A GAN of the zoo is looked at while it computes its losses on the images and on
            as many fakes: layers of the discriminator are then seen twice, `name` for the images and `name[1]` for
            the fakes.
        images: Array (n, height, width, channels); for another model its inputs.
        watch: Name or glob, or a list of them: `"discriminator/conv_1"` (the outputs of a layer),
            `"discriminator/*"`, `"*/weights"` (what a layer offers by `keras_gans.engine.tap`).
        labels: Integer labels (n,) of a conditional model.
        seed: Integer that fixes the latents of the fakes.

    Returns:
        `{name: array}`.

    Raises:
        ValueError: For a name that nothing has, with the nearest.

    Example:
        >>> keras_gans.callbacks.inspect(model, images[:8], "discriminator/attention/weights")
    """
    return Probe(model, watch)(*_inputs(model, images, labels, seed))


def _inputs(model, images, labels, seed):
    images = np.asarray(images)
    if not hasattr(model, "observed_losses"):
        return (images,)
    if labels is not None:
        labels = checks.labels(labels, len(images), model.num_classes)
    return images, labels, model.latents_for(len(images), seed)


def summary(values, bins=32):
    """Returns the mean, std, min, max and norm of the finite values of an array, and more.

    Args:
        values: Array of any shape.
        bins: Number of bars of the histogram.

    Returns:
        Dict with `mean`, `std`, `min`, `max`, `norm` (Euclidean, of all entries), `zeros` and `not_finite` (fractions
        of all entries), `histogram` (bins,) and `edges` (bins + 1,). NaN where no value is finite.
    """
    values = np.asarray(values, "float64").ravel()
    finite = values[np.isfinite(values)]
    result = {
        "zeros": float(np.mean(values == 0)) if values.size else 0.0,
        "not_finite": float(1 - finite.size / max(values.size, 1)),
    }
    if not finite.size:
        empty = dict.fromkeys(("mean", "std", "min", "max", "norm"), float("nan"))
        return {**empty, **result, "histogram": np.zeros(bins, int), "edges": np.zeros(bins + 1)}
    counts, edges = np.histogram(finite, bins)
    return {
        "mean": float(finite.mean()),
        "std": float(finite.std()),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "norm": float(np.linalg.norm(finite)),
        **result,
        "histogram": counts,
        "edges": edges,
    }


class Inspect(CopiedFresh):
    """Watches intermediate values on fixed images every so many steps; training is the same with and without it.

    Works on any `keras.Model`, compiled or not, on all backends. The values are those of the present weights at
    inference, computed beside the train step, so that a step that is not inspected costs nothing.

    Args:
        images, watch, labels, seed: As for `inspect`.
        every: Train steps between two looks, default 100; the first look is after step `every`.
        keep: Number of looks whose whole tensors are kept in `tensors`, default 0; the last ones are.
        folder: Folder for `inspection.npz` (all summaries) and `inspection.png` (the report) at the end of training,
            or None.
        tensorboard: Folder for TensorBoard's event file, or None.
        limit: Looks that `history` keeps, default 10,000; the last ones are.

    Attributes:
        history: `{name: [{"step": ..., "mean": ..., "std": ..., "histogram": ...}, ...]}`, see `summary`.
        tensors: `{step: {name: array}}`.

    Raises:
        ValueError: At the first look, for a name that nothing has, with the nearest.

    Example:
        >>> watch = keras_gans.callbacks.Inspect(images[:32], ["discriminator/*", "fake_std"], every=50)
        >>> model.fit(images, epochs=5, callbacks=[watch])
        >>> watch.report("inspection.png")
    """

    def __init__(
        self, images, watch, labels=None, seed=0, every=100, keep=0, folder=None, tensorboard=None, limit=10_000
    ):
        super().__init__()
        self.every = checks.positive_integer("every", every)
        self.keep = checks.positive_integer("keep", keep, minimum=0)
        self.limit = checks.positive_integer("limit", limit)
        self.folder = None if folder is None else checks.writable_folder("folder", folder)
        self.images, self.labels, self.watch, self.seed = images, labels, watch, seed
        self.writer = None if tensorboard is None else EventWriter(tensorboard)
        self.history, self.tensors, self._probe, self._step = {}, {}, None, None

    def set_model(self, model):
        super().set_model(model)
        if self._probe is None or self._probe.model is not model:
            self._probe = Probe(model, self.watch)
            self._inputs = _inputs(model, self.images, self.labels, self.seed)

    def on_epoch_begin(self, epoch, logs=None):
        self._batches = 0
        if self._step is None:  # a resumed run goes on counting
            self._step = self._steps_of_optimizer()

    def _steps_of_optimizer(self):
        optimizer = self.model.optimizer
        return count((optimizer.optimizers[-1] if hasattr(optimizer, "players") else optimizer).iterations)

    def on_train_batch_end(self, batch, logs=None):
        before, self._step = self._step, self._step + batch + 1 - self._batches  # several steps per execution
        self._batches = batch + 1
        if self._step // self.every > before // self.every:
            self.look()

    def look(self):
        """Takes one look now."""
        values = self._probe(*self._inputs)
        for name, value in values.items():
            entry = {"step": self._step, **summary(value)}
            self.history[name] = [*self.history.get(name, []), entry][-self.limit :]
            if self.writer is not None:
                for number in NUMBERS:
                    self.writer.scalar(f"{name}/{number}", entry[number], self._step)
                self.writer.histogram(name, entry["histogram"], entry["edges"], self._step)
        if self.keep:
            self.tensors[self._step] = values
            for step in sorted(self.tensors)[: -self.keep]:
                del self.tensors[step]

    def on_train_end(self, logs=None):
        if self.folder is not None and self.history:
            self.save(os.path.join(self.folder, "inspection.npz"))
            self.report(os.path.join(self.folder, "inspection.png"))
        if self.writer is not None:
            self.writer.close()

    def save(self, path):
        """Writes all summaries (and kept tensors) to a `.npz` or an HDF5 file (`.h5`), atomically.

        Keys: `<name>|<number>`, arrays over the looks, and `<name>|tensor|<step>`.
        """
        arrays = {
            f"{name}|{key}": np.array([entry[key] for entry in entries])
            for name, entries in self.history.items()
            for key in entries[0]
        }
        arrays |= {f"{n}|tensor|{step}": v for step, values in self.tensors.items() for n, v in values.items()}
        suffix = os.path.splitext(os.fspath(path))[1]
        if suffix not in (".npz", ".h5"):
            raise ValueError(f"`path` must end in .npz or .h5. {checks.received(path=os.fspath(path))}")
        content = io.BytesIO()
        if suffix == ".npz":
            np.savez(content, **arrays)
        else:
            import h5py

            with h5py.File(content, "w") as file:
                for key, array in arrays.items():
                    file[key.replace("/", ".")] = array  # a slash would be a group
        files.write(path, content.getbuffer())

    def report(self, path):
        """Draws a PNG: for each name the mean and standard deviation over the steps, and the last histogram."""
        from matplotlib.figure import Figure

        if not self.history:
            raise ValueError(f"There is nothing to draw yet: the first look is after step {self.every}.")
        figure = Figure(figsize=(9, 2.2 * len(self.history)), layout="constrained")
        rows = figure.subplots(len(self.history), 2, squeeze=False)
        for (over_steps, bars), (name, entries) in zip(rows, self.history.items(), strict=True):
            steps = [entry["step"] for entry in entries]
            means, deviations = (np.array([entry[key] for entry in entries]) for key in ("mean", "std"))
            over_steps.plot(steps, means, marker="." if len(steps) < 20 else "")
            over_steps.fill_between(steps, means - deviations, means + deviations, alpha=0.25)
            over_steps.set(title=f"{name}: mean and standard deviation", xlabel="train step")
            edges = entries[-1]["edges"]
            bars.stairs(entries[-1]["histogram"], edges, fill=True)
            bars.set(title=f"{name}: values at step {steps[-1]}", xlabel="value", ylabel="count")
        content = io.BytesIO()
        figure.savefig(content, dpi=100)
        files.write(path, content.getbuffer())
