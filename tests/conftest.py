"""Small models whose steps follow with a pencil, and what every test needs to be quick and repeatable."""

import gc
import getpass
import importlib.util
import mmap
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `import keras_gans` does before TensorFlow is there
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # quick to compile, slow to run: small models
# JAX: compiling is most of the time, and the small models are compiled again and again, in processes of theirs as well.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{tempfile.gettempdir()}/jax-tests-{getpass.getuser()}")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.config.backend()


def jaxlib_knows(flag):
    """Returns whether XLA of this JAX has a flag: an unknown one in XLA_FLAGS would end the process."""
    folder = pathlib.Path(importlib.util.find_spec("jaxlib").origin).parent
    with open(folder / "libjax_common.so", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(f"{flag}\0".encode()) >= 0


if BACKEND == "tensorflow":
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # Optimising a graph costs more than a few steps of it gain. `test_running_eagerly_takes_the_same_steps` has it on.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

    # `predict` and Keras's own models, too, get pipelines without the threads that are slow to end.
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    from keras_gans.engine.tensorflow import untuned

    tuned = ArrayDataAdapter.get_tf_dataset
    ArrayDataAdapter.get_tf_dataset = lambda adapter: untuned(tuned(adapter))
elif BACKEND == "jax":
    # Two ways of compiling that are quicker for small programs: no emitters of fusions (half of the time of a step),
    # one module instead of 32 parts. XLA reads its flags at the first computation, which is not yet.
    for flag, value in {"xla_cpu_use_fusion_emitters": "false", "xla_cpu_parallel_codegen_split_count": "1"}.items():
        if flag not in os.environ["XLA_FLAGS"] and jaxlib_knows(flag):
            os.environ["XLA_FLAGS"] += f" --{flag}={value}"
elif BACKEND == "torch":
    import torch

    torch.set_num_threads(1)

gc.freeze()  # what is imported stays: collecting less often is a quarter of the time of many small graphs
gc.set_threshold(100_000, 20, 100)


def pytest_addoption(parser):
    parser.addoption(
        "--soak", type=int, default=12, metavar="EPOCHS", help="Length of tests/soak; 500 is the long form."
    )


def pytest_collection_modifyitems(config, items):
    """Leaves out what is marked `one_backend` on all backends but one: it cannot come out differently on the others.

    `one_backend("tensorflow")` runs on that one. KERAS_GANS_ONE_BACKEND says which takes the others: PyTorch, which
    compiles nothing and is imported in half of the time, where all three are run; else the one that is.
    """
    kept, left_out = [], []
    for item in items:
        mark = item.get_closest_marker("one_backend")
        if mark is None or item.get_closest_marker("all_backends"):
            kept.append(item)
        else:
            one = mark.args[0] if mark.args else os.environ.get("KERAS_GANS_ONE_BACKEND", BACKEND)
            (kept if one == BACKEND else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.fixture(autouse=True)
def repeatable():
    keras.utils.set_random_seed(1)
    yield
    keras.config.set_dtype_policy("float32")


@keras.saving.register_keras_serializable("tests")
class Shift(keras.layers.Layer):
    """x -> x + theta."""

    def build(self, shape):
        self.theta = self.add_weight(shape=(), initializer="zeros", name="theta")

    def call(self, x):
        return x + self.theta


@keras.saving.register_keras_serializable("tests")
class Slope(keras.layers.Layer):
    """x -> psi x."""

    def build(self, shape):
        self.psi = self.add_weight(shape=(), initializer="zeros", name="psi")

    def call(self, x):
        return self.psi * x


class ShiftGAN:
    """G(z) = z + theta and C(x) = psi x on numbers, trained by SGD on given latents."""

    def __init__(self, variant, theta, psi, latents, rate, **knobs):
        generator = keras.Sequential([keras.Input((1,)), Shift(name="shift")], name="generator")
        discriminator = keras.Sequential([keras.Input((1,)), Slope(name="slope")], name="discriminator")
        self.model = variant(generator, discriminator, latent_dim=1, **knobs)
        generator.layers[-1].theta.assign(theta)
        discriminator.layers[-1].psi.assign(psi)
        draws = [np.asarray(draw, "float32") for draw in latents]
        self.model.sample_latents = lambda count, training=True: ops.convert_to_tensor(draws.pop(0))
        self.model.compile(
            generator_optimizer=keras.optimizers.SGD(rate), discriminator_optimizer=keras.optimizers.SGD(rate)
        )

    def step(self, images):
        """Trains on all images as one batch and returns the new (theta, psi) and the logs."""
        images = np.asarray(images, "float32")
        rows = len(images) // self.model.critic_steps
        history = self.model.fit(images, batch_size=rows, shuffle=False, verbose=0).history
        values = self.model.generator.weights[0], self.model.discriminator.weights[0]
        return tuple(float(value) for value in values), {name: value[-1] for name, value in history.items()}


@pytest.fixture
def shift_gan():
    return ShiftGAN


def sigmoid(t):
    return 1.0 / (1.0 + np.exp(-t))
