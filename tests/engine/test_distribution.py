"""One step on two devices is one step on one device: gradients, losses and reports are those of the global batch."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import BACKEND

SCRIPT = """
import contextlib
import sys
import numpy as np
import keras
from keras import ops

out = sys.argv[1]
if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # as in tests/conftest.py
else:
    import jax

import keras_gans as kg


def scope_of(devices):
    if keras.config.backend() == "tensorflow":
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"][:devices])
        return strategy, strategy.scope
    parallel = keras.distribution.DataParallel(devices=jax.devices("cpu")[:2]) if devices == 2 else None
    keras.distribution.set_distribution(parallel)
    return None, contextlib.nullcontext


MODELS = [("o_gan", {}), ("rsgan", {"form": "averaged"})]  # both couple the samples of a batch


def train(devices, batch):
    results = {}
    strategy, scope = scope_of(devices)
    for name, knobs in MODELS:
        keras.utils.set_random_seed(0)
        options = {"network": "mlp", "network_options": {"width": 8, "depth": 1}, **knobs}
        with scope():
            model = kg.create(name, (8, 8, 1), 4, **options)
            model.compile(
                generator_optimizer=keras.optimizers.SGD(0.1), discriminator_optimizer=keras.optimizers.SGD(0.1)
            )
            model.add_average(kg.callbacks.WeightMovingAverage(0.9).average)
        latents = np.random.default_rng(0).normal(size=(batch, 4)).astype("float32")
        noise = ops.convert_to_tensor(latents)

        def sample_latents(count, training=True):
            if keras.config.backend() == "tensorflow":
                context = tf.distribute.get_replica_context()
                first = context.replica_id_in_sync_group * tf.cast((batch + devices - 1) // devices, tf.int32)
                return noise[first : first + count]
            return noise

        drawn = model.sample_latents
        model.sample_latents = sample_latents
        images = np.random.default_rng(1).integers(0, 256, (batch, 8, 8, 1), dtype="uint8")
        logs = model.fit(images, batch_size=batch, shuffle=False, verbose=0).history
        for i, variable in enumerate(model.variables):
            if variable.dtype == "float32":
                results[f"{name}_{i}"] = ops.convert_to_numpy(variable.value)
        results.update({f"{name}_{key}": value for key, value in logs.items()})
    if keras.config.backend() == "tensorflow" and devices == 2:
        a, b = strategy.run(lambda: drawn(3)).values
        assert (a.numpy() != b.numpy()).all(), "replicas draw the same latents"
    return results


# keras.distribution.DataParallel needs batches that divide by the number of devices; on TensorFlow the devices may have
# unequal parts.
batch = 7 if keras.config.backend() == "tensorflow" else 8
for devices in (1, 2):
    np.savez(f"{out}/{devices}.npz", **train(devices, batch))
"""


@pytest.mark.skipif(BACKEND == "torch", reason="keras has no data parallelism on PyTorch")
def test_two_devices_take_the_step_of_one(tmp_path):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment, capture_output=True, text=True, cwd=os.getcwd()
    )
    assert run.returncode == 0, run.stderr[-3000:]
    one, two = (np.load(tmp_path / f"{devices}.npz") for devices in (1, 2))
    assert set(one) == set(two) and len(one) > 20
    for key in one:
        np.testing.assert_allclose(one[key], two[key], rtol=1e-5, atol=1e-6, err_msg=key)
