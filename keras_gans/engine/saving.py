"""A model in files: weights, optimisers, averages, seeds and counters, each file replaced whole and checked first."""

import io
import logging
import math
import os
import zipfile

import h5py
import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import private_keras
from keras_gans.engine.backend import module as backend
from keras_gans.engine.export.exporting import ExportsGenerator
from keras_gans.engine.optimizers import LossScaleOptimizer
from keras_gans.output import files

logger = logging.getLogger("keras_gans")


class InMemory(io.BytesIO):
    """A weights file in memory, which Keras takes for one on the disk by its name."""

    def __str__(self):
        return "memory.weights.h5"


class Saving(ExportsGenerator):
    """The part of a `GenerativeModel` that goes into files and comes back, or leaves Keras behind."""

    def _seed_states(self):
        return [variable for variable in self.non_trainable_variables if private_keras.is_seed(variable)]

    def _saved(self):
        return [*self.variables, *(self.optimizer.variables if self.compiled else [])]

    def save_own_variables(self, store):
        """Saves the counters and every seed state: Keras itself saves no seed, so that resuming would not be exact."""
        super().save_own_variables(store)
        store["steps_into_epoch"] = self.steps_into_epoch
        store["precision"] = np.frombuffer(self.dtype_policy.name.encode(), "uint8")
        for i, state in enumerate(self._seed_states()):
            store[f"seed_{i}"] = ops.convert_to_numpy(state.value)

    def load_own_variables(self, store):
        keys = list(store.keys())
        super().load_own_variables({key: store[key] for key in keys if key.isdigit()})
        self.resume_at = int(store["steps_into_epoch"][()]) if "steps_into_epoch" in keys else 0
        trained_in = bytes(store["precision"][()]).decode() if "precision" in keys else self.dtype_policy.name
        if trained_in != self.dtype_policy.name:
            logger.warning("The weights were trained in %s; the model has %s.", trained_in, self.dtype_policy.name)
        for i, state in enumerate(self._seed_states()):
            if f"seed_{i}" in keys:
                state.assign(store[f"seed_{i}"])

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """Like `keras.Model.save_weights`, atomic: the file is either the old or the new one, never half of it."""
        filepath = checks.path("filepath", filepath)
        backend.sync(self)
        if kwargs or not filepath.endswith(".weights.h5") or (os.path.exists(filepath) and not overwrite):
            files.require_space(filepath, 4 * sum(math.prod(variable.shape) for variable in self._saved()))
            super().save_weights(filepath, overwrite=overwrite, **kwargs)
            return
        content = InMemory()  # HDF5 ends the process where the disk is full
        super().save_weights(content)
        files.write_digest(content)
        files.write(filepath, content.getbuffer())

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Like `keras.Model.load_weights`; a file that is damaged or does not fit is named and changes nothing.

        With `skip_mismatch=True` only the networks take what fits: optimisers, seeds, averages and the order of the
        data stay as they were, since half of a training state is none.
        """
        filepath = checks.path("filepath", filepath)
        if filepath.endswith(".weights.h5"):
            files.verify_weights(filepath)
        variables = self._saved()
        before = [ops.convert_to_numpy(variable.value).copy() for variable in variables]
        resume_at, networks = self.resume_at, {id(v) for name in self.networks for v in getattr(self, name).variables}
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
            if skip_mismatch:
                self.resume_at = resume_at
                for variable, value in zip(variables, before, strict=True):
                    if id(variable) not in networks or private_keras.is_seed(variable):
                        variable.assign(value)
        except Exception as error:
            self.resume_at = resume_at
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            if os.path.isfile(filepath) and not (zipfile.is_zipfile(filepath) or h5py.is_hdf5(filepath)):
                raise ValueError(
                    f"The file {filepath} is cut short, damaged, or holds no weights; the model was left as it was."
                ) from error
            raise ValueError(
                f"The weights in {filepath} do not fit this {type(self).__name__}; it was left as it was. "
                f"Keras says: {checks.first_line(error)}"
            ) from error

    def save(self, filepath, overwrite=True, **kwargs):
        """Like `keras.Model.save`, atomic for a `.keras` file; the HDF5 format of Keras 2 is refused."""
        filepath = checks.path("filepath", filepath)
        if not filepath.endswith(".keras"):
            raise ValueError(
                "`filepath` must end in .keras: no other format has a place for two optimisers, seeds and averages. "
                f"Received: filepath={filepath!r}. For the weights alone, save_weights('name.weights.h5')."
            )
        if os.path.exists(filepath) and not overwrite:
            raise FileExistsError(f"The file {filepath} exists. Give overwrite=True to replace it, or another name.")
        backend.sync(self)
        with files.replacing(filepath, suffix=".keras") as temporary:
            super().save(temporary, **kwargs)

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs):
        """Writes what `predict` computes for other programs, like `keras.Model.export`: float32 images in [-1, 1].

        Args:
            filepath: Where it goes.
            format: `"tf_saved_model"` (default), `"onnx"`, `"litert"`, ...: those of Keras, each with what it needs.
            verbose: Whether a message is printed.
            input_signature: Default: float32 latents (n, *latent_shape) for any n, and, of a conditional model, int32
                labels (n,).
            **kwargs: What the format takes.
        """
        private_keras.mark_as_called(self)
        if input_signature is None:
            latents = keras.InputSpec(shape=(None, *self.latent_shape), dtype="float32")
            labels = keras.InputSpec(shape=(None,), dtype="int32")
            input_signature = [[latents, labels]] if self.num_classes else [latents]
        super().export(filepath, format=format, verbose=verbose, input_signature=input_signature, **kwargs)

    def save_to_preset(self, folder, about=None, precision="float32", overwrite=False):
        """Writes the model, with its averaged weights, as a folder for `keras_gans.from_preset`.

        Args:
            folder: The folder to make: config.json, model.weights.h5, metadata.json, README.md, samples.png.
            about: Dict of what to tell about it: `data`, `seed`, `steps`, `epochs`, `scores`, `licence`, `note`, ...
            precision: `"float32"` (default), or `"float16"` for half the size.
            overwrite: Whether a preset that is there may be replaced.

        Raises:
            FileExistsError, ValueError, TypeError: see `keras_gans.zoo.save`.
        """
        from keras_gans import zoo

        zoo.save(self, folder, about, precision, overwrite)

    @classmethod
    def from_preset(cls, name, refresh=False):
        """Returns the trained model of this class called `name`; see `keras_gans.from_preset`."""
        from keras_gans import zoo

        return zoo.from_preset(name, cls, refresh)

    def get_config(self):
        config = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.networks}
        config.update(name=self.name, num_classes=self.num_classes)
        if self.class_names:
            config["class_names"] = list(self.class_names)
        if self.averages:
            config["averages"] = [average.get_config() for average in self.averages]
        if self.dtype_policy != keras.config.dtype_policy():
            config["dtype"] = keras.saving.serialize_keras_object(self.dtype_policy)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):

        def revived(value):
            if isinstance(value, dict) and "class_name" in value:
                return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
            return [revived(each) for each in value] if isinstance(value, list) else value

        return cls(**{name: revived(value) for name, value in config.items()})

    def get_compile_config(self):
        if not self.compiled:
            return {}
        config = dict(self._compile_arguments)
        for player in self.players:
            optimizer = self.optimizer.of(player)
            plain = optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer
            config[self.optimizer_argument(player)] = keras.saving.serialize_keras_object(plain)
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
