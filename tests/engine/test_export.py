"""Exported files: what they compute in a process without keras_gans, what they tell, and what is refused."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import keras_gans as kg
from keras_gans.engine.export import elsewhere, exporting, formats, program

BACKEND = keras.config.backend()
OWN = {"tensorflow": ["tf_saved_model", "litert"], "torch": ["torch"], "jax": []}[BACKEND]
ONNX = BACKEND == "tensorflow" and all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "tf2onnx")))
FILES = [*OWN, *(["onnx"] if ONNX else [])]
HERE = pytest.mark.all_backends if FILES else pytest.mark.one_backend  # JAX makes no file that is a program
ENDINGS = {name: each.ending for name, each in formats.FORMATS.items()}

# What stands in docs/export.md, in a process in which keras and keras_gans cannot be imported.
CLEAN = """
import json, os, sys
sys.modules["keras"] = sys.modules["keras_gans"] = None
import numpy as np
examples, results, known = dict(np.load("examples.npz")), {}, {}
for name in sorted(os.listdir("files")):
    path, part = os.path.join("files", name), name.split(".")[0]
    inputs = {"seeds": ["seeds", "labels"], "encoder": ["images", "labels"]}.get(part, ["latents", "labels"])
    inputs, output = {each: examples[each] for each in inputs}, "encodings" if part == "encoder" else "images"
    if name.endswith(".onnx"):
        import onnxruntime
        session = onnxruntime.InferenceSession(path)
        results[name] = session.run([output], inputs)[0]
        known[name] = session.get_modelmeta().custom_metadata_map
    elif name.endswith(".tflite"):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            from tensorflow.lite.python.interpreter import Interpreter
        run = Interpreter(path).get_signature_runner()
        results[name] = run(**inputs)[output]
        text = open(path, "rb").read()
        known[name] = json.loads(text[text.index(b'{"name"') : text.index(b"}", text.index(b'"num_classes"')) + 1])
    elif name.endswith(".pt2"):
        import torch
        extra = {"keras_gans.json": ""}
        run = torch.export.load(path, extra_files=extra).module()
        results[name] = run(*map(torch.tensor, inputs.values())).numpy()
        known[name] = json.loads(extra["keras_gans.json"])
    else:
        import tensorflow as tf
        run = tf.saved_model.load(path).signatures["serving_default"]
        results[name] = run(**{name: tf.constant(rows) for name, rows in inputs.items()})[output].numpy()
        known[name] = json.load(open(os.path.join(path, "assets.extra", "keras_gans.json")))
