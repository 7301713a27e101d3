"""The base class of the zoo: a whole Keras model with one or several players, one train step, three backends.

What it does stands in the file of each duty: `fitting` (data), `inference` (pictures), `saving` (files), `attaching`
(averages). Here is what a variant fills in: networks, players, the batch, the logs, the optimisers.
"""

import random
import threading

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import kernels
from keras_gans.engine.attaching import Carrying
from keras_gans.engine.averaging import WeightAverage
from keras_gans.engine.backend import module as backend
from keras_gans.engine.batch_check import unpacked
from keras_gans.engine.fitting import Fitting
from keras_gans.engine.inference import Inference
from keras_gans.engine.optimizers import PlayerOptimizers, player_optimizer
from keras_gans.engine.private_keras import BuiltByConstructor, forget_loss_tracker, plain_setattr
from keras_gans.engine.saving import Saving

NICKNAMES = {"d": "discriminator", "dis": "discriminator", "disc": "discriminator", "critic": "discriminator"}
NICKNAMES |= {"g": "generator", "gen": "generator"}


class ReplicaSeeds(keras.random.SeedGenerator):
    """A SeedGenerator whose draws differ between the replicas of `tf.distribute`."""

    def next(self, ordered=True):
        return backend.replica_seed(super().next(ordered))


