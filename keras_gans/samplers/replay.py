"""A replay buffer of samples as state of a model: chains go on from where they were, also after the run is resumed."""

import math

import numpy as np
from keras import ops

from keras_gans import checks


class ReplayBuffer:
    """The part of a model that keeps samples: uint8 images in a ring of fixed size, saved with the model.

    A byte v stands for the interval [v, v + 1) / 256: `store` rounds down, `starts` draws from it.
    """

    def prepare_buffer(self, buffer_size, restart_share):
        """Called by the constructor once `image_shape` is known.

        Args:
            buffer_size: Most samples that are kept, at least 1.
            restart_share: Probability in [0, 1] that a chain starts from fresh noise.
        """
        self.buffer_size = checks.positive_integer("buffer_size", buffer_size)
        checks.fits_memory("buffer_size", self.buffer_size, 2 * math.prod(self.image_shape))
        self.restart_share = checks.number("restart_share", restart_share, minimum=0, maximum=1)
        self.buffer = self.add_weight(
            shape=(self.buffer_size, *self.image_shape),
            initializer="zeros",
            dtype="uint8",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name="buffer",
        )
        self.buffer_filled = self._counter("buffer_filled", 0)
        self.buffer_place = self._counter("buffer_place", 0)

    def starts(self, fresh):
        """Returns where the chains of a step start, in [0, 1], and which of them are fresh, bool (n,).

        Args:
            fresh: Images (n, h, w, c) in [0, 1] for the chains that start anew; all do while the buffer holds no more
                than n.
        """
        count, filled = ops.shape(fresh)[0], ops.convert_to_tensor(self.buffer_filled)
        places = ops.floor(self.draw_uniform((count,)) * ops.cast(filled, "float32"))
        old = ops.cast(ops.take(ops.convert_to_tensor(self.buffer), ops.cast(places, "int32"), axis=0), "float32")
        old = (old + self.draw_uniform((count, *self.image_shape))) / 256.0
        anew = ops.logical_or(self.draw_uniform((count,)) < self.restart_share, filled <= count)
        return ops.where(ops.reshape(anew, (-1, 1, 1, 1)), fresh, old), anew

    def store(self, images):
        """Puts images (n, h, w, c) in [0, 1] into the buffer, over the oldest."""
        images = images[: self.buffer_size]
        count, place = ops.shape(images)[0], ops.convert_to_tensor(self.buffer_place)
        places = (place + ops.arange(count, dtype="int32")) % self.buffer_size
        values = ops.cast(ops.floor(ops.clip(images, 0.0, 1.0) * 255.0), "uint8")
        self.buffer.assign(ops.scatter_update(ops.convert_to_tensor(self.buffer), places[:, None], values))
        self.buffer_place.assign((place + count) % self.buffer_size)
        self.buffer_filled.assign(ops.minimum(ops.convert_to_tensor(self.buffer_filled) + count, self.buffer_size))

    def empty_buffer(self, when):
        """Forgets all samples where the scalar `when` is true."""
        for counter in (self.buffer_filled, self.buffer_place):
            counter.assign(ops.where(when, 0, ops.convert_to_tensor(counter)))

    def from_buffer(self, n, seed=None):
        """Returns n samples of the buffer, float32 images in [-1, 1], each at most once while there are enough.

        Args:
            n: Number of samples, at least 1.
            seed: Integer that fixes which; default: another choice every time.

        Raises:
            ValueError: If the buffer is empty: the model has not been trained.
        """
        filled = int(ops.convert_to_numpy(self.buffer_filled.value))
        if not filled:
            raise ValueError("`start` must be 'noise': the buffer is empty until the model is trained.")
        random = np.random.default_rng(seed)
        chosen = random.choice(filled, n, replace=n > filled)
        return (ops.convert_to_numpy(self.buffer.value)[chosen].astype("float32") + 0.5) / 128.0 - 1.0
