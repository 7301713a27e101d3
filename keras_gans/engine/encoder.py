"""What every model with an encoder can do: encode, reconstruct, interpolate."""

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine.export.exporting import export


class Encoder:
    """The part of a variant whose images have encodings, arrays (n, *latent_shape) that `decode` takes.

    A variant defines `encodings(images, labels)`, `renormalized` if its encodings lie on a shell, and
    `decode_encodings` if they are no latents.
    """

    def encodings(self, images, labels=None):
        """Returns the encodings of float32 images (n, ...) in [-1, 1], as tensors, at inference."""
        raise NotImplementedError(f"{type(self).__name__} must define encodings().")

    def renormalized(self, encodings):
        """Returns encodings put back on the shell on which the generator was trained; by default there is none."""
        raise ValueError(f"`renormalize` must be False: the encodings of a {type(self).__name__} lie on no shell.")

    def decode_encodings(self, encodings, labels=None):
        """Returns the images (uint8) of encodings, which are latents by default: those of `decode`."""
        return self.decode(encodings, labels)

    def encode(self, images, labels=None):
        """Returns the encodings of images.

        Args:
            images: uint8 or float images (n, h, w, c), as for `fit`.
            labels: Of a conditional model, n classes or one for all: integers, or names of `class_names`.

        Returns:
            float32 array (n, *latent_shape).
        """
        if labels is not None and hasattr(images, "__len__"):
            labels = self.labels_for(len(images), labels)
        arrays = self.checked_arrays(images, labels)
        if arrays is None:
            raise TypeError(
                f"`images` must be an array (n, height, width, channels). Received: {type(images).__name__}."
            )
        images, labels = arrays if len(arrays) == 2 else (arrays[0], None)

        def encodings(images, labels):
            return self.encodings(*self.batch((images, labels) if labels is not None else (images,)))

        return self.compiled_call(f"encode_{images.dtype}", encodings, images, labels)

    def reconstruct(self, images, labels=None, truncation=1.0):
        """Returns the images made of the encodings of images, as uint8: the same content, not the same pixels.

        Args:
            images: uint8 or float images (n, h, w, c).
            labels: Of a conditional model, n classes or one for all: integers, or names of `class_names`.
            truncation: Scale of the encodings, above 0, default 1.
        """
        truncation = checks.number("truncation", truncation, above=0)
        encodings = self.encode(images, labels)
        return self.decode_encodings(truncation * encodings, self.labels_for(len(encodings), labels))

    def interpolate(self, a, b, steps=8, labels=None, renormalize=False):
        """Returns the images on the straight lines between the encodings of `a` and of `b`.

        Args:
            a, b: Images (n, h, w, c), or one image (h, w, c) each.
            steps: Images per line, both ends included; at least 2.
            labels: Of a conditional model, n classes or one for all, used for both ends.
            renormalize: Whether every point is put back on the shell of the encodings. The midpoint of two vectors of
                standard deviation 1 and correlation rho has sqrt((1 + rho) / 2) < 1. Default False.

        Returns:
            uint8 array (n, steps, h, w, c), or (steps, h, w, c) for single images.
        """
        steps = checks.positive_integer("steps", steps, minimum=2)
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            raise ValueError(f"`a` and `b` must have the same shape. Received: a.shape={a.shape}, b.shape={b.shape}.")
        single = a.ndim == len(self.image_shape)
        if single:
            a, b = a[None], b[None]
        start, end = self.encode(a, labels)[:, None], self.encode(b, labels)[:, None]  # (n, 1, ...)
        weights = np.linspace(0.0, 1.0, steps, dtype="float32").reshape(1, steps, *[1] * (start.ndim - 2))
        points = (1.0 - weights) * start + weights * end  # (n, steps, ...)
        if renormalize:
            points = ops.convert_to_numpy(self.renormalized(ops.convert_to_tensor(points)))
        labels = None if labels is None else np.repeat(self.labels_for(len(points), labels), steps)
        images = self.decode_encodings(points.reshape(-1, *start.shape[2:]), labels)
        images = images.reshape(len(points), steps, *images.shape[1:])
        return images[0] if single else images

    def export_encoder(
        self, path, format=None, *, precision="float32", average=False, name=None, licence=None, overwrite=False
    ):
        """Writes the encoder as a file that runs without keras_gans: uint8 images and labels in, encodings out.

        The file takes uint8 images (n, height, width, channels), or float32 points (n, d), and, of a conditional model,
        int32 labels (n,). It gives float32 encodings (n, *latent_shape), as `encode` does.

        Args:
            path, format, precision, average, name, licence, overwrite: As for `export_generator`.

        Raises:
            FileExistsError, ImportError, ValueError, TypeError: As for `export_generator`.
        """
        export(self, path, format, "encoder", precision, False, average, name, licence, overwrite)
