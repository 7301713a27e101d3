"""A trained model in use: compiled calls over any number of rows, and pictures of latents, for every variant."""

import inspect
import math
import operator
import random

import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.calls import first_call_locked, in_batches
from keras_gans.engine.private_keras import layers_of
from keras_gans.output.images import to_pillow

ROWS_PER_CALL = 64
OUTPUTS = ("array", "pil")
NOT_FINITE = "The model makes images that are not finite: it diverged, or its weights are damaged."


def standard_normal(shape, seed=None):
    """Returns float32 numbers of N(0, 1); an integer `seed` gives the same ones on every backend and machine."""
    seed = random.getrandbits(63) if seed is None else seed  # `keras.utils.set_random_seed` fixes these, too
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def in_form(images, output):
    """Returns images (n, h, w, c) as they are, or as a list of `PIL.Image` for `output="pil"`."""
    return [to_pillow(image) for image in images] if checks.one_of("output", output, OUTPUTS) == "pil" else images


def class_indices(model, labels):
    """Returns an array of labels in which the names of a model's classes are replaced by their places.

    Args:
        model: A model of keras_gans.
        labels: Labels as integers or as names, any shape.

    Raises:
        ValueError: A name that the model does not know; the nearest is suggested.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "UO" or not model.num_classes:
        return labels
    if not model.class_names:
        raise ValueError(
            f"`labels` must be integers in 0..{model.num_classes - 1}: the model does not know the names of its "
            f"classes. Received: {labels.flat[0]!r}."
        )
    place = {name: index for index, name in enumerate(model.class_names)}
    for name in labels.flat:
        if name not in place:
            checks.one_of("labels", str(name), model.class_names)
    return np.vectorize(place.get, otypes=["int32"])(labels)


class NotFinite(ValueError):
    """What a model makes is no picture."""


class Inference:
    """The part of a `GenerativeModel` that makes pictures.

    A variant says what a latent is by `latent_shape`, or, where latents are more than normal numbers, by
    `normal_shape` and `latents_of`; and what an image of latents is by `fake`.
    """

    latent_shape: tuple[int, ...] = ()

    @property
    def image_shape(self):
        """Shape of one image: (height, width, channels), or (dimensions,) for a model of points."""
        raise NotImplementedError(f"{type(self).__name__} must define image_shape.")

    def fake(self, latents, labels=None, training=True):
        """Returns generated float32 images in [-1, 1] for latents (n, *latent_shape)."""
        raise NotImplementedError(f"{type(self).__name__} must define fake().")

    def realness(self, images, labels=None):
        """Returns one score (n,) per image, higher = more real, at inference; None without a discriminator.

        Images are an array as for `fit`, or a float32 tensor in [-1, 1].
        """
        del images, labels

    def normal_shape(self, count):
        """Returns the shape of the normal numbers of which `count` latents are made."""
        return (count, *self.latent_shape)

    def latents_of(self, normal):
        """Returns the latents made of normal numbers of shape `normal_shape`: by default these numbers."""
        return normal

    def sample_latents(self, count, training=True):
        """Returns `count` latents: the one place where training noise is drawn."""
        return self.latents_of(self.draw_normal(self.normal_shape(count), training))

    def latents_for(self, n, seed=None):
        """Returns n latents as a float32 array, the same for the same integer seed on every backend."""
        n = checks.positive_integer("n", n, minimum=0)
        checks.fits_memory("n", n, 4 * math.prod(self.normal_shape(1)) + 5 * math.prod(self.image_shape))
        seed = None if seed is None else checks.positive_integer("seed", seed, minimum=0)
        return ops.convert_to_numpy(self.latents_of(standard_normal(self.normal_shape(n), seed)))

    def labels_for(self, n, labels=None):
        """Returns labels (n,) for a conditional model (one label repeated, or all classes in turn), else None.

        Args:
            n: Number of labels.
            labels: Integers or class names: n of them, or one for all; None for 0, 1, 2, ... in turn.
        """
        if self.num_classes == 0 and labels is None:
            return None
        labels = np.arange(n) % self.num_classes if labels is None else class_indices(self, labels)
        return checks.labels(np.full(n, labels) if labels.ndim == 0 else labels, n, self.num_classes)

    def call(self, inputs, training=False):
        """Returns generated images for latents (or `[latents, labels]`): what `predict` computes."""
        return self.fake(*self.called_with(inputs), training=training)

    def called_with(self, inputs):
        """Returns `(latents, labels)` of the inputs of a call; refuses what cannot be that, such as images."""
        pair = isinstance(inputs, (tuple, list)) and len(inputs) == 2
        latents, labels = inputs if self.num_classes and pair else (inputs, None)
        shape = getattr(latents, "shape", (None, *self.latent_shape))
        if bool(self.num_classes) > pair or tuple(shape[1:]) != tuple(self.latent_shape):
            what = "[latents, labels] with " if self.num_classes else ""
            what = f"{what}latents of shape {checks.batch_of(self.latent_shape)}, of which images are made"
            raise ValueError(f"`x` must be {what}. Received: {checks.kind(inputs)}.")
        return latents, labels

    def generate(self, n, labels=None, seed=None, *, average=False, output="array", **options):
        """Returns n generated images.

        Args:
            n: Number of images, at least 1.
            labels: Of a conditional model, n classes or one for all: integers, or names of `class_names`. Default 0, 1,
                2, ... in turn.
            seed: Integer that fixes the latents; default: the global seed of Keras.
            average: Whether the first moving average is used in place of the last weights, default False. The model is
                not touched: other threads may use it at the same time.
            output: `"array"` (default), or `"pil"` for a list of `PIL.Image`.
            **options: What the variant's `decode` takes, such as `steps` of an IGN.

        Returns:
            uint8 array (n, height, width, channels); float32 (n, d) for a model of points. Or a list of images.

        Raises:
            ValueError: For an average that the model does not have, or pictures of a model of points.
        """
        n = checks.positive_integer("n", n)
        checks.one_of("output", output, OUTPUTS)
        average = checks.flag("average", average)
        known = [*inspect.signature(self.decode).parameters][2:]
        checks.no_unknown(f"{type(self).__name__}.generate", [name for name in options if name not in known], known)
        if output == "pil" and len(self.image_shape) != 3:
            raise ValueError(f"`output` must be 'array': the model makes points of shape {self.image_shape}.")
        images = self.decode(self.latents_for(n, seed), self.labels_for(n, labels), average=average, **options)
        return in_form(images, output)

    def decode(self, latents, labels=None, average=False):
        """Returns the images (uint8) of given latents (n, *latent_shape); `labels` and `average` as for `generate`.

        Raises:
            ValueError: For latents of another shape or that are not finite, or if the images are not (`NotFinite`).
        """
        latents = self.checked_latents(latents)
        labels = self.labels_for(len(latents), labels)

        def pictures(latents, labels):
            images = self.fake(latents, labels, training=False)
            finite = ops.all(ops.isfinite(images), axis=tuple(range(1, len(images.shape))))
            if len(self.image_shape) == 3:  # here, so that no floats of all of them are ever in memory
                images = ops.cast(ops.clip(ops.round((images + 1.0) * 127.5), 0.0, 255.0), "uint8")
            return images, finite

        images, finite = self.compiled_call(*self.averaged_call("decode", pictures, average), latents, labels)
        if not finite.all():
            raise NotFinite(NOT_FINITE)
        return images

    def checked_latents(self, latents):
        """Returns latents as an array (n, *latent_shape) of finite floats; raises `ValueError` where they are not."""
        try:
            known = isinstance(latents, (np.ndarray, list, tuple))
            array = np.asanyarray(latents if known else ops.convert_to_numpy(latents))
            wrong = f"{array.dtype} {array.shape}"
            numbers = array.dtype.kind not in "OUS"  # but bfloat16, which is of no kind
            array = array if array.dtype.kind == "f" else array.astype("float32") if numbers else np.empty(0)
        except Exception:  # a backend raises nearly anything for what is no tensor
            array, wrong = np.empty(0), checks.shown(latents, 80)
        if array.shape[:1] in ((), (0,)) or array.shape[1:] != tuple(self.latent_shape):
            shape = checks.batch_of(self.latent_shape)
            raise ValueError(f"`latents` must be numbers of shape {shape}. Received: {wrong}.")
        if not np.isfinite(checks.unmasked("latents", array)).all():
            raise ValueError("`latents` must be finite. Received: latents with NaN or infinity.")
        return array

    def averaged_call(self, name, fn, average=True):
        """Returns `(name, fn)` for `compiled_call`, with the first moving average in place of the last weights."""
        if not average:
            return name, fn
        if not self.averages:
            raise ValueError(
                "The model has no moving average: `average` must be False, or train with the callback "
                f"WeightMovingAverage. {checks.received(average=average)}"
            )
        first = self.averages[0]

        def averaged(*arguments):
            with backend.replaced(first.pairs()):
                return fn(*arguments)

        return f"{name} of {first.name} {id(first)}", averaged

    def compiled_call(self, name, fn, *arrays, batch_size=ROWS_PER_CALL):
        """Runs `fn(*batch)` compiled over batches of `arrays` and returns its result, a NumPy array or a tuple of them.

        The function is compiled again where the networks are no longer those that it was compiled for, and once where
        several threads ask for it first.

        Args:
            name: Key under which the compiled function is kept.
            fn: Function of as many tensors as there are arrays; must treat rows independently.
            *arrays: NumPy arrays with the same first axis; `None` is passed through.
            batch_size: Rows per call. A smaller rest costs what so many rows cost, rounded up to a power of two where
                a shape must be compiled (JAX).
        """
        backend.sync(self)
        return in_batches(self._compiled_function(name, fn), arrays, batch_size)

    def _compiled_function(self, name, fn):
        """Returns the compiled `fn` of the present networks; the first call of it holds the lock."""
        networks = [getattr(self, network) for network in self.networks]
        parts = [part for network in networks for part in (*layers_of(network), *network.variables)]
        policies = [layer.dtype_policy for network in networks for layer in layers_of(network)]
        known, policies_then, function = self._compiled_functions.get(name, ((), [], None))
        if len(known) == len(parts) and all(map(operator.is_, known, parts)) and policies == policies_then:
            return function
        with self._compiling:
            if self._compiled_functions.get(name, ((), [], None))[2] is not function:  # another thread was here first
                return self._compiled_function(name, fn)
            function = first_call_locked(backend.compiled(self, fn))
            self._compiled_functions[name] = (parts, policies, function)
        return function

    def to_pictures(self, images):
        """Returns float images in [-1, 1] as uint8 0..255; points (rank 2) stay floats.

        Raises:
            NotFinite: There is a NaN or an infinity among them.
        """
        if not np.isfinite(images).all():
            raise NotFinite(NOT_FINITE)
        if len(self.image_shape) != 3:
            return images
        return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype("uint8")
