"""Noise with the spectrum of a set of images: mean and deviation of the real and imaginary part at every frequency.

    W = s_re e1 + j s_im e2,  e1, e2 ~ N(0, 1)
    hermitian        S = m + (W(k) + conj W(-k)) / sqrt 2,  / 2 where k = -k;  z = ifft2(S), which is real
    real part        S = m + W;  z = Re ifft2(S), which has half of the power at all frequencies but those with k = -k

A point (d,) is an image of one pixel: its only frequency is 0, and noise has the mean and deviation of each coordinate.

Reference: Shocher et al., 2023, arXiv:2311.01462, who take the real part in their public code.
"""

import numpy as np
from keras import ops

from keras_gans import checks

NOISES = ("spectrum", "spectrum_real_part", "gaussian")


def spectrum(images):
    """Returns m_re, s_re, m_im, s_im of images (n, h, w, c) at every frequency, float32 (4, h, w, c)."""
    frequencies = np.fft.fft2(np.asarray(images, "float64"), axes=(1, 2))
    parts = (frequencies.real, frequencies.imag)
    return np.stack([f(part, axis=0) for part in parts for f in (np.mean, np.std)]).astype("float32")


def self_conjugate(height, width):
    """Returns a bool array (h, w, 1): the frequencies k with k = -k, whose value is real for a real image."""
    rows, columns = (2 * np.arange(side) % side == 0 for side in (height, width))
    return (rows[:, None] & columns[None])[:, :, None]


def as_image(shape):
    """Returns the shape (h, w, c) of an image, or of a point (d,) as one of a single pixel."""
    return tuple(shape) if len(shape) == 3 else (1, 1, *shape)


def white_spectrum(shape):
    """Returns the statistics (4, h, w, c) of independent N(0, 1) pixels."""
    real = self_conjugate(*shape[:2])
    power = shape[0] * shape[1]
    deviations = np.sqrt(np.where(real, power, power / 2.0)), np.sqrt(np.where(real, 0.0, power / 2.0))
    zeros = np.zeros(shape)
    return np.stack([zeros, deviations[0] + zeros, zeros, deviations[1] + zeros]).astype("float32")


def spectrum_noise(statistics, normal, hermitian=True):
    """Returns noise (n, h, w, c) with a given spectrum.

    Args:
        statistics: (4, h, w, c), as `spectrum` returns them.
        normal: (2, n, h, w, c), the numbers e1 and e2.
        hermitian: Whether the spectrum is made that of a real image, or the real part is taken instead.
    """
    real, imaginary = statistics[1] * normal[0], statistics[3] * normal[1]
    if hermitian:
        height, width = statistics.shape[1:3]
        opposite = [ops.roll(ops.flip(part, (1, 2)), (1, 1), (1, 2)) for part in (real, imaginary)]  # at -k
        weight = ops.convert_to_tensor(np.where(self_conjugate(height, width), 0.5, np.sqrt(0.5)).astype("float32"))
        real, imaginary = weight * (real + opposite[0]), weight * (imaginary - opposite[1])
    parts = statistics[0] + real, statistics[2] + imaginary
    noise, _ = ops.ifft2(tuple(ops.transpose(part, (0, 3, 1, 2)) for part in parts))
    return ops.transpose(noise, (0, 2, 3, 1))


class SpectrumNoise:
    """The part of a model whose latents are images of noise: N(0, 1), or with the spectrum of its data.

    The statistics are state of the model, saved and loaded with it; before `adapt` they are those of white noise.
    """

    noises = NOISES

    def prepare_noise(self, noise):
        """Called by the constructor once `latent_shape` is known.

        Args:
            noise: `"spectrum"`, `"spectrum_real_part"`, or noise that does not look at the data: `"gaussian"` for
                N(0, 1), or what else a model has among its `noises`.
        """
        self.noise = checks.one_of("noise", noise, self.noises)
        if not self.has_spectrum():
            return
        self.statistics = self.add_weight(
            shape=(4, *as_image(self.latent_shape)),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(white_spectrum(shape[1:])),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name="spectrum",
        )
        self.adapted = self._counter("adapted", 0)

    def has_spectrum(self):
        """Returns whether the noise has the spectrum of the data."""
        return self.noise.startswith("spectrum")

    def fit(self, x=None, y=None, **kwargs):
        """Trains the model; see `GenerativeModel.fit`. The first time, arrays are given to `adapt`.

        Raises:
            ValueError: If `x` is a dataset and `adapt` was never called.
        """
        if self.has_spectrum() and not int(ops.convert_to_numpy(self.adapted.value)):
            arrays = self.checked_arrays(x, y)
            if arrays is None:
                raise ValueError(
                    "`adapt(images)` must be called before `fit` on a dataset, with an array of about 1000 of its "
                    "images: the noise takes its spectrum from them. Or build the model with "
                    f"noise={self.noises[-1]!r}."
                )
            split = kwargs.get("validation_split", 0.0) if kwargs.get("validation_data") is None else 0.0
            self.adapt(arrays[0][: len(arrays[0]) - int(len(arrays[0]) * split)])
        return super().fit(x, y, **kwargs)

    def adapt(self, images, limit=1000):
        """Measures the spectrum of images, which is saved with the model and from which the noise is drawn.

        Args:
            images: Array (n, h, w, c) as for `fit`.
            limit: At most so many images are used, at equal distances in the array.
        """
        if not self.has_spectrum():
            raise ValueError(f"`adapt` has no use for noise={self.noise!r}, which does not look at the data.")
        images = self.as_floats(images)
        rows = np.linspace(0, len(images) - 1, min(len(images), checks.positive_integer("limit", limit)))
        images = images[np.rint(rows).astype(int)]
        self.statistics.assign(spectrum(images.reshape(-1, *as_image(self.latent_shape))))
        self.adapted.assign(1)

    def normal_shape(self, count):
        return (2, count, *self.latent_shape) if self.has_spectrum() else (count, *self.latent_shape)

    def latents_of(self, normal):
        """Returns noise (n, h, w, c) made of N(0, 1) numbers, (2, n, h, w, c), or (n, h, w, c) for gaussian noise."""
        if not self.has_spectrum():
            return normal
        statistics, normal = ops.convert_to_tensor(self.statistics), ops.convert_to_tensor(normal)
        normal = ops.reshape(normal, (2, -1, *as_image(self.latent_shape)))
        noise = spectrum_noise(statistics, normal, self.noise == "spectrum")
        return ops.reshape(noise, (-1, *self.latent_shape))