class GenerativeModel(Fitting, Inference, Saving, Carrying, BuiltByConstructor, backend.BackendTrainer, keras.Model):
    """What every variant is: networks, some of them players with an optimiser each, and state that is saved whole.

    A variant names its `networks` (attributes that hold a `keras.Model`), its `players` (those with an
    optimiser, in the order in which they move) and its `logs` (the values `report` receives). It writes
    `train_step(data)`, `observed_losses(...)` and `fake(...)` with `keras.ops` and the functions of
    `keras_gans.engine`, and says by `blueprint` which networks suit it.

    Args:
        num_classes: Integer. 0 for an unconditional model; else the networks take labels beside their input.
        averages: List of `WeightAverage` or their configs; usually filled by a callback.
        class_names: The names of the classes, different from one another, as many as `num_classes`, so that
            `generate(labels="Dress")` works; or None.
        name: Name of the model.
    """

    networks: tuple[str, ...] = ()
    players: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    training_logs: tuple[str, ...] = ()  # those of them that `evaluate` does not have
    steps_compare = True  # whether its train steps can be compared with those of a game
    averaged: tuple[str, ...] = ()  # networks that a weight moving average takes: by default the first
    updates: tuple[str, ...] = ("alternating",)  # how the players may move, the first by default
    update = "alternating"  # how they do since `compile`
    conditional = True  # whether the variant has a form with labels
    minimum_latent_dim = 1

    def __init__(self, num_classes=0, averages=(), class_names=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = checks.positive_integer("num_classes", num_classes, minimum=0)
        plain_setattr(self, "class_names", checks.class_names(class_names, self.num_classes))
        if self.num_classes and not self.conditional:
            raise ValueError(
                f"`num_classes` must be 0: {type(self).__name__} has no conditional form. "
                f"{checks.received(num_classes=num_classes)}"
            )
        self.latent_seeds = ReplicaSeeds(name="latent_seeds")
        self.evaluation_seeds = ReplicaSeeds(name="evaluation_seeds")  # validation leaves training as it is
        self.data_seed = self._counter("data_seed", random.randint(1, 2**31 - 1))
        self.epochs_done = self._counter("epochs_done", 0)
        self.means = [keras.metrics.Mean(name=name) for name in (*self.all_logs(), "loss")]
        self.averages = []
        self._pending_averages = list(averages)
        # Steps of the current epoch that are done, saved in every file; and those of the file that was loaded.
        self.steps_into_epoch, self.resume_at = 0, 0
        plain_setattr(self, "_compiled_functions", {})
        plain_setattr(self, "_compiling", threading.RLock())

    def all_logs(self):
        """Returns the names of the values that `report` receives."""
        return self.logs

    def _counter(self, name, value):
        """Returns a new int32 variable of the model's state."""
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
        """Called by the constructors of variants once the networks are there."""
        self.built = True
        for average in self._pending_averages:
            self.add_average(average if isinstance(average, WeightAverage) else WeightAverage(**average))
        self._pending_averages = []

    # One step ---------------------------------------------------------------------------------------------

    def batch(self, data):
        """Returns `(images, labels)` of one batch: float32 images in [-1, 1], integer labels or None.

        This is the one place where uint8 images become floats.
        """
        images, labels = unpacked(data, self.num_classes > 0)
        images = ops.convert_to_tensor(images)  # an eager step may get NumPy's
        labels = None if labels is None else ops.reshape(labels, (-1,))  # some datasets yield them as (n, 1)
        images = backend.with_shape(images, (None, *self.image_shape))
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(
                f"`images` must have shape {checks.batch_of(self.image_shape)}, as the networks of the model do. "
                f"Received: images.shape={tuple(images.shape)}."
            )
        if (labels is None) != (self.num_classes == 0):
            checks.labels(labels, None, self.num_classes)
        dtype = keras.backend.standardize_dtype(images.dtype)
        images = ops.cast(images, "float32")
        return (images / 127.5 - 1.0 if dtype == "uint8" else images), labels

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

    def observed_losses(self, images, labels, latents):
        """Returns `{log: value}` of one batch at inference: what `evaluate` reports and `Inspect` looks into.

        Args:
            images: float32 images (n, h, w, c) in [-1, 1].
            labels: Integer labels (n,), or None.
            latents: The noise of as many fakes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define observed_losses().")

    def test_step(self, data):
        with backend.after(data):
            images, labels = self.batch(data)
            latents = self.sample_latents(ops.shape(images)[0], training=False)
            return self.report(**self.observed_losses(images, labels, latents))

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            step = self._step()

            def train_step(data):
                with backend.after(data):
                    logs = step(self, data)
                    for average in self.averages:
                        first = average.networks[0]
                        average.update(self.optimizer.of(first) if first in self.players else None)
                return logs

            plain_setattr(self, "train_step", train_step)
            super().make_train_function(force=True)

    def _step(self):
        """Returns the function of (model, data) that takes one train step."""
        return type(self).train_step

    # Optimisers -------------------------------------------------------------------------------------------

    def default_optimizers(self):
        """Returns `{player: optimizer}`, the optimisers of the paper or of its published code."""
        raise NotImplementedError(f"{type(self).__name__} must define default_optimizers().")

    def optimizer_argument(self, player):
        """Returns the argument of `compile` for a player's optimiser."""
        return f"{player}_optimizer" if len(self.players) > 1 else "optimizer"

    def compile(
        self,
        *positional,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        update="alternating",
        **optimizers,
    ):
        """Configures training. Without arguments: the paper's optimisers, graph mode on CPU, XLA on GPU and TPU.

        Args:
            run_eagerly: Whether to run the step op by op (for debugging).
            steps_per_execution: Steps per compiled call; 1 on PyTorch.
            jit_compile: Whether to use XLA; `"auto"` means never on a CPU with TensorFlow (where it is slower).
            update: `"alternating"` (default): each player steps against the others as they have just moved.
                `"simultaneous"`, for a generator and a discriminator: both step from the same weights, with one
                forward pass of each network on the fakes, which is faster; the gradients are exact, and the library
                chooses the cheapest exact form (see `keras_gans.engine.simultaneous`) and logs it. With
                `critic_steps` > 1 only the last discriminator step is simultaneous with the generator's.
            **optimizers: `generator_optimizer=` and `discriminator_optimizer=`, or `optimizer=` for a model of one
                network: a Keras optimizer, its name or its config.

        Raises:
            TypeError: If an argument does not exist or has no name.
            ValueError: If an optimizer has `use_ema=True`, is shared, or belongs to other variables.
        """
        arguments = {self.optimizer_argument(player): player for player in self.players}
        if positional:
            raise TypeError(
                f"{type(self).__name__}.compile takes its arguments by name: {', '.join(f'{a}=...' for a in arguments)}"
                f". Received: {len(positional)} without a name, the first a {type(positional[0]).__name__}."
            )
        self._refuse_unknown(arguments, [name for name in optimizers if name not in arguments])
        checks.one_of("update", update, self.updates)
        checks.one_of("jit_compile", jit_compile, ("auto", True, False))
        checks.one_of("run_eagerly", run_eagerly, (True, False))
        if steps_per_execution != "auto":
            checks.positive_integer("steps_per_execution", steps_per_execution)
        chosen = {player: optimizers.get(argument) for argument, player in arguments.items()}
        if any(optimizer is None for optimizer in chosen.values()):
            defaults = self.default_optimizers()
            chosen = {player: defaults[player] if o is None else o for player, o in chosen.items()}
        built = {
            player: player_optimizer(self.optimizer_argument(player), optimizer, getattr(self, player))
            for player, optimizer in chosen.items()
        }
        settings = {"run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile}
        super().compile(optimizer=PlayerOptimizers(built), auto_scale_loss=False, **settings)  # each scales its own
        kernels.warn_if_emulated(self.dtype_policy.name)
        forget_loss_tracker(self)
        plain_setattr(self, "update", update)
        plain_setattr(self, "_compile_arguments", {**settings, "update": update})
        self._compiled()

    def _compiled(self):
        """Called at the end of `compile`; nothing by default."""

    def _refuse_unknown(self, arguments, unknown):
        if not unknown:
            return
        known = [*arguments, "run_eagerly", "steps_per_execution", "jit_compile", "update"]
        first, advice, meant = unknown[0], "", None
        if first.startswith("loss"):
            advice = "Losses are arguments of the constructor. "
        elif first == "optimizer":
            advice, meant = "Each player has an optimizer of its own. ", ""
        elif (player := NICKNAMES.get(first.removesuffix("_optimizer").removesuffix("_opt"))) in self.players:
            meant = self.optimizer_argument(player)
        checks.no_unknown(f"{type(self).__name__}.compile", unknown, known, advice, meant)
