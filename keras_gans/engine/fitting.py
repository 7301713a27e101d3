"""What `fit` and `evaluate` take: data are checked, and arrays get an order that a resumed run repeats."""

import contextlib
import inspect
import warnings

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import private_keras
from keras_gans.engine.attaching import given_back_on_error
from keras_gans.engine.backend import module as backend
from keras_gans.engine.batch_check import BatchCheck, unpacked
from keras_gans.engine.batches import ArrayBatches, EpochCounter, RestOfEpoch
from keras_gans.engine.streams import checked, sentence_of


def to_floats(images):
    """Returns an array of images as float32 in [-1, 1]."""
    return images.astype("float32") / 127.5 - 1.0 if images.dtype == "uint8" else images.astype("float32")


class Fitting:
    """The part of a `GenerativeModel` that takes data."""

    batches_per_step = 1  # batches of `batch_size` that one train step takes

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        steps_per_epoch=None,
        validation_batch_size=None,
        **kwargs,
    ):
        """Trains the model, like `keras.Model.fit`.

        Args:
            x: Images: array (n, height, width, channels) of uint8 or of floats in [-1, 1], `(images, labels)`,
                or a dataset (`keras_gans.data.ParallelDataset`, `tf.data.Dataset`, `PyDataset`, torch `DataLoader`,
                generator) of such batches.
            y: Integer labels (n,) of a conditional model, when `x` is an array.
            batch_size: Images per critic update, default 32. Arrays only; a step takes `critic_steps` times as many.
            shuffle: Whether arrays are visited in a new order every epoch. The order depends only on
                `data_seed` and `epochs_done`, which are saved with the model: a resumed run repeats it.

        The other arguments are those of Keras. `class_weight` and `sample_weight` are refused.
        """
        for name, value in (("class_weight", class_weight), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"`{name}` is not used by generative models; leave it out.")
        _check_counts(batch_size=batch_size, epochs=epochs, steps_per_epoch=steps_per_epoch)
        _check_counts(validation_batch_size=validation_batch_size, validation_steps=kwargs.get("validation_steps"))
        checks.positive_integer("initial_epoch", kwargs.get("initial_epoch", 0), minimum=0)
        if not isinstance(kwargs.get("validation_freq"), (list, tuple, set)):  # epochs, or every so many
            _check_counts(validation_freq=kwargs.get("validation_freq"))
        if not isinstance(shuffle, (bool, int, np.bool_)):
            raise TypeError(f"`shuffle` must be True or False. {checks.received(shuffle=shuffle)}")
        validation_batch_size, kind = validation_batch_size or batch_size, type(x).__name__
        arrays = self.checked_arrays(x, y)
        if arrays is None:
            self.begin_training(None, epochs)
            x = self._checked_stream(x)
        else:
            if validation_split and validation_data is None:
                arrays, validation_data = _split(arrays, validation_split)
            rows = checks.positive_integer("batch_size", batch_size or 32) * self.batches_per_step
            x = ArrayBatches(self.begin_training(arrays, epochs), rows, shuffle, steps_per_epoch)
            y = batch_size = steps_per_epoch = None
        ordered = goes_on_within_epochs(x)  # it has an order of its own
        if ordered and steps_per_epoch is not None:
            raise ValueError(
                f"`steps_per_epoch` is not used with a {kind}, whose epoch has {len(x)} steps. "
                f"{checks.received(steps_per_epoch=steps_per_epoch)}"
            )
        if validation_data is not None:
            validation = self._validation(validation_data)
            if validation is None:
                validation_data = self._checked_stream(validation_data)
            else:
                rows = checks.positive_integer("validation_batch_size", validation_batch_size or 32)
                validation_data, validation_batch_size = ArrayBatches(validation, rows, shuffle=False), None
            validation_data = backend.fed(validation_data)
        with warnings.catch_warnings(), self._given_back():  # what was trained until then can be read and saved
            if ordered:  # Keras says so of the rest of an epoch, with which a resumed run begins
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            return super().fit(
                x=backend.fed(x, shuffle=shuffle and not ordered, steps_per_epoch=steps_per_epoch),
                y=y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=_counted(callbacks, x if ordered else None),
                validation_data=validation_data,
                shuffle=shuffle and not ordered,
                steps_per_epoch=steps_per_epoch,
                validation_batch_size=validation_batch_size,
                **kwargs,
            )

    def begin_training(self, arrays, epochs):
        """Called by `fit` before its first step; returns the arrays of which the batches are made.

        Args:
            arrays: `(images,)` or `(images, labels)`, those that are trained on; None for a dataset.
            epochs: As `fit` got it.
        """
        del epochs
        return arrays

    def begin_epoch(self, start):
        """Called before the first step of an epoch: step `start`, above 0 where a run goes on within an epoch."""

    def end_epoch(self):
        """Called after the last step of an epoch, before it counts as done."""

    def evaluate(self, x=None, y=None, **kwargs):
        """Returns the players' losses on `x` without training, like `keras.Model.evaluate`; see `fit` for `x`."""
        _check_counts(batch_size=kwargs.get("batch_size"), steps=kwargs.get("steps"))
        prepared = kwargs.get(private_keras.USES_PREPARED_DATA)
        arrays = None if prepared else self.checked_arrays(x, y)
        if arrays is not None:
            x, y = ArrayBatches(arrays, kwargs.pop("batch_size", None) or 32, shuffle=False), None
        elif not prepared:
            x = self._checked_stream(x)
        x = x if prepared else backend.fed(x)
        with self._given_back():
            return super().evaluate(x=x, y=y, **kwargs)

    def predict(self, x, **kwargs):
        """Returns generated images for latents, or `[latents, labels]`, like `keras.Model.predict`."""
        _check_counts(batch_size=kwargs.get("batch_size"), steps=kwargs.get("steps"))
        if hasattr(x, "shape") or isinstance(x, (tuple, list)):
            self.called_with(x)
        with self._given_back():
            return super().predict(x, **kwargs)

    def train_on_batch(self, x, y=None, **kwargs):
        """Takes one train step on a batch, which is checked like those of `fit`; see `keras.Model.train_on_batch`."""
        self.checked_arrays(x, y, required=True)
        return super().train_on_batch(x, y, **kwargs)

    def test_on_batch(self, x, y=None, **kwargs):
        """Returns the losses on a batch, which is checked like those of `fit`; see `keras.Model.test_on_batch`."""
        self.checked_arrays(x, y, required=True)
        return super().test_on_batch(x, y, **kwargs)

    @contextlib.contextmanager
    def _given_back(self):
        """Gives back what a loop had borrowed where it ends by an exception; says in a sentence what was wrong."""
        try:
            with given_back_on_error(self):
                yield
        except BaseException as error:
            sentence = sentence_of(error)
            if sentence is not None:
                raise ValueError(sentence) from error
            raise

    def checked_arrays(self, x, y=None, required=False):
        """Returns `(images,)` or `(images, labels)` as checked NumPy arrays, or None if `x` is a dataset.

        Args:
            x: Images, `(images, labels)`, a dict of them (see `unpacked`), or a dataset.
            y: Labels, or None.
            required: Whether a dataset is refused.
        """
        if x is None:
            raise TypeError("`x` must be images: an array, or a dataset of batches. Received: x=None (NoneType).")
        nested = isinstance(x, dict) or (isinstance(x, (tuple, list)) and any(hasattr(each, "shape") for each in x))
        if nested and y is None:
            x, y = unpacked(x, self.num_classes > 0)
        if not (hasattr(x, "shape") and hasattr(x, "__getitem__")) and not isinstance(x, list):
            if required:
                raise TypeError(f"`x` must be an array of images. Received: {type(x).__name__}.")
            return None
        images = self._checked_images(x)
        if y is None and self.num_classes == 0:
            return (images,)
        labels = y if y is None or isinstance(y, np.ndarray) else ops.convert_to_numpy(y)
        return images, checks.labels(labels, len(images), self.num_classes)

    def _validation(self, data):
        """Returns `checked_arrays` of validation data, whose name an error has."""
        try:
            return self.checked_arrays(data)
        except (TypeError, ValueError) as error:
            raise type(error)(f"`validation_data`: {error}") from error

    def as_floats(self, images):
        """Checks images, for whose labels nobody asks here, and returns them as a float32 array in [-1, 1]."""
        if not (hasattr(images, "shape") and hasattr(images, "__getitem__")) and not isinstance(images, list):
            raise TypeError(f"`images` must be an array. Received: {type(images).__name__}.")
        return to_floats(self._checked_images(images))

    def _checked_images(self, images):
        images = images if isinstance(images, np.ndarray) else ops.convert_to_numpy(images)
        images = images.astype(images.dtype.newbyteorder("="), copy=False)  # as the machine has it
        checks.images("images", images, self.image_shape)
        return images

    def _checked_stream(self, x):
        """Returns a dataset that yields what `x` does, every batch checked, the first one now."""
        return checked(x, BatchCheck(self.image_shape, self.num_classes))


