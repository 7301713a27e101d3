"""The base classes of the zoo: whole Keras models with several players, one train step, three backends."""

import logging
import os
import random
import warnings

import keras
import numpy as np
from keras import ops

from keras_gans import checks
from keras_gans.engine import averaging, kernels, simultaneous
from keras_gans.engine.averaging import WeightAverage
from keras_gans.engine.backend import module as backend
from keras_gans.engine.batches import ArrayBatches, EpochCounter, RestOfEpoch, first_batch
from keras_gans.engine.gradients import descend
from keras_gans.engine.optimizers import LossScaleOptimizer, PlayerOptimizers, player_optimizer
from keras_gans.output import files

logger = logging.getLogger("keras_gans")
UPDATES = ("alternating", "simultaneous")


def given(inputs, labels):
    """Returns what a network is called on: `inputs`, or `[inputs, labels]` for a conditional model."""
    return inputs if labels is None else [inputs, labels]


def couples_samples(layer):
    """Returns whether a layer in training mode mixes the samples of a batch."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return True
    return getattr(layer, "couples_samples", False)


class ReplicaSeeds(keras.random.SeedGenerator):
    """A SeedGenerator whose draws differ between the replicas of `tf.distribute`."""

    def next(self, ordered=True):
        return backend.replica_seed(super().next(ordered))


def standard_normal(shape, seed=None):
    """Returns float32 numbers of N(0, 1); an integer `seed` gives the same ones on every backend and machine."""
    seed = random.getrandbits(63) if seed is None else seed  # `keras.utils.set_random_seed` fixes these, too
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


class GenerativeModel(backend.BackendTrainer, keras.Model):  # type: ignore[name-defined]
    """What every variant is: networks, some of them players with an optimiser each, and state that is saved whole.

    A variant names its `networks` (attributes that hold a `keras.Model`), its `players` (those with an
    optimiser, in the order in which they move) and its `logs` (the values `report` receives). It writes
    `train_step(data)` and `observed_losses(...)` with `keras.ops` and the functions of `keras_gans.engine`.

    Args:
        num_classes: Integer. 0 for an unconditional model; else the networks take labels beside their input.
        averages: List of `WeightAverage` or their configs; usually filled by a callback.
        name: Name of the model.
    """

    networks: tuple[str, ...] = ()
    players: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()  # networks that a weight moving average takes: by default the first
    conditional = True  # whether the variant has a form with labels
    minimum_latent_dim = 1

    def __init__(self, num_classes=0, averages=(), name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = checks.positive_integer("num_classes", num_classes, minimum=0)
        self.latent_seeds = ReplicaSeeds(name="latent_seeds")
        self.evaluation_seeds = ReplicaSeeds(name="evaluation_seeds")  # validation leaves training as it is
        self.data_seed = self._counter("data_seed", random.randint(1, 2**31 - 1))
        self.epochs_done = self._counter("epochs_done", 0)
        self.means = [keras.metrics.Mean(name=name) for name in (*self.all_logs(), "loss")]
        self.averages = []
        self._pending_averages = list(averages)
        # Steps of the current epoch that are done, saved in every file; and those of the file that was loaded.
        self.steps_into_epoch, self.resume_at = 0, 0
        object.__setattr__(self, "_compiled_functions", {})

    def all_logs(self):
        """Returns the names of the values that `report` receives."""
        return self.logs

    def _counter(self, name, value):
        initializer = keras.initializers.Constant(value)
        return self.add_weight(
            shape=(),
            initializer=initializer,
            dtype="int32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name=name,
        )

    def finish_building(self):
        """Called by the base constructors once the networks are there."""
        self.built = True
        for average in self._pending_averages:
            self.add_average(average if isinstance(average, WeightAverage) else WeightAverage(**average))
        self._pending_averages = []

    # Data -------------------------------------------------------------------------------------------------

    @property
    def image_shape(self):
        """Shape of one image: (height, width, channels), or (dimensions,) for a model of points."""
        return tuple(self.generator.output_shape[1:])

    def batch(self, data):
        """Returns `(images, labels)` of one batch: float32 images in [-1, 1], integer labels or None.

        This is the one place where uint8 images become floats.
        """
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(images, (tuple, list)):
            images, labels = images if len(images) == 2 else (images[0], labels)
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(
                f"`images` must have shape (n, {', '.join(map(str, self.image_shape))}), as the networks of the model "
                f"do. Received: images.shape={tuple(images.shape)}."
            )
        if (labels is None) != (self.num_classes == 0):
            checks.labels(labels, None, self.num_classes)
        dtype = keras.backend.standardize_dtype(images.dtype)
        images = ops.cast(images, "float32")
        return (images / 127.5 - 1.0 if dtype == "uint8" else images), labels

    def observed_losses(self, images, labels, latents):
        """Returns `{log: value}` of one batch at inference: what `evaluate` reports and `Inspect` looks into.

        Args:
            images: float32 images (n, h, w, c) in [-1, 1].
            labels: Integer labels (n,), or None.
            latents: The noise of as many fakes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define observed_losses().")

    def test_step(self, data):
        images, labels = self.batch(data)
        latents = self.sample_latents(ops.shape(images)[0], training=False)
        return self.report(**self.observed_losses(images, labels, latents))

    def draw_normal(self, shape, training=True):
        """Returns standard normal noise from the model's own stream; evaluation has a stream of its own."""
        return keras.random.normal(shape, seed=self.latent_seeds if training else self.evaluation_seeds)

    def report(self, **values):
        """Returns the running means over the epoch of the values named in `logs`, and of `loss`.

        `loss` is the sum of all values called `*_loss`: not a measure of progress, but what callbacks such
        as `TerminateOnNaN` read, so that a NaN of any player is seen.
        """
        values = {**values, "loss": sum(value for name, value in values.items() if name.endswith("_loss"))}
        reported = [mean for mean in self.means if mean.name in values]  # penalties are not evaluated
        for mean in reported:
            mean.update_state(values[mean.name])
        return {mean.name: mean.result() for mean in reported}

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
        validation_batch_size = validation_batch_size or batch_size
        arrays = self._arrays(x, y)
        if arrays is not None:
            if validation_split and validation_data is None:
                checks.number("validation_split", validation_split, above=0, below=1)
                count = len(arrays[0]) - int(len(arrays[0]) * validation_split)
                validation_data = tuple(array[count:] for array in arrays)
                arrays = tuple(array[:count] for array in arrays)
            rows = checks.positive_integer("batch_size", batch_size or 32) * getattr(self, "critic_steps", 1)
            x = ArrayBatches(arrays, rows, shuffle, steps_per_epoch)
            y = batch_size = steps_per_epoch = None
            shuffle = False
        else:
            x = self._checked_stream(x)
            if hasattr(x, "set_epoch"):
                shuffle = False  # it has an order of its own
                if steps_per_epoch is not None:
                    raise ValueError(
                        f"`steps_per_epoch` is not used with a {type(x).__name__}, whose epoch has {len(x)} steps. "
                        f"{checks.received(steps_per_epoch=steps_per_epoch)}"
                    )
        if validation_data is not None:
            validation = self._arrays(validation_data, None)
            validation_data = validation if validation is not None else validation_data
        counter = EpochCounter(x if hasattr(x, "set_epoch") else None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(counter)
            callbacks.append(RestOfEpoch(counter))
        else:
            callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
            if any(isinstance(callback, keras.callbacks.SwapEMAWeights) for callback in callbacks):
                raise ValueError(
                    "SwapEMAWeights needs an optimizer with use_ema=True, which the models of keras_gans refuse. Use "
                    "keras_gans.callbacks.WeightMovingAverage(decay=...) and `with average.applied(model): ...`."
                )
            callbacks = [counter, *callbacks, RestOfEpoch(counter)]
        try:
            with warnings.catch_warnings():
                if (
                    counter.batches is not None
                ):  # Keras says so of the rest of an epoch, with which a resumed run begins
                    warnings.filterwarnings("ignore", message="Your input ran out of data")
                return super().fit(
                    x=x,
                    y=y,
                    batch_size=batch_size,
                    epochs=epochs,
                    verbose=verbose,
                    callbacks=callbacks,
                    validation_data=validation_data,
                    shuffle=shuffle,
                    steps_per_epoch=steps_per_epoch,
                    validation_batch_size=validation_batch_size,
                    **kwargs,
                )
        except BaseException:
            backend.sync(self)  # what was trained until then can be read and saved
            raise

    def evaluate(self, x=None, y=None, **kwargs):
        """Returns the players' losses on `x` without training, like `keras.Model.evaluate`; see `fit` for `x`."""
        arrays = None if kwargs.get("_use_cached_eval_dataset") else self._arrays(x, y)
        if arrays is not None:
            x, y = arrays[0], arrays[1] if len(arrays) == 2 else None
        return super().evaluate(x=x, y=y, **kwargs)

    def _arrays(self, x, y):
        """Returns `(images,)` or `(images, labels)` as checked NumPy arrays, or None if `x` is a dataset."""
        if isinstance(x, (tuple, list)) and y is None and 1 <= len(x) <= 2 and all(hasattr(a, "shape") for a in x):
            x, y = x[0], x[1] if len(x) == 2 else None
        if not (hasattr(x, "shape") and hasattr(x, "__getitem__")) and not isinstance(x, list):
            return None
        images = x if isinstance(x, np.ndarray) else ops.convert_to_numpy(x)
        checks.images("images", images, self.image_shape)
        if y is None and self.num_classes == 0:
            return (images,)
        labels = None if y is None else ops.convert_to_numpy(y)
        return images, checks.labels(labels, len(images), self.num_classes)

    def _checked_stream(self, x):
        """Checks the first batch of a dataset and returns a dataset that still yields it."""
        batch, x = first_batch(x)
        if batch is not None:
            images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
            self._arrays(images, labels)
        return x

    # Optimisers -------------------------------------------------------------------------------------------

    def default_optimizers(self):
        """Returns `{player: optimizer}`, the optimisers of the paper or of its published code."""
        raise NotImplementedError(f"{type(self).__name__} must define default_optimizers().")

    def compile(self, run_eagerly=False, steps_per_execution=1, jit_compile="auto", **optimizers):
        """Configures training. Without arguments: the paper's optimisers, graph mode on CPU, XLA on GPU and TPU.

        Args:
            run_eagerly: Whether to run the step op by op (for debugging).
            steps_per_execution: Steps per compiled call; 1 on PyTorch.
            jit_compile: Whether to use XLA; `"auto"` means never on a CPU with TensorFlow (where it is slower).
            **optimizers: `<player>_optimizer=`, one per player: a Keras optimizer, its name or its config.

        Raises:
            TypeError: If an argument does not exist.
            ValueError: If an optimizer has `use_ema=True`, is shared, or belongs to other variables.
        """
        arguments = {self._argument(player): player for player in self.players}
        unknown = [name for name in optimizers if name not in arguments]
        advice = "Losses are arguments of the constructor. " if unknown and unknown[0].startswith("loss") else ""
        known = [*arguments, "run_eagerly", "steps_per_execution", "jit_compile"]
        checks.no_unknown(f"{type(self).__name__}.compile", unknown, known, advice)
        chosen = {player: optimizers.get(argument) for argument, player in arguments.items()}
        if any(optimizer is None for optimizer in chosen.values()):
            defaults = self.default_optimizers()
            chosen = {player: defaults[player] if o is None else o for player, o in chosen.items()}
        built = {
            player: player_optimizer(self._argument(player), optimizer, getattr(self, player))
            for player, optimizer in chosen.items()
        }
        super().compile(
            optimizer=PlayerOptimizers(built),
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=False,  # each player scales its own loss
        )
        kernels.warn_if_emulated(self.dtype_policy.name)
        self._loss_tracker = None  # `report` keeps the mean called `loss`
        object.__setattr__(
            self,
            "_compile_arguments",
            {"run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile},
        )
        if getattr(self, "update", UPDATES[0]) != UPDATES[0]:
            self._compile_arguments["update"] = self.update

    def _argument(self, player):
        return f"{player}_optimizer" if len(self.players) > 1 else "optimizer"

    def get_compile_config(self):
        if not self.compiled:
            return {}
        config = dict(self._compile_arguments)
        for player in self.players:
            optimizer = self.optimizer.of(player)
            plain = optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer
            config[self._argument(player)] = keras.saving.serialize_keras_object(plain)
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    # Moving averages --------------------------------------------------------------------------------------

    def add_average(self, average):
        """Attaches a `WeightAverage`: it is updated after every train step and saved with the model.

        Returns the one that is already there when an equal one is attached twice (as after loading).
        """
        return averaging.add(self.averages, self, average)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            step = type(self).train_step
            if getattr(self, "update", UPDATES[0]) == "simultaneous":
                step = type(self).simultaneous_train_step

            def train_step(data):
                logs = step(self, data)
                for average in self.averages:
                    average.update(
                        self.optimizer.of(average.networks[0]) if average.networks[0] in self.players else None
                    )
                return logs

            object.__setattr__(self, "train_step", train_step)
            super().make_train_function(force=True)

    # State ------------------------------------------------------------------------------------------------

    def _seed_states(self):
        return [v for v in self.non_trainable_variables if v.name == "seed_generator_state"]

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
        filepath = os.fspath(filepath)
        backend.sync(self)
        if kwargs or not filepath.endswith(".weights.h5") or (os.path.exists(filepath) and not overwrite):
            super().save_weights(filepath, overwrite=overwrite, **kwargs)
            return
        with files.replacing(filepath, suffix=".weights.h5") as temporary:
            super().save_weights(temporary)
            files.write_digest(temporary)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Like `keras.Model.load_weights`; a file that is damaged or does not fit is named and changes nothing."""
        filepath = os.fspath(filepath)
        if filepath.endswith(".weights.h5"):
            files.verify_weights(filepath)
        variables = [*self.variables, *(self.optimizer.variables if self.compiled else [])]
        before = [ops.convert_to_numpy(variable.value).copy() for variable in variables]
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        except Exception as error:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            raise ValueError(
                f"The weights in {filepath} do not fit this {type(self).__name__}; it was left as it was. "
                f"Keras says: {str(error).splitlines()[0]}"
            ) from error

    def save(self, filepath, overwrite=True, **kwargs):
        """Like `keras.Model.save`, atomic for a `.keras` file."""
        filepath = os.fspath(filepath)
        backend.sync(self)
        if not filepath.endswith(".keras") or (os.path.exists(filepath) and not overwrite):
            super().save(filepath, overwrite=overwrite, **kwargs)
            return
        with files.replacing(filepath, suffix=".keras") as temporary:
            super().save(temporary, **kwargs)

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

    # Inference --------------------------------------------------------------------------------------------

    def compiled_call(self, name, fn, *arrays, batch_size=64):
        """Runs `fn(*batch)` compiled over batches of `arrays` and returns one NumPy array.

        Args:
            name: Key under which the compiled function is kept.
            fn: Function of as many tensors as there are arrays; must treat rows independently.
            *arrays: NumPy arrays with the same first axis; `None` is passed through.
            batch_size: Rows per call. The last batch is padded, so that nothing is compiled twice.
        """
        backend.sync(self)
        if name not in self._compiled_functions:
            self._compiled_functions[name] = backend.compiled(self, fn)
        present = [array for array in arrays if array is not None]
        rows = len(present[0])
        outputs = []
        for start in range(0, rows, batch_size):
            batch = [np.resize(array[start : start + batch_size], (batch_size, *array.shape[1:])) for array in present]
            queue = iter(ops.convert_to_tensor(array) for array in batch)
            arguments = [None if array is None else next(queue) for array in arrays]
            outputs.append(ops.convert_to_numpy(self._compiled_functions[name](*arguments)))
        return np.concatenate(outputs)[:rows]

    def to_pictures(self, images):
        """Returns float images in [-1, 1] as uint8 0..255; points (rank 2) stay floats."""
        if len(self.image_shape) != 3:
            return images
        return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype("uint8")


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, height, width, channels) in [-1, 1], or
            points (n, d). Called on `[latents, labels]` when `num_classes > 0`.
        discriminator: `keras.Model`, images -> (n, 1) scores, higher = more real (without a sigmoid). Called
            on `[images, labels]` when `num_classes > 0`.
        latent_dim: Length of a latent vector.
        critic_steps: Discriminator updates per generator update.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, applied to all images the discriminator
            sees in training, real and generated, in both players' steps; or None.
        num_classes: 0, or the number of classes of a conditional model.
        units: Values the discriminator must give per image.
        own_penalties: Penalties that are part of the variant; they come before `penalties` and are not in the config.
    """

    networks = ("generator", "discriminator")
    players = ("discriminator", "generator")
    logs: tuple[str, ...] = ("discriminator_loss", "generator_loss")

    @classmethod
    def network_options(cls, **knobs):
        """Returns `{network: options}`, what the variant with these knobs prefers of a network builder."""
        del knobs
        return {"generator": {}, "discriminator": {}}

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        critic_steps=1,
        penalties=(),
        augmentation=None,
        num_classes=0,
        units=1,
        own_penalties=(),
        **kwargs,
    ):
        object.__setattr__(self, "penalties", (*own_penalties, *penalties))
        object.__setattr__(self, "_given_penalties", tuple(penalties))
        super().__init__(num_classes=num_classes, **kwargs)
        self.augmentation = augmentation
        self.latent_dim = checks.positive_integer("latent_dim", latent_dim, minimum=self.minimum_latent_dim)
        self.critic_steps = checks.positive_integer("critic_steps", critic_steps)
        self.generator = self._network("generator", generator)
        self.discriminator = self._network("discriminator", discriminator)
        images = self._output_shape("generator", (None, self.latent_dim))
        scores = self._output_shape("discriminator", images)
        if scores != (None, units):
            raise ValueError(
                f"`discriminator` must return {units} value{'s' * (units > 1)} per image, shape (n, {units}), for this "
                f"{type(self).__name__}. Received: discriminator output shape {scores}."
            )
        self._check_penalties()
        self._check_augmentation(images)
        self.finish_building()

    def _check_augmentation(self, shape):
        if self.augmentation is None:
            return
        if not isinstance(self.augmentation, keras.layers.Layer):
            raise TypeError(
                "`augmentation` must be a Keras layer such as keras_gans.layers.DiffAugment(). "
                f"{checks.received(augmentation=self.augmentation)}"
            )
        augmented = tuple(self.augmentation(keras.KerasTensor(shape)).shape)
        if augmented != shape:
            raise ValueError(
                f"`augmentation` must keep the shape of the images, {shape}. Received: one that returns {augmented}."
            )

    def _check_penalties(self):
        for penalty in self.penalties:
            if not callable(penalty):
                raise TypeError(
                    "`penalties` must be a list of keras_gans.penalties, for example [R1(10.0)]. "
                    f"{checks.received(penalties=list(self.penalties))}"
                )
        if self.penalties:
            self.refuse_coupled_samples("`penalties`")

    def refuse_coupled_samples(self, what):
        """Refuses a discriminator that mixes the samples of a batch, for `what` needs per-sample gradients."""
        coupled = self.coupled_layers()
        if coupled:
            raise ValueError(
                f"A discriminator for {what} must treat samples independently, or the gradient is not that of one "
                f"sample. The layer {coupled[0]!r} mixes the samples of a batch: build the discriminator with "
                "normalization=None, 'layer' or 'spectral'."
            )

    def coupled_layers(self):
        """Returns the names of the discriminator's layers that mix the samples of a batch in training."""
        return [layer.name for layer in self.discriminator._flatten_layers() if couples_samples(layer)]

    def all_logs(self):
        return (*self.logs, "penalty") if self.penalties else self.logs

    @classmethod
    def discriminator_units(cls, latent_dim, **knobs):
        """Returns how many values the discriminator gives per image, for a latent_dim and the variant's knobs."""
        del latent_dim, knobs
        return 1

    def _network(self, argument, network):
        if not isinstance(network, keras.Model):
            raise TypeError(f"`{argument}` must be a keras.Model. {checks.received(**{argument: network})}")
        return network

    def _output_shape(self, argument, shape):
        """Calls a network symbolically (which builds it) and returns its output shape."""
        network = getattr(self, argument)
        labels = keras.KerasTensor((None,), dtype="int32") if self.num_classes else None
        takes = len(network.inputs) if getattr(network, "inputs", None) else None
        if takes is not None and takes != (2 if self.num_classes else 1):
            expected = "two inputs, [%s, labels]" if self.num_classes else "one input, %s"
            raise ValueError(
                f"`{argument}` must take {expected % ('latents' if argument == 'generator' else 'images')}, because "
                f"num_classes={self.num_classes}. Received: a network with {takes} input{'s' * (takes > 1)}."
            )
        try:
            outputs = network(given(keras.KerasTensor(shape), labels))
        except Exception as error:
            raise ValueError(
                f"`{argument}` must accept inputs of shape {shape}. Keras says: {str(error).splitlines()[0]}"
            ) from error
        return tuple(outputs.shape)

    def sample_latents(self, count, training=True):
        """Returns latents (count, latent_dim) from N(0, I): the one place where training noise is drawn."""
        return self.draw_normal((count, self.latent_dim), training)

    def critic_batches(self, data):
        """Yields `critic_steps` pairs `(reals, labels)`: equal slices of the batch that `fit` hands over.

        Rows beyond a multiple of `critic_steps` are left out; a batch smaller than `critic_steps` repeats rows.
        """
        images, labels = self.batch(data)
        if self.critic_steps == 1:
            yield images, labels
            return
        total = ops.shape(images)[0]
        rows = (
            ops.maximum(total // self.critic_steps, 1)
            if not isinstance(total, int)
            else max(total // self.critic_steps, 1)
        )
        for step in range(self.critic_steps):
            start = step * rows
            start = min(start, total - rows) if isinstance(total, int) else ops.minimum(start, total - rows)
            yield images[start : start + rows], None if labels is None else labels[start : start + rows]

    def score(self, images, labels, training=True):
        """Returns the discriminator's float32 output (n, units) for images, augmented in training."""
        if training and self.augmentation is not None:
            images = self.augmentation(images)
        return ops.cast(self.discriminator(given(images, labels), training=training), "float32")

    def play(self, real_outputs, fake_outputs, reals, fakes, latents):
        """Returns `(discriminator_loss, generator_loss, {log: value})` from the discriminator's outputs.

        Evaluation and simultaneous updates use it; `train_step` is the alternating game.

        Args:
            real_outputs, fake_outputs: The discriminator's outputs (n, units) on reals and fakes.
            reals, fakes: The images (n, ...).
            latents: The latents (n, latent_dim) of the fakes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define play().")

    def gradient_ratio(self):
        """Returns what is known of b_i / a_i, the slopes of the two losses in the score of fake i.

        `"constant"`: always -1. `"per_sample"`: finite and never 0/0 for any scores. None: neither.
        """
        return None

    def after_discriminator_step(self):
        """Called after every step of the discriminator; nothing by default."""

    def simultaneous_train_step(self, data):
        """One step of `update="simultaneous"`: discriminator steps but the last, then both players at once."""
        *earlier, (reals, labels) = self.critic_batches(data)
        for images, classes in earlier:
            latents = self.sample_latents(ops.shape(images)[0])
            fakes = ops.stop_gradient(self.fake(latents, classes))

            def critic_objective(images=images, classes=classes, fakes=fakes, latents=latents):
                outputs = self.score(images, classes), self.score(fakes, classes)
                loss, _, _ = self.play(*outputs, images, fakes, latents)
                return self.penalized(loss, images, fakes, classes)[0]

            descend(critic_objective, self, "discriminator")
            self.after_discriminator_step()
        return self.report(**simultaneous.simultaneous_step(self, reals, labels))

    def observed_losses(self, images, labels, latents):
        fakes = self.fake(latents, labels, training=False)
        outputs = self.score(images, labels, training=False), self.score(fakes, labels, training=False)
        d_loss, g_loss, observed = self.play(*outputs, images, fakes, latents)
        return {"discriminator_loss": d_loss, "generator_loss": g_loss, **observed}

    def judge(self, outputs):
        """Returns one score (n,) per image from the discriminator's outputs (n, units): higher = more real."""
        return outputs[:, 0]

    def penalized(self, loss, reals, fakes, labels):
        """Returns `(loss + penalties, {"penalty": ...})`; without penalties `(loss, {})`.

        Args:
            loss: Scalar loss of the discriminator.
            reals, fakes: Images (n, ...) of this step, the fakes without a gradient to the generator.
            labels: Labels (n,) of both, or None.
        """
        if not self.penalties:
            return loss, {}
        weights = self.mixing_weights(ops.shape(reals)[0])
        step = self.optimizer.of("discriminator").iterations

        def score(images):
            return self.judge(self.score(images, labels))

        total = sum(penalty(score, reals, fakes, weights, step) for penalty in self.penalties)
        return loss + total, {"penalty": total}

    def mixing_weights(self, count):
        """Returns weights (count,) from U(0, 1) for points between reals and fakes."""
        return keras.random.uniform((count,), seed=self.latent_seeds)

    def fake(self, latents, labels, training=True):
        """Returns generated float32 images in [-1, 1]."""
        return ops.cast(self.generator(given(latents, labels), training=training), "float32")

    def call(self, inputs, training=False):
        """Returns generated images for latents (or `[latents, labels]`): what `predict` computes."""
        latents, labels = inputs if self.num_classes else (inputs, None)
        return self.fake(latents, labels, training=training)

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        update="alternating",
        **unknown,
    ):
        """See `GenerativeModel.compile`: the paper's optimisers unless `<player>_optimizer` says otherwise.

        Args:
            update: `"alternating"` (default): the generator steps against the discriminator that has just moved.
                `"simultaneous"`: both step from the same weights, with one forward pass of each network on the
                fakes, which is faster; the gradients are exact, and the library chooses the cheapest exact form
                (see `keras_gans.engine.simultaneous`) and logs it. With `critic_steps` > 1 only the last
                discriminator step is simultaneous with the generator's.
        """
        checks.one_of("update", update, UPDATES)
        object.__setattr__(self, "update", update)
        if update == "simultaneous":
            logger.info("%s: simultaneous updates, %s", self.name, simultaneous.form(self))
        super().compile(
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            **unknown,
        )

    def generate(self, n, labels=None, seed=None):
        """Returns n generated images.

        Args:
            n: Number of images, at least 1.
            labels: Integer labels (n,) or one label for all, for a conditional model; default 0, 1, 2, ... in turn.
            seed: Integer that fixes the latents; default: the global seed of Keras.

        Returns:
            uint8 array (n, height, width, channels); float32 (n, d) for a model of points.
        """
        n = checks.positive_integer("n", n)
        return self.decode(self.latents_for(n, seed), self.labels_for(n, labels))

    def latents_for(self, n, seed=None):
        """Returns latents (n, latent_dim) as an array, the same for the same integer seed on every backend."""
        return standard_normal((n, self.latent_dim), seed)

    def labels_for(self, n, labels=None):
        """Returns labels (n,) for a conditional model (one label repeated, or all classes in turn), else None."""
        if self.num_classes == 0 and labels is None:
            return None
        if labels is None:
            labels = np.arange(n) % self.num_classes
        labels = np.asarray(labels)
        return checks.labels(np.full(n, labels) if labels.ndim == 0 else labels, n, self.num_classes)

    def decode(self, latents, labels=None):
        """Returns the images (uint8) of given latents (n, latent_dim)."""
        images = self.compiled_call(
            "decode", lambda latents, labels: self.fake(latents, labels, training=False), latents, labels
        )
        return self.to_pictures(images)

    def get_config(self):
        config = {**super().get_config(), "latent_dim": self.latent_dim, "critic_steps": self.critic_steps}
        if self._given_penalties:
            config["penalties"] = [keras.saving.serialize_keras_object(penalty) for penalty in self._given_penalties]
        if self.augmentation is not None:
            config["augmentation"] = keras.saving.serialize_keras_object(self.augmentation)
        return config
