"""The small models and data on which every law is tested, for every variant of the registry."""

import keras
import numpy as np

import keras_gans as kg

SHAPE, LATENT_DIM, CLASSES = (8, 8, 1), 4, 3
KNOBS = {
    "wgan": {"clip": 2.0},  # wide enough to leave the small networks alone
    "ign": {"noise": "gaussian"},  # the spectrum of the data needs arrays, or `adapt` before a dataset
}

TWO_PLAYERS = [name for name in kg.list_models() if issubclass(kg.registry.get(name), kg.engine.AdversarialModel)]
CONDITIONAL = [name for name in kg.list_models() if kg.registry.get(name).conditional]


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
