"""A model that samples images by itself: short-run Langevin chains from noise, a buffer or damaged images."""

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine.asking import labels_of
from keras_gans.engine.inference import in_form
from keras_gans.engine.inspection import unwatched
from keras_gans.samplers import dynamics
from keras_gans.samplers.spectrum import SpectrumNoise

NOISES = ("spectrum", "uniform")
STARTS = ("noise", "buffer")
NOISE = 20190320  # seed of the noise from which missing pixels start, the same every time


class ShortRun(SpectrumNoise):
    """The part of an energy-based model that makes pictures.

    A model has `energies(pixels, labels)`, of images in [0, 1], and the numbers `sampling_steps`, `generation_steps`,
    `step_size`, `noise_std` and `gradient_clip`; and the buffer of `ReplayBuffer`. Its latents are images, where chains
    start.
    """

    noises = NOISES
    differentiated = ("generator",)

    @property
    def passes_per_step(self):
        """How many generated batches take about as long as a train step."""
        return (self.sampling_steps + 4) / self.generation_steps

    @property
    def latent_shape(self):
        return self.image_shape

    def latents_of(self, normal):
        """Returns images in [-1, 1], where chains start: U(-1, 1) pixels, or noise with the spectrum of the data."""
        if self.has_spectrum():
            return ops.clip(super().latents_of(normal), -1.0, 1.0)
        return ops.erf(ops.convert_to_tensor(normal) / 2**0.5)

    def chain(self, start, labels=None, noise=None, free=1.0, steps=None):
        """Runs the sampler from images in [0, 1]; the weights stay.

        Args:
            start: (n, h, w, c).
            labels: (n,), or None.
            noise: N(0, 1) numbers (steps, n, h, w, c), or None for no noise.
            free: 1 where pixels may move, else 0.
            steps: Default `sampling_steps`.

        Returns:
            `(images, first, last)`: the images, and the mean size of dU/dx in the first and in the last step.
        """

        def step(k, state):
            images, first, _ = state
            moved = 0.0 if noise is None else self.noise_std * noise[k]
            images, _, gradients = dynamics.short_run_step(
                lambda pixels: self.energies(pixels, labels), images, moved, self.step_size, self.gradient_clip, free
            )
            slope = ops.mean(ops.abs(gradients))
            return images, ops.where(k == 0, slope, first), slope

        with unwatched():
            start = ops.cast(start, "float32"), ops.zeros(()), ops.zeros(())
            state = ops.fori_loop(0, self.sampling_steps if steps is None else steps, step, start)
        return tuple(ops.stop_gradient(each) for each in state)

    def fake(self, latents, labels=None, training=True, steps=None):
        """Returns images in [-1, 1], `steps` steps without noise from `latents`, images themselves."""
        return 2.0 * self.chain((latents + 1.0) / 2.0, labels, steps=steps or self.generation_steps)[0] - 1.0

    def decode(self, latents, labels=None, average=False, steps=None):
        """Returns the images (uint8) in which chains end that start from images in [-1, 1], (n, h, w, c).

        Args:
            latents: Where they start.
            labels, average: As for `generate`.
            steps: Steps of each chain, default `generation_steps`.
        """
        latents = self.checked_latents(latents)
        steps = self.generation_steps if steps is None else checks.positive_integer("steps", steps)
        return self._ends(latents, self.labels_for(len(latents), labels), None, steps, average)

    def _ends(self, latents, labels, mask, steps, average):
        def ends(latents, labels, mask, steps):
            return self.chain((latents + 1.0) / 2.0, labels, free=1.0 if mask is None else mask, steps=steps[0])[0]

        call, steps = self.averaged_call("chains", ends, average), np.full(len(latents), steps, np.int32)
        return self.to_pictures(2.0 * self.compiled_call(*call, latents, labels, mask, steps) - 1.0)

    def generate(self, n, labels=None, seed=None, *, start="noise", steps=None, average=False, output="array"):
        """Returns n generated images: the ends of n chains.

        Args:
            n, labels, seed, average, output: As for `GenerativeModel.generate`.
            start: `"noise"` (default): chains start from fresh noise; `"buffer"`: from samples of the training, which
                look better and are not independent.
            steps: Steps of each chain, default `generation_steps`.

        Returns:
            uint8 array (n, height, width, channels), or a list of images.

        Raises:
            ValueError: For a start that is none, or a buffer that is empty.
        """
        if checks.one_of("start", start, STARTS) == "noise":
            return super().generate(n, labels, seed, average=average, output=output, steps=steps)
        n = checks.positive_integer("n", n)
        return in_form(self.decode(self.from_buffer(n, seed), self.labels_for(n, labels), average, steps), output)

    def restore(self, images, mask=None, labels=None, steps=None, average=False):
        """Returns images (uint8) with their missing or noisy pixels replaced by what the energy prefers.

        Args:
            images: uint8 or float images (n, h, w, c), as for `fit`.
            mask: 1 (or True) where pixels are missing: they start as fresh chains do, all others stay.
                (h, w), (h, w, c), (n, h, w, 1) or (n, h, w, c). None: all pixels may move, from where they are.
            labels: Of a conditional model, n classes or one for all: integers, or names of `class_names`.
            average: As for `generate`.
            steps: Steps of the sampler, default 10 `sampling_steps` with a mask, 5 without.

        Raises:
            ValueError: For a mask of another shape or with other values.
        """
        latents = self.as_floats(images)
        labels = labels_of(self, len(latents), labels)
        if mask is not None:
            mask = checked_mask(mask, latents.shape)
            latents = np.where(mask > 0, self.latents_for(len(latents), seed=NOISE), latents)
        default = (5 if mask is None else 10) * self.sampling_steps
        steps = default if steps is None else checks.positive_integer("steps", steps)
        return self._ends(latents, labels, mask, steps, checks.flag("average", average))


def checked_mask(mask, shape):
    """Returns a mask of zeros and ones in the shape of images (n, h, w, c), float32."""
    values = np.asarray(mask)
    height_first = values.ndim in (2, 3) and values.shape == shape[1 : 1 + values.ndim]
    whole = values.ndim == 4 and values.shape[:3] == shape[:3] and values.shape[3] in (1, shape[3])
    if not (height_first or whole):
        h, w, c = shape[1:]
        raise ValueError(
            f"`mask` must have shape ({h}, {w}), ({h}, {w}, {c}) or {shape}, as the images do. "
            f"Received: mask.shape={values.shape}."
        )
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError("`mask` must be 1 (or True) where pixels are missing and 0 elsewhere. Received: other values.")
    values = values[..., None] if values.ndim == 2 else values
    return np.ascontiguousarray(np.broadcast_to(values, shape), dtype="float32")
