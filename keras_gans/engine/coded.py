"""A model with one learned code per training image: binding, files, and codes of new images by descent."""

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine.batches import count
from keras_gans.engine.codes import PROJECTIONS, Codes, projected
from keras_gans.engine.encoder import Encoder
from keras_gans.engine.inference import standard_normal
from keras_gans.engine.searching import search

STARTS = 64  # codes of which the best is where the descent begins


class Coded(Encoder):
    """The part of a model that learns a code for every image of an array.

    A variant defines `decoded(codes, training)`, the images of codes; `distances(codes, images, training)`, how far
    these are from others; and `mapped(noises, training)`, codes of noise.
    """

    differentiated = ("encoder",)

    def prepare_codes(self, latent_dim, noise_dim, projection, encode_steps):
        """Called by the constructor; the arguments are its own."""
        self.latent_dim = checks.positive_integer("latent_dim", latent_dim, minimum=self.minimum_latent_dim)
        self.noise_dim = checks.positive_integer("noise_dim", noise_dim)
        self.projection = checks.one_of("projection", projection, PROJECTIONS)
        self.encode_steps = checks.positive_integer("encode_steps", encode_steps)
        self.latent_shape = (self.noise_dim,)
        self.codes = Codes(self.latent_dim, self.noise_dim, self.projection)

    # The images of the codes ------------------------------------------------------------------------------

    def bind(self, images):
        """Gives every image a code to be learned, unless the images have theirs; `fit` does it, too.

        Args:
            images: Array (n, h, w, c), as for `fit`.

        Raises:
            ValueError: The model has the codes of other images.
        """
        (images,) = self.checked_arrays(images, required=True)
        if self.codes.bind(images, [count(self.data_seed), 0]):
            self._renewed()

    def forget(self):
        """Takes all codes away: the next `fit` learns those of its images from the first stage on.

        The networks stay, and so do learning rates that were halved; `compile` gives new ones.
        """
        self.codes.seat(0)
        self._renewed()

    def _renewed(self):
        if self.compiled:
            self.optimizer.renew("codes", self.codes)
        self.train_function = None

    def begin_training(self, arrays, epochs):
        """Binds the images; every batch carries the rows of its images in the table of codes."""
        if arrays is None:
            raise TypeError(
                "`x` must be an array of images: the model learns one code for each, and a dataset does not tell which "
                "image is which. Received: a dataset."
            )
        self.bind(arrays[0])
        return arrays[0], np.arange(len(arrays[0]), dtype="int32")

    def train_on_batch(self, x, y=None, **kwargs):
        """Is refused: a batch does not tell which of the images it holds."""
        raise TypeError(f"{type(self).__name__} has no train_on_batch: it learns a code for each image. Use fit.")

    # Files ------------------------------------------------------------------------------------------------

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["codes"] = self.codes.count

    def load_own_variables(self, store):
        saved = int(store["codes"][()]) if "codes" in store.keys() else 0  # noqa: SIM118
        if self.codes.bound and saved != self.codes.count:
            raise ValueError(f"The file has the codes of {saved:,} images, the model those of {self.codes.count:,}.")
        if saved != self.codes.count:  # before Keras comes to the codes and their optimiser
            self.codes.seat(saved)
            self._renewed()
        super().load_own_variables(store)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        bound = self.codes.bound
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        finally:
            if not bound and not self.codes.bound and self.codes.count:  # nothing came, or half of it
                self.forget()

    # New images -------------------------------------------------------------------------------------------

    def encodings(self, images, labels=None):
        """Returns the codes of images, found by `encode_steps` of descent from the best of 64 mapped noises."""
        noises = ops.convert_to_tensor(standard_normal((STARTS, self.noise_dim), seed=0))
        starts = projected(self.mapped(noises, training=False), self.projection)
        found = ops.reshape(self.decoded(starts, training=False), (STARTS, -1))
        wanted = ops.reshape(images, (-1, found.shape[1]))
        gaps = ops.sum(ops.square(found), axis=1) - 2.0 * ops.matmul(wanted, ops.transpose(found))  # + |wanted|^2
        return search(
            lambda codes: self.distances(codes, images, training=False),
            ops.take(starts, ops.argmin(gaps, axis=1), axis=0),
            self.encode_steps,
            lambda codes: projected(codes, self.projection),
        )

    def renormalized(self, encodings):
        return projected(encodings, self.projection)

    def decode_encodings(self, encodings, labels=None):
        """Returns the images (uint8; floats for points) of codes (n, latent_dim), such as `encode` returns them."""
        codes = np.asarray(encodings, "float32")
        if codes.ndim != 2 or codes.shape[1] != self.latent_dim or not np.isfinite(codes).all():
            raise ValueError(
                f"`encodings` must be finite numbers of shape (n, {self.latent_dim}). Received: shape {codes.shape}."
            )
        self.labels_for(len(codes), labels)
        return self.to_pictures(self.compiled_call("decode_codes", lambda c: self.decoded(c, training=False), codes))

    def get_config(self):
        own = ("latent_dim", "noise_dim", "projection", "encode_steps")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
