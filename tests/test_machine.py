"""What the machine computes fast decides, not the recipe: oneDNN before TensorFlow, bfloat16 where it is native."""

import logging
import os
import subprocess
import sys

import keras
import pytest

from keras_gans import machine
from tests.conftest import BACKEND

CPU, TPU = ("cpu", None), ("tpu", None)


@pytest.fixture
def processor(monkeypatch):
    """Returns a function that sets the processor's name and flags; what was said is forgotten."""
    monkeypatch.setattr(machine, "_said", set())

    def choose(flags=(), name="x86_64"):
        monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset(flags))
        monkeypatch.setattr(machine.platform, "machine", lambda: name)

    choose()
    return choose


@pytest.mark.parametrize(
    ("name", "imported", "before", "after"),
    [
        ("x86_64", False, None, "1"),
        ("AMD64", False, None, "1"),
        ("x86_64", False, "0", "0"),  # what the user set stays
        ("x86_64", True, None, None),  # too late: nothing is set that would not act
        ("aarch64", False, None, None),
        ("arm64", False, None, None),
    ],
)
def test_onednn_is_turned_on_where_it_helps_and_can_act(processor, monkeypatch, name, imported, before, after):
    processor(name=name)
    modules = {key: value for key, value in sys.modules.items() if key != "tensorflow"}
    monkeypatch.setattr(machine.sys, "modules", {**modules, "tensorflow": None} if imported else modules)
    monkeypatch.delenv(machine.ONEDNN, raising=False)
    if before is not None:
        monkeypatch.setenv(machine.ONEDNN, before)
    machine.prepare()
    assert os.environ.get(machine.ONEDNN) == after


@pytest.mark.parametrize(
    ("onednn", "asked", "name", "words"),
    [
        (False, None, "x86_64", "imported before keras_gans, with its oneDNN kernels off: training takes 2 to 5 times"),
        (False, "1", "x86_64", "TF_ENABLE_ONEDNN_OPTS=1 was set after TensorFlow had been imported, too late to act"),
        (False, "0", "x86_64", None),
        (True, None, "x86_64", None),
        (False, None, "aarch64", None),
    ],
)
def test_what_slows_tensorflow_is_said_once_in_one_line(processor, monkeypatch, caplog, onednn, asked, name, words):
    processor(name=name)
    monkeypatch.delenv(machine.ONEDNN, raising=False)
    if asked is not None:
        monkeypatch.setenv(machine.ONEDNN, asked)
    for _ in range(2):
        machine.tell_if_slow(onednn)
    assert len(caplog.messages) == (words is not None)
    if words:
        assert words in caplog.messages[0] and "\n" not in caplog.messages[0]
        assert "Import keras_gans first, or set TF_ENABLE_ONEDNN_OPTS=1" in caplog.messages[0]


WITHOUT = f"os.environ['{machine.ONEDNN}'] = '0'; import tensorflow; del os.environ['{machine.ONEDNN}']"


@pytest.mark.skipif(BACKEND != "tensorflow", reason="oneDNN is TensorFlow's")
@pytest.mark.parametrize(("before", "is_on"), [("", True), (WITHOUT, False)])
def test_the_first_import_of_tensorflow_decides(before, is_on):
    script = f"""
import os
{before}
import keras_gans.engine
from tensorflow.python.util import _pywrap_util_port
print(_pywrap_util_port.IsMklEnabled())
"""
    environment = {key: value for key, value in os.environ.items() if key != machine.ONEDNN}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str(is_on), done.stderr
    assert ("with its oneDNN kernels off" in done.stderr) == (not is_on)


@pytest.mark.parametrize(
    ("backend", "accelerator", "flags", "policy"),
    [
        ("tensorflow", CPU, {"avx2"}, "float32"),
        ("tensorflow", CPU, {"avx512f", "avx512_vnni"}, "float32"),  # AVX-512 alone has no bfloat16
        ("tensorflow", CPU, {"avx512_bf16"}, "mixed_bfloat16"),
        ("tensorflow", CPU, {"amx_bf16", "amx_tile"}, "mixed_bfloat16"),
        ("torch", CPU, {"amx_bf16"}, "mixed_bfloat16"),
        ("jax", CPU, {"amx_bf16"}, "float32"),
        ("torch", CPU, (), "float32"),
        ("torch", ("gpu", (9, 0)), (), "mixed_bfloat16"),
        ("tensorflow", ("gpu", (8, 0)), (), "mixed_bfloat16"),
        ("jax", ("gpu", (7, 5)), {"amx_bf16"}, "float32"),
        ("tensorflow", ("gpu", None), (), "float32"),
        ("jax", TPU, (), "mixed_bfloat16"),
    ],
)
def test_auto_takes_bfloat16_only_where_it_is_native(processor, backend, accelerator, flags, policy):
    processor(flags)
    assert machine.precision("auto", backend, accelerator) == policy
    for asked in machine.PRECISIONS[1:]:
        assert machine.precision(asked, backend, accelerator) == asked


def test_emulated_bfloat16_is_done_with_one_warning_that_gives_the_factor(processor, caplog):
    import keras_gans as kg
    from tests.laws import small

    keras.config.set_dtype_policy("mixed_bfloat16")
    for _ in range(2):
        small.build("gan", compile=False).compile()
    said = [message for message in caplog.messages if "bfloat16" in message]
    native = machine.is_bfloat16_native(BACKEND, kg.engine.backend.module.accelerator())
    assert len(said) == (not native) and all("5 to 14 times slower" in message for message in said)


def test_a_run_keeps_the_precision_it_began_with(processor, monkeypatch, tmp_path):
    from keras_gans.engine import kernels
    from keras_gans.recipes import Recipe
    from keras_gans.runs import loading, training

    recipe = Recipe("gan", data="digits", limit=32, image_size=8, network="mlp", epochs=1)
    recipe = recipe.replaced(network_options={"width": 8}, latent_dim=4, batch_size=16)
    assert recipe.precision == "auto"
    monkeypatch.setattr(kernels.backend, "accelerator", lambda: TPU)  # a machine with native bfloat16
    run = training.train(recipe, tmp_path / "run", samples=0).run
    assert run.recipe().precision == "mixed_bfloat16"
    monkeypatch.setattr(kernels.backend, "accelerator", lambda: CPU)  # and one without
    processor()
    resumed = training.train(recipe.replaced(epochs=2), run.folder, samples=0)
    assert resumed.model.dtype_policy.name == run.recipe().precision == "mixed_bfloat16" and len(run.rows()) == 2
    assert loading.rebuild(run).dtype_policy.name == "mixed_bfloat16"
    with pytest.raises(ValueError, match="precision is 'mixed_bfloat16' there and 'float32' here"):
        training.train(recipe.replaced(precision="float32"), run.folder, samples=0)
    started_over = training.train(recipe, run.folder, restart=True, samples=0)
    assert started_over.model.dtype_policy.name == "float32"


def test_weights_tell_the_precision_in_which_they_were_trained(tmp_path, caplog):
    from tests.laws import small

    model = small.build("gan")
    model.save_weights(tmp_path / "state.weights.h5")
    keras.config.set_dtype_policy("mixed_float16")
    other = small.build("gan", compile=False)
    other.load_weights(tmp_path / "state.weights.h5")
    assert caplog.records[-1].levelno == logging.WARNING
    assert caplog.messages[-1] == "The weights were trained in float32; the model has mixed_float16."