def _check_counts(**counts):
    """Refuses counts of batches, steps or epochs below one: Keras takes 0 for its default, or does nothing."""
    for name, value in counts.items():
        if value is not None:
            checks.positive_integer(name, value)


def goes_on_within_epochs(dataset):
    """Returns whether a dataset has `set_epoch(epoch, start)`, as ours do: an order of its own that can be resumed.

    The `set_epoch(epoch)` of other libraries is the user's own business.
    """
    try:
        return "start" in inspect.signature(dataset.set_epoch).parameters
    except (AttributeError, TypeError, ValueError):
        return False


def _split(arrays, share):
    """Returns the first part of arrays for training and the rest, a share in (0, 1), for validation."""
    checks.number("validation_split", share, above=0, below=1)
    count = len(arrays[0]) - int(len(arrays[0]) * share)
    return tuple(array[:count] for array in arrays), tuple(array[count:] for array in arrays)


def _counted(callbacks, batches):
    """Returns the user's callbacks between those that count epochs and steps."""
    counter = EpochCounter(batches)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(counter)
        callbacks.append(RestOfEpoch(counter))
        return callbacks
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(f"`callbacks` must be callbacks of Keras. {checks.received(callbacks=callback)}")
    if any(isinstance(callback, keras.callbacks.SwapEMAWeights) for callback in callbacks):
        raise ValueError(
            "SwapEMAWeights needs an optimizer with use_ema=True, which the models of keras_gans refuse. Use "
            "keras_gans.callbacks.WeightMovingAverage(decay=...) and `with average.applied(model): ...`."
        )
    return [counter, *callbacks, RestOfEpoch(counter)]
