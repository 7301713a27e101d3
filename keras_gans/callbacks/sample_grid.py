"""Sample grids on fixed latents, a picture per epoch."""

import contextlib
import os
import warnings

import numpy as np

from keras_gans import checks, pictures
from keras_gans.callbacks.copying import CopiedFresh
from keras_gans.engine.averaging import weights_in_words
from keras_gans.engine.inference import NotFinite
from keras_gans.output.tensorboard import EventWriter

SHOWN = ("samples", "interpolations", "reconstructions")


def great_circles(first, second, steps):
    """Returns latents (n, steps, ...) on the great circles from `first` to `second`, (n, ...) each.

    Straight lines between Gaussian vectors pass through short ones, which a generator has never seen.
    """
    a, b = (each.reshape(len(each), -1).astype("float64") for each in (first, second))
    cosines = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)
    angles = np.maximum(np.arccos(np.clip(cosines, -1, 1)), 1e-6)[:, None, None]
    shares = np.linspace(0, 1, steps)[None, :, None]
    walk = (np.sin((1 - shares) * angles) * a[:, None] + np.sin(shares * angles) * b[:, None]) / np.sin(angles)
    return walk.reshape(len(first), steps, *first.shape[1:]).astype(first.dtype)


class SampleGrid(CopiedFresh):
    """Writes what the generator makes of the same latents after every epoch, and a GIF of it at the end.

    Files: `folder/epoch_0001.png`, ... and `folder/training.gif`. Works on any model with
    `latents_for`, `labels_for` and `decode`, as all variants have.

    Args:
        folder: Where the pictures go; created if needed.
        count: Number of images in the grid, default 64; of rows, for interpolations.
        seed: Integer that fixes the latents.
        average: A `WeightMovingAverage` whose weights are used for the pictures, or None.
        every: Epochs between two pictures; the last epoch has one in any case.
        scale: Integer enlargement of each image.
        labels: Integer labels (count,), or one for all, of a conditional model; default 0, 1, 2, ... in turn. Of the
            `images`, for reconstructions.
        show: `"samples"` (default), `"interpolations"` (a row of `steps` images between two latents), or
            `"reconstructions"` (the `images` beside what the model makes of them; models with an encoder).
        images: uint8 array (n, h, w, c), for reconstructions.
        steps: Images in a row of interpolations, default 8.
        tensorboard: Folder for TensorBoard's event file, or None.
        caption: Whether a line below the picture says the epoch and which weights it shows, default False; the text
            field `Description` of the PNG file says it in any case.

    Raises:
        ValueError, TypeError: For a folder that cannot be written, an unknown `show`, reconstructions without images
            or of a model without an encoder.
    """

    def __init__(
        self,
        folder,
        count=64,
        seed=0,
        average=None,
        every=1,
        scale=1,
        labels=None,
        show="samples",
        images=None,
        steps=8,
        tensorboard=None,
        caption=False,
    ):
        super().__init__()
        self.folder = checks.writable_folder("folder", folder)
        self.count = checks.positive_integer("count", count)
        self.every = checks.positive_integer("every", every)
        self.show = checks.one_of("show", show, SHOWN)
        self.steps = checks.positive_integer("steps", steps, minimum=2)
        if (show == "reconstructions") != (images is not None):
            raise ValueError(
                f"`images` must be given for show='reconstructions', and only then. {checks.received(show=show)}"
            )
        self.caption = bool(caption)
        self.seed = checks.positive_integer("seed", seed, minimum=0)
        self.scale = checks.positive_integer("scale", scale)
        self.average = checks.moving_average("average", average)
        self.labels, self.images = labels, images
        self.writer = None if tensorboard is None else EventWriter(tensorboard)

    def set_model(self, model):
        super().set_model(model)
        if self.show == "reconstructions" and not hasattr(model, "reconstruct"):
            raise TypeError(
                f"`show` must be 'samples' or 'interpolations': {type(model).__name__} has no encoder. "
                f"{checks.received(show=self.show)}"
            )
        if self.show == "reconstructions":
            model.checked_arrays(self.images, self.labels, required=True)
        elif hasattr(model, "labels_for"):
            model.labels_for(self.count, self.labels)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every and epoch + 1 != self.params.get("epochs"):
            return
        with contextlib.nullcontext() if self.average is None else self.average.applied(self.model):
            try:
                picture = self.picture()
            except NotFinite as error:  # the training goes on, or stops by a callback whose business that is
                warnings.warn(f"{error} There is no picture of epoch {epoch + 1}.", stacklevel=2)
                return
        description = f"epoch {epoch + 1}, {weights_in_words(getattr(self.average, 'average', self.average))}"
        if self.caption:
            picture = pictures.captioned(picture, description)
        pictures.save_png(os.path.join(self.folder, f"epoch_{epoch + 1:04d}.png"), picture, description)
        if self.writer is not None:
            self.writer.picture(self.show, picture, epoch + 1)

    def picture(self):
        """Returns the picture of the present weights, uint8 (h, w, c)."""
        model = self.model
        if self.show == "reconstructions":
            again = model.reconstruct(self.images, *([] if self.labels is None else [self.labels]))
            return pictures.side_by_side(self.images, again, scale=self.scale)
        labels = model.labels_for(self.count, self.labels)
        if self.show == "samples":
            images = model.decode(model.latents_for(self.count, self.seed), labels)
            columns = model.num_classes if model.num_classes and self.labels is None else None
            return pictures.grid(images, columns=columns, scale=self.scale)
        latents = model.latents_for(2 * self.count, self.seed)
        walk = great_circles(latents[0::2], latents[1::2], self.steps)
        repeated = None if labels is None else np.repeat(labels, self.steps)
        images = model.decode(walk.reshape(-1, *latents.shape[1:]), repeated)
        return pictures.grid(images, columns=self.steps, scale=self.scale)

    def on_train_end(self, logs=None):
        names = sorted(name for name in os.listdir(self.folder) if name.startswith("epoch_") and name.endswith(".png"))
        if names:
            paths = [os.path.join(self.folder, name) for name in names]
            pictures.save_gif(os.path.join(self.folder, "training.gif"), paths)
        if self.writer is not None:
            self.writer.close()