np.savez("results.npz", **results)
json.dump(known, open("known.json", "w"))
"""


def small(variant="o_gan", network="dcgan", num_classes=3, shape=(8, 8, 1), **options):
    model = kg.create(variant, shape, latent_dim=4, network=network, num_classes=num_classes, network_options=options)
    for each in model.networks:
        for place, variable in enumerate(getattr(model, each).trainable_variables):
            rng, inputs = np.random.default_rng(place), max(np.prod(variable.shape[:-1]), 1)
            bias = len(variable.shape) == 1  # pictures have contrast
            variable.assign(rng.normal(0, 0.2 if bias else 1.5 / inputs**0.5, variable.shape) + bias)
    return model


@pytest.fixture(scope="module")
def in_a_clean_process(tmp_path_factory):
    """Returns `(model, examples, results, known)`: what the files of this backend compute and tell by themselves."""
    folder = tmp_path_factory.mktemp("clean")
    model, how = small(width=4), {"licence": "CC0-1.0", "name": "little"}
    os.makedirs(folder / "files")
    for name in FILES:
        model.export_generator(folder / "files" / f"generator{ENDINGS[name]}", format=name, **how)
        model.export_encoder(folder / "files" / f"encoder{ENDINGS[name]}", format=name, **how)
        if name in ("tf_saved_model", "litert"):
            model.export_generator(folder / "files" / f"seeds{ENDINGS[name]}", format=name, inputs="seeds", **how)
    latents, labels, seeds = model.latents_for(5, 7), model.labels_for(5, [2, 0, 1, 1, 2]), [0, 1, 2, 77, 2**31 - 2]
    examples = {"latents": latents, "labels": labels, "seeds": np.array(seeds, "int32")}
    examples["images"] = model.generate(5, labels=labels, seed=3)
    np.savez(folder / "examples.npz", **examples)
    path = [each for each in sys.path if each and not os.path.isdir(os.path.join(each, "keras_gans"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run([sys.executable, "-c", CLEAN], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return model, examples, dict(np.load(folder / "results.npz")), json.loads((folder / "known.json").read_text())


def grey_levels(first, second):
    assert first.dtype == second.dtype == np.uint8 and first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max())


@HERE
@pytest.mark.parametrize("name", FILES)
def test_a_file_computes_what_the_model_does(in_a_clean_process, name):
    model, examples, results, _ = in_a_clean_process
    images = model.decode(examples["latents"], examples["labels"])
    assert images.std() > 20
    made = results[f"generator{ENDINGS[name]}"]
    assert grey_levels(made, images) <= 1 and np.mean(made != images) < 0.01
    encodings = model.encode(examples["images"], examples["labels"])
    np.testing.assert_allclose(results[f"encoder{ENDINGS[name]}"], encodings, atol=1e-3)
    assert grey_levels(images, model.decode(examples["latents"], [0, 1, 2, 0, 1])) > 1


@HERE
@pytest.mark.parametrize("name", FILES)
def test_a_file_tells_the_model_and_its_licence(in_a_clean_process, name):
    *_, known = in_a_clean_process
    for part in ("generator", "encoder"):
        facts = known[f"{part}{ENDINGS[name]}"]
        told = [facts[key] for key in ("name", "model", "part", "licence", "precision", "weights")]
        assert told == ["little", "OGAN", part, "CC0-1.0", "float32", "last weights"]


def normal_by_hand(seed, count):
    """Returns the normal numbers of a seed, with the integers of Python."""

    def permuted(key, x):
        for constant in program.ROUNDS:
            x = pow(x + key + constant, 5, program.PRIME)
        return x

    key, half = permuted(0, seed), -(-count // 2)
    uniform = (np.array([permuted(key, place) for place in range(2 * half)]) + 0.5) / program.PRIME
    lengths, angles = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
    return np.concatenate([lengths * np.cos(angles), lengths * np.sin(angles)])[:count]


@pytest.mark.one_backend("tensorflow")
def test_seeds_draw_latents_by_the_law_that_is_written_down(in_a_clean_process):
    model, examples, results, _ = in_a_clean_process
    latents = np.array([normal_by_hand(int(seed), 4) for seed in examples["seeds"]])
    images = model.decode(latents, examples["labels"])
    for name in ("seeds", "seeds.tflite"):
        assert grey_levels(results[name], images) <= 1


@pytest.mark.one_backend("tensorflow")
def test_numbers_of_seeds_are_normal_and_independent():
    model = small(variant="gan", network="mlp", num_classes=0, width=4)
    model.normal_shape = lambda count: (2, count, 32)  # as an IGN has it: rows are the second axis
    model.latents_of = lambda normal: normal
    numbers = np.moveaxis(ops.convert_to_numpy(program.latents_of_seeds(model, np.arange(1000, dtype="int32"))), 1, 0)
    numbers = numbers.reshape(1000, 64)
    assert len(np.unique(numbers)) > 63_900
    assert abs(numbers.mean()) < 0.016 and abs(numbers.std() - 1) < 0.012  # four standard errors
    assert abs((numbers**4).mean() - 3) < 0.16
    correlations = np.corrcoef(np.concatenate([numbers, np.roll(numbers, 1, axis=0)], axis=1).T)
    assert np.abs(correlations - np.eye(128)).max() < 0.16


def numpy_generator(path, latents):
    """Returns the images of a generator of one hidden layer, of its file and NumPy alone."""
    with np.load(path) as file:
        arrays = {name: file[name].astype("float64") for name in file.files if name not in ("metadata", "architecture")}
        assert "Dense" in str(file["architecture"])
    scaled = {name: array * arrays.get(f"{name}:scale", 1.0) for name, array in arrays.items()}
    (w1, b1, w2, b2) = (array for name, array in scaled.items() if not name.endswith(":scale"))
    hidden = latents @ w1 + b1
    images = np.tanh(np.where(hidden > 0, hidden, 0.2 * hidden) @ w2 + b2)
    return np.rint((images + 1) * 127.5).astype("uint8").reshape(-1, 8, 8, 1)


@pytest.mark.parametrize("precision", formats.PRECISIONS)
def test_numpy_alone_can_use_the_arrays_of_an_npz(tmp_path, capsys, precision):
    model = small(variant="gan", network="mlp", num_classes=0, width=16, depth=1)
    model.export_generator(tmp_path / "g.npz", precision=precision, licence="MIT")
    latents = model.latents_for(16, seed=0)
    largest, mean = map(float, re.search(r"by at most (\S+), on average (\S+) grey", capsys.readouterr().out).groups())
    made, images = numpy_generator(tmp_path / "g.npz", latents), model.decode(latents)
    assert grey_levels(made, images) <= largest + 1
    assert (largest, mean) == (0, 0) if precision == "float32" else mean > 0
    with np.load(tmp_path / "g.npz") as file:
        facts = json.loads(str(file["metadata"]))
        kinds = {file[name].dtype.name for name in file.files if file[name].ndim > 1 and "scale" not in name}
    assert kinds == {precision} and facts["licence"] == "MIT" and facts["precision"] == precision


@pytest.mark.one_backend("tensorflow")
@pytest.mark.parametrize("name", ["tf_saved_model", "litert", *(["onnx"] if ONNX else [])])
def test_small_weights_cost_what_is_printed_and_save_space(tmp_path, capsys, name):
    model, sizes = small(variant="gan", network="dcgan", num_classes=0, shape=(16, 16, 1), width=32), []
    for precision in formats.PRECISIONS:
        path = tmp_path / f"{precision}{ENDINGS[name]}"
        model.export_generator(path, format=name, precision=precision)
        found = re.search(r": ([\d,]+) bytes, .* at most (\S+), on average (\S+) grey", capsys.readouterr().out)
        size, largest, mean = (float(each.replace(",", "")) for each in found.groups())
        sizes.append(size)
        assert largest <= {"float32": 1, "float16": 3, "int8": 40}[precision] and mean <= largest
        assert mean > 0.02 or precision != "int8"
    weights = 4 * sum(np.prod(each.shape) for each in model.generator.weights if len(each.shape) > 1)
    assert sizes[0] - sizes[1] > 0.4 * weights and sizes[0] - sizes[2] > 0.6 * weights


def test_the_average_is_written_where_it_is_asked_for(tmp_path):
    model = small(variant="gan", network="mlp", num_classes=0, width=4)
    with pytest.raises(ValueError, match="`average` must be False: the model has no moving average"):
        model.export_generator(tmp_path / "g.npz", average=True)
    model.add_average(kg.engine.averaging.WeightAverage(0.9))
    for each in model.averages[0].averages:
        each.assign(each.value + 1.0)
    model.export_generator(tmp_path / "g.npz", average=True)
    with np.load(tmp_path / "g.npz") as file:
        first = next(name for name in file.files if file[name].ndim == 2)
        wanted = ops.convert_to_numpy(model.generator.trainable_variables[0]) + 1.0
        np.testing.assert_allclose(file[first], wanted, rtol=1e-6)
        assert "moving average" in str(file["metadata"])


def test_a_model_of_low_precision_becomes_a_file_that_computes_in_float32(tmp_path):
    model = small(variant="gan", network="mlp", num_classes=0, width=4)
    before, latents = model.generator.layers[1].dtype_policy, model.latents_for(16, seed=0)
    wanted = model.decode(latents)
    for layer in model.generator.layers:
        layer.dtype_policy = "mixed_bfloat16"
    with program.in_float32(model):
        made = program.program_of(model, "generator", False, None, "float32", None, None)
        assert model.generator.layers[1].dtype_policy == before
    assert grey_levels(made.expected, wanted) == 0
    assert {layer.dtype_policy.name for layer in model.generator.layers} == {"mixed_bfloat16"}


if ONNX:

    @pytest.mark.one_backend("tensorflow")
    def test_the_five_lines_of_the_page_draw_what_the_model_draws(tmp_path, monkeypatch):
        page = pathlib.Path(__file__).parent.parent.parent / "docs" / "export.md"
        export, use = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)[:2]
        assert len([line for line in use.splitlines() if line]) == 5
        monkeypatch.chdir(tmp_path)
        names: dict = {}
        exec(export + use, names)
        assert grey_levels(names["images"], names["model"].generate(16, seed=0)) <= 1
        assert (tmp_path / "encoder.onnx").exists()


# What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.one_backend("tensorflow")
@pytest.mark.parametrize(
    ("path", "how", "sentence"),
    [
        ("g.onx", {}, r"`path` must end in .onnx, .tflite, .pt2, .npz, or in nothing.*Did you mean '.onnx'"),
        ("g.npz", {"format": "onnx"}, r"`path` must end in .onnx for format='onnx'. Received: path=.*g.npz"),
        ("g.onnx", {"format": "tf_saved_model"}, "`path` must be the name of a folder"),
        ("g.npz", {"format": "onxx"}, "`format` must be one of .* Did you mean 'onnx'"),
        ("g.npz", {"precision": "int4"}, "`precision` must be one of 'float32', 'float16', 'int8'"),
        ("g.npz", {"inputs": "seed"}, "`inputs` must be one of 'latents', 'seeds'"),
        ("g.npz", {"inputs": "seeds"}, "`inputs` must be 'latents' for format='npz'"),
        ("g.npz", {"licence": 3}, "`licence` must be text"),
        ("g.npz", {"overwrite": "yes"}, "`overwrite` must be True or False"),
    ],
)
def test_wrong_arguments_get_a_sentence(tmp_path, path, how, sentence):
    model = small(variant="gan", network="mlp", num_classes=0, width=4)
    with pytest.raises((ValueError, TypeError), match=sentence):
        model.export_generator(tmp_path / path, **how)
    assert not os.listdir(tmp_path)
    assert not hasattr(model, "export_encoder")


def test_what_is_there_is_kept_unless_it_may_be_replaced(tmp_path, monkeypatch):
    model, path = small(variant="gan", network="mlp", num_classes=0, width=4), tmp_path / "g.npz"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="g.npz exists. Give overwrite=True"):
        model.export_generator(path)
    assert path.read_text() == "mine"
    with monkeypatch.context() as context:
        context.setattr(exporting, "_npz", lambda program: 1 / 0)
        with pytest.raises(ValueError, match="cannot be exported as 'npz'"):
            model.export_generator(path, overwrite=True)
    assert path.read_text() == "mine" and os.listdir(tmp_path) == ["g.npz"]
    model.export_generator(path, overwrite=True)
    assert np.load(path).files and os.listdir(tmp_path) == ["g.npz"]
    os.mkdir(tmp_path / "folder.npz")
    with pytest.raises(FileExistsError, match="exists and is a folder: it is not replaced"):
        model.export_generator(tmp_path / "folder.npz", overwrite=True)


@pytest.mark.one_backend("tensorflow")
def test_a_folder_is_replaced_only_if_it_is_a_saved_model(tmp_path):
    model, path = small(variant="gan", network="mlp", num_classes=0, width=4), tmp_path / "g"
    os.mkdir(path)
    (path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is no SavedModel: it is not replaced"):
        model.export_generator(path, overwrite=True)
    assert (path / "thesis.txt").read_text() == "mine"
    os.remove(path / "thesis.txt")
    os.rmdir(path)
    model.export_generator(path)
    (path / "old").write_text("")
    model.export_generator(path, overwrite=True)
    assert (path / "saved_model.pb").exists() and not (path / "old").exists() and os.listdir(tmp_path) == ["g"]


def test_what_is_not_installed_is_named_with_its_extra(tmp_path, monkeypatch):
    model = small(variant="gan", network="mlp", num_classes=0, width=4)
    monkeypatch.setattr(formats, "_installed", lambda module: module in ("tensorflow", BACKEND))
    with pytest.raises(ImportError, match=r"format='onnx' needs .*onnxruntime, which are not installed: pip install "):
        model.export_generator(tmp_path / "g.onnx")
    monkeypatch.setattr(formats, "_installed", lambda module: False)
    other = "torch" if BACKEND == "tensorflow" else "litert"
    needed = {"torch": "PyTorch", "litert": "TensorFlow"}[other]
    with pytest.raises(ImportError, match=rf"format='{other}' is made by {needed}, which is not installed.* npz\.$"):
        model.export_generator(tmp_path / f"g{ENDINGS[other]}")
    assert not os.listdir(tmp_path)


class Stubborn(keras.layers.Layer):
    """A layer of which LiteRT knows nothing."""

    def call(self, inputs):
        return ops.erfinv(0.5 * ops.tanh(inputs))


@pytest.mark.one_backend("tensorflow")
@pytest.mark.parametrize("name", ["litert", *(["onnx"] if ONNX else [])])
def test_a_layer_that_a_format_does_not_know_is_named(tmp_path, name):
    inner = small(variant="gan", network="mlp", num_classes=0, width=4)
    inputs = keras.Input((4,))
    generator = keras.Model(inputs, inner.generator(Stubborn(name="stubborn")(keras.layers.Dense(4)(inputs))))
    model = kg.GAN(generator=generator, discriminator=inner.discriminator, latent_dim=4)
    with pytest.raises(ValueError, match=rf"as '{name}': the layer 'stubborn' \(Stubborn\) of `generator` has an"):
        model.export_generator(tmp_path / f"g{ENDINGS[name]}")
    assert not os.listdir(tmp_path)
    model.export_generator(tmp_path / "g", format="tf_saved_model")


@pytest.mark.one_backend("tensorflow")
def test_pictures_made_of_gradients_go_into_programs_that_hold_gradients(tmp_path):
    model = kg.create(
        "energy_based_model", (8, 8, 1), network="mlp", network_options={"width": 8}, generation_steps=3, buffer_size=8
    )
    with pytest.raises(ValueError, match="`format` must be 'tf_saved_model' or 'npz' for the generator of a Energy"):
        model.export_generator(tmp_path / "g.onnx")
    model.export_generator(tmp_path / "g")  # raises where its file differs
    glann = kg.create("glann", (8, 8, 1), latent_dim=4, network="mlp", network_options={"width": 8})
    with pytest.raises(ValueError, match="for the encoder of a GLANN: it is made of gradients of `generator`"):
        glann.export_encoder(tmp_path / "g.tflite")


@pytest.mark.one_backend("tensorflow")
def test_another_backend_exports_in_a_process_of_its_own(tmp_path, capsys):
    model = small(variant="gan", network="mlp", num_classes=0, width=4)
    options = ["--format", "npz", "--precision", "int8", "--name", "little", "--licence", "MIT"]
    elsewhere.export(model, tmp_path / "g.npz", "tensorflow", options)
    assert "Wrote the generator of little (GAN, last weights)" in capsys.readouterr().out
    assert '"licence": "MIT"' in str(np.load(tmp_path / "g.npz")["metadata"])
    with pytest.raises(ValueError, match=r"in a process of its own: .*g.npz exists"):
        elsewhere.export(model, tmp_path / "g.npz", "tensorflow", options)
