"""The small models and data on which every law is tested, for every variant of the registry."""

import contextlib
import dataclasses

import keras
import numpy as np

import keras_gans as kg

SHAPE, LATENT_DIM, CLASSES = (8, 8, 1), 4, 3
KNOBS = {
    "cascading_rejection_gan": {"levels": 2},  # two tell what four do, in half of the graph
    "wgan": {"clip": 2.0},  # wide enough to leave the small networks alone
    "energy_based_model": {"sampling_steps": 2, "generation_steps": 2, "buffer_size": 16},
    "glann": {"encode_steps": 3},  # of the codes of validation images
    "ign": {"noise": "gaussian"},  # the spectrum of the data needs arrays, or `adapt` before a dataset
    "invertible_resnet": {"data_initialization": False},  # which needs arrays, or `initialize` before a dataset
}

FIRST = {"glann": ("generator", "codes")}  # the players that move in the first epoch: all of the other variants
EPOCHS = {"glann": 2}  # after which every player has moved: 1 for the others
ARRAYS_ONLY = ("glann",)  # a code belongs to an image, and a dataset does not tell which is which

# Tracing a step on TensorFlow takes as long as a hundred eager ones: for tests of a few steps of many models, which do
# not ask about compiling (`test_running_eagerly_takes_the_same_steps` and the laws do).
EAGER = keras.config.backend() == "tensorflow"
COMPILED = ("gan", "r3gan", "o_gan", "ign")  # compiled all the same: what is special about a graph shows in these

# What a law asks of the base class, it asks of every variant on PyTorch, which compiles nothing and is the quickest; on
# the other backends of those that differ most. What a variant's own step could get wrong is asked of all, but on JAX,
# which compiles longest, of these and of those with a state of their own: its steps are those of the other backends for
# every variant (tests/backends).
TYPICAL = kg.list_models() if keras.config.backend() == "torch" else COMPILED
STATEFUL = ("cascading_rejection_gan", "energy_based_model", "glann", "invertible_resnet")
VARIANTS = [name for name in kg.list_models() if keras.config.backend() != "jax" or name in (*COMPILED, *STATEFUL)]

FLOAT32 = ("invertible_resnet",)  # computes in float32 under every policy, or its inverse would not exist

TWO_PLAYERS = [name for name in kg.list_models() if issubclass(kg.registry.get(name), kg.engine.AdversarialModel)]
CONDITIONAL = [name for name in kg.list_models() if kg.registry.get(name).conditional]


def typical(names):
    """Returns the names on which a law of the base class is tested on this backend."""
    return [name for name in names if name in TYPICAL]


def eagerly(name):
    """Returns whether a test that asks something else runs this variant eagerly."""
    return EAGER and name not in COMPILED


def build(name, seed=1, compile=True, **knobs):
    """Returns a small variant with dropout-free networks; the same seed gives the same weights."""
    keras.utils.set_random_seed(seed)
    knobs = {**KNOBS.get(name, {}), **knobs}
    if name in TWO_PLAYERS:
        knobs.setdefault("critic_steps", 1)
    options = {"width": 8, "depth": 1}
    model = kg.create(name, SHAPE, latent_dim=LATENT_DIM, network="mlp", network_options=options, **knobs)
    if compile:
        model.compile()
    return model


@dataclasses.dataclass
class Kept:
    """A model that tests share, what it was made of, and its state at first, by seed."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    own: set  # what `own_methods` gives
    averages: int
    states: dict


KEPT: dict[tuple, Kept] = {}


def shared(name, seed=1, copy=0, decay=None, **knobs):
    """Returns what `build(name, seed, **knobs)` gives, made and compiled once per process for all tests.

    Tracing the train step is most of the time of a small test. The model of an earlier test comes back with its state
    at first (weights, optimisers, seeds, counters, means, averages, the place in the epoch) and with its traced step.
    Its tests must not compile it again, give it averages or replace its methods: they `build` one of their own.

    Args:
        copy: Another number is another model: for a test that needs two at a time, or one that knows nothing of
            what the first went through.
        decay: That of a weight average which the model carries; the callback of an equal one finds it.
    """
    key = (name, copy, decay, repr(sorted(knobs.items())), keras.config.dtype_policy().name)
    if key not in KEPT:
        model = averaged(build(name, seed, **knobs), decay)
        KEPT[key] = Kept(model, model.optimizer, own_methods(model), len(model.averages), {seed: state(model)})
    kept = KEPT[key]
    replaced = own_methods(kept.model) ^ kept.own
    spoilt = f"replaced {replaced} of" if replaced else None
    spoilt = "compiled" if kept.model.optimizer is not kept.optimizer else spoilt
    spoilt = "given an average to" if len(kept.model.averages) != kept.averages else spoilt
    if spoilt:
        del KEPT[key]
        raise AssertionError(f"A test before this one has {spoilt} a shared {name}: it must `build` one of its own.")
    if seed not in kept.states:
        kept.states[seed] = state(averaged(build(name, seed, **knobs), decay))
    put_back(kept.model, kept.states[seed])
    keras.utils.set_random_seed(seed)
    return kept.model


def averaged(model, decay):
    if decay is not None:
        model.add_average(kg.engine.WeightAverage(decay))
    return model


def own_methods(model):
    """Returns the names of the methods that a model has as attributes of its own; training sets `train_step`."""
    return {name for name in vars(model) if callable(getattr(type(model), name, None))} - {"train_step"}


def state_variables(model):
    return [*model.variables, *model.metrics_variables, *model.optimizer.variables]


def state(model):
    """Returns what `put_back` needs to make a model what it is now."""
    return [keras.ops.convert_to_numpy(variable.value).copy() for variable in state_variables(model)]


def put_back(model, values):
    if len(values) != len(state_variables(model)):  # it has learned something of every image since
        model.forget()
    for variable, value in zip(state_variables(model), values, strict=True):
        variable.assign(value)
    model.steps_into_epoch, model.resume_at, model.stop_training = 0, 0, False
    model._initial_epoch = None  # where callbacks told an earlier `fit` to go on
    model._eval_epoch_iterator = None  # of a `fit` that an exception ended


def shown(model, images):
    """Returns a model that has seen the images, which one with state for each needs, so that all of it is there."""
    if hasattr(model, "bind"):
        model.bind(images)
    return model


def spoil(model):
    """Trains a model, breaks off in the middle of an epoch, and changes what no training changes."""
    images, _ = data()
    model.fit(images, batch_size=4, epochs=2, validation_data=(images,), verbose=0)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        model.fit(images, batch_size=4, validation_data=(images,), callbacks=[Stop()], verbose=0)
    model.optimizer.learning_rate = 7.0
    model.resume_at = model._initial_epoch = 3


def data(count=10, seed=0):
    """Returns uint8 images (count, 8, 8, 1) and labels (count,)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *SHAPE), dtype="uint8"), rng.integers(0, CLASSES, count)


def everything(model):
    """Returns all state of a model as a list of arrays: weights, seeds, counters, averages, optimisers."""
    return [keras.ops.convert_to_numpy(v.value).copy() for v in (*model.variables, *model.optimizer.variables)]


def weights(model):
    """Returns the trainable weights of a model as a list of arrays."""
    return [keras.ops.convert_to_numpy(v.value).copy() for v in model.trainable_variables]


def assert_same(first, second, rtol=0.0, atol=0.0):
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def moved(before, after):
    """Returns whether each array changed."""
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
