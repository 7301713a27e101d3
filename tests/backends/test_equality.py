"""One and ten steps from the same weights, latents and images are the same on every backend.

Each backend writes its results into the folder `KERAS_GANS_EQUALITY` and compares with those it finds
there; `scripts/test.sh --all-backends` runs the three one after the other with one folder.
"""

import os
import pathlib

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from tests.conftest import BACKEND

SHAPE, LATENT_DIM, BATCH = (8, 8, 1), 4, 6
KNOBS = {
    "ign": {"noise": "gaussian"},
    **{name: {"critic_steps": 1} for name in ("energy_gan", "wgan", "wgan_gp", "gan_qp")},
}
KNOBS["cascading_rejection_gan"] = {"levels": 2}
KNOBS["energy_based_model"] = {"sampling_steps": 2, "buffer_size": 20, "step_size": 1.0}
OPTIONS = {"invertible_resnet": {"depth": 1, "scales": 1}}  # of its network, which would have 12 blocks
KNOBS["invertible_resnet"] = {"data_initialization": False}
TOLERANCES = {1: 1e-5, 10: 1e-4}  # by the number of steps taken


class Record(keras.callbacks.Callback):
    """Keeps `{steps: weights and logs}` after the wanted numbers of steps."""

    def __init__(self, steps):
        super().__init__()
        self.results = dict.fromkeys(steps)

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 in self.results:
            if BACKEND == "jax":
                self.model.jax_state_sync()
            weights = [variable for variable in self.model.variables if keras.backend.is_float_dtype(variable.dtype)]
            weights = [ops.convert_to_numpy(variable.value).copy() for variable in weights]
            self.results[batch + 1] = [*weights, *(np.array([float(value)]) for value in logs.values())]


def train(name, wanted):
    """Returns the weights and the logs after the `wanted` numbers of steps; everything random comes from NumPy."""
    steps = max(TOLERANCES)
    keras.utils.set_random_seed(3)  # the codes of GLANN come from it, by NumPy
    options = {"width": 4, **OPTIONS.get(name, {})}
    model = kg.create(name, SHAPE, LATENT_DIM, network="dcgan", network_options=options, **KNOBS.get(name, {}))
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        scale = 1.0 if len(variable.shape) == 1 else 1.0 / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(scale * rng.normal(size=variable.shape))
    for variable in model.non_trainable_variables:
        if keras.backend.is_float_dtype(variable.dtype) and "moving" not in variable.path:
            vector = rng.normal(size=variable.shape)
            variable.assign(vector / np.linalg.norm(vector))
    draws = rng.normal(size=(2 * steps, BATCH, *model.latents_for(1).shape[1:])).astype("float32")
    queue = iter(draws)
    model.sample_latents = lambda count, training=True: ops.convert_to_tensor(next(queue))
    mixing = ops.convert_to_tensor(rng.random(BATCH).astype("float32"))
    model.mixing_weights = lambda count: mixing
    model.draw_normal = lambda shape, training=True: ops.convert_to_tensor(rng.normal(size=shape).astype("float32"))
    model.draw_uniform = lambda shape: ops.convert_to_tensor(rng.random(shape).astype("float32"))
    optimizers = [keras.optimizers.SGD(0.01, momentum=0.5) for _ in model.players]
    model.compile(**dict(zip(map(model.optimizer_argument, model.players), optimizers, strict=True)), run_eagerly=True)
    images = rng.integers(0, 256, (steps * BATCH, *SHAPE), dtype="uint8")
    record = Record(wanted)
    fitted = {"batch_size": BATCH, "shuffle": False, "steps_per_epoch": max(wanted)}
    model.fit(images, callbacks=[record], verbose=0, **fitted)
    return record.results


@pytest.mark.parametrize("name", kg.list_models())
def test_steps_are_the_same_on_every_backend(name, tmp_path):
    found = train(name, TOLERANCES)
    for first, second in zip(found[1], train(name, [1])[1], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-7)
    folder = pathlib.Path(os.environ.get("KERAS_GANS_EQUALITY", tmp_path))
    for steps, tolerance in TOLERANCES.items():
        results = found[steps]
        np.savez(folder / f"{name}-{steps}-{BACKEND}.npz", *results)
        for other in folder.glob(f"{name}-{steps}-*.npz"):
            theirs = np.load(other)
            assert len(theirs.files) == len(results)
            for i, value in enumerate(results):
                np.testing.assert_allclose(
                    value, theirs[f"arr_{i}"], rtol=tolerance, atol=tolerance, err_msg=f"{other} {i}"
                )
