"""`export_generator` and `export_encoder`: checks, the making, the comparison with the model, the file."""

import contextlib
import io
import json
import os
import sys
import tempfile

import keras
import numpy as np

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.export import elsewhere, onnx
from keras_gans.engine.export.culprit import culprit
from keras_gans.engine.export.formats import FORMATS, PRECISIONS, chosen, maker
from keras_gans.engine.export.program import in_float32, program_of
from keras_gans.output import files

INPUTS = ("latents", "seeds")
LARGEST_ERROR = {"generator": 1.0, "encoder": 1e-3}  # of a float32 file: grey levels, or units of an encoding
UNITS = {"generator": "grey levels", "encoder": "units of an encoding"}


class ExportsGenerator:
    """The part of a `GenerativeModel` that leaves Keras behind."""

    differentiated: tuple[str, ...] = ()  # of "generator" and "encoder", what is made of gradients of a network
    title = ""  # what a preset calls itself
    licence = ""  # and under which licences it and its data stand

    def export_generator(
        self,
        path,
        format=None,
        *,
        precision="float32",
        inputs="latents",
        average=False,
        name=None,
        licence=None,
        overwrite=False,
    ):
        """Writes the generator as a file that runs without keras_gans: latents and labels in, uint8 images out.

        The file takes any number of rows: float32 latents (n, *latent_shape), or int32 seeds (n,), and, of a
        conditional model, int32 labels (n,). It gives uint8 images (n, height, width, channels); float32 points
        (n, d) for a model of points. It is run once and compared with the model; what it differs by is printed.

        Args:
            path: The file: .onnx, .tflite, .pt2 or .npz; or the folder of a TensorFlow SavedModel. The folder around it
                is made where it is missing.
            format: `"tf_saved_model"`, `"onnx"`, `"litert"`, `"torch"` (a program of `torch.export`) or `"npz"` (the
                weights and the architecture alone). Default: that of the ending of `path`.
            precision: Of the weights: `"float32"` (default), `"float16"` or `"int8"`, for half and a quarter of the
                size. It is computed in float32, in LiteRT with int8 in integers where it can.
            inputs: `"latents"` (default), or `"seeds"`: one integer in 0..2^31 - 2 per image, from which the file draws
                the latents itself. They are not those of `generate(seed=...)`.
            average: Whether the first moving average is written in place of the last weights, default False.
            name: Name of the model in the file. Default: that of its preset, or of the model.
            licence: Licence of the weights, for the file. Default: that of its preset, or "not stated".
            overwrite: Whether what is at `path` may be replaced, default False.

        Raises:
            FileExistsError: There is something at `path`, and `overwrite` is False; or a folder that is no SavedModel.
            ImportError: What makes the format is not installed.
            ValueError, TypeError: A wrong argument; an average that the model does not have; a layer that the format
                does not know.

        Example:
            >>> model = keras_gans.from_preset("o_gan_fashion_mnist")
            >>> model.export_generator("generator.onnx", precision="float16")
        """
        seeds = checks.one_of("inputs", inputs, INPUTS) == "seeds"
        if seeds and chosen(path, format)[1] == "npz":
            raise ValueError(
                "`inputs` must be 'latents' for format='npz': a file of weights draws nothing. Received: 'seeds'."
            )
        export(self, path, format, "generator", precision, seeds, average, name, licence, overwrite)


def export(model, path, format, part, precision, seeds, average, name, licence, overwrite):
    """Writes a part of a model; see `ExportsGenerator.export_generator`."""
    path, format = chosen(path, format)
    checks.one_of("precision", precision, PRECISIONS)
    average, overwrite = checks.flag("average", average), checks.flag("overwrite", overwrite)
    for argument, value in (("name", name), ("licence", licence)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"`{argument}` must be text. {checks.received(**{argument: value})}")
    if average and not model.averages:
        raise ValueError(
            f"`average` must be False: the model has no moving average. {checks.received(average=average)}"
        )
    if part in model.differentiated and not FORMATS[format].gradients:
        able = " or ".join(repr(each) for each, about in FORMATS.items() if about.gradients)
        raise ValueError(
            f"`format` must be {able} for the {part} of a {type(model).__name__}: it is made of gradients of "
            f"`{model.networks[0]}`, which a file of another format does not hold. {checks.received(format=format)}"
        )
    _refuse_to_replace(path, format, overwrite)
    shown = model.averages[0] if average else next((each for each in model.averages if each.is_applied), None)
    running = keras.config.backend()
    made_by = maker(format, running)
    checks.writable_folder("folder of path", os.path.dirname(path) or ".")
    if made_by != running:
        options = ["--format", format, "--part", part, "--precision", precision]
        options += ["--inputs", "seeds" if seeds else "latents", "--average" if shown else "--no-average"]
        options += ["--name", name or model.title or model.name, "--licence", licence or model.licence or "not stated"]
        elsewhere.export(model, path, made_by, [*options, *(["--overwrite"] if overwrite else [])])
        return
    backend.sync(model)
    # PyTorch writes the device into a file, which is to run where there is no card.
    with in_float32(model), keras.device("cpu:0") if running == "torch" else contextlib.nullcontext():
        program = program_of(model, part, seeds, shown, precision, name, licence)
        found = _written(model, program, path, format)
    print(_told(program, path, *found))


def _refuse_to_replace(path, format, overwrite):
    """Raises `FileExistsError` if there is something at `path` that may not be replaced."""
    if not os.path.lexists(path):
        return
    folder = FORMATS[format].ending == ""
    if os.path.isdir(path) and not (folder and os.path.isfile(os.path.join(path, "saved_model.pb"))):
        what = "is no SavedModel" if folder else "is a folder"
        raise FileExistsError(f"{path} exists and {what}: it is not replaced. Give another name.")
    if folder and not os.path.isdir(path):
        raise FileExistsError(f"{path} exists and is a file, where a folder would be made. Give another name.")
    if not overwrite:
        raise FileExistsError(f"{path} exists. Give overwrite=True to replace it, or another name.")


def _written(model, program, path, format):
    """Writes a program and returns `(bytes, largest error, mean error)`, once a file of it was compared."""
    if format != "tf_saved_model":
        content, found = _made(model, program, format, lambda: _in_memory(program, format))
        files.write(path, content)
        return len(content), *found
    from keras_gans.engine.export import tensorflow

    parent = os.path.dirname(os.path.abspath(path))
    files.sweep(parent)
    files.require_space(path, sum(each.values.nbytes for each in program.stored))  # TensorFlow's error tells no cause
    made = files.claimed(lambda: tempfile.mkdtemp(dir=parent, prefix=files.TEMPORARY))
    with files.naming(path), made as temporary:
        inner = os.path.join(temporary, "model")

        def write():
            tensorflow.write_saved_model(program, inner)
            return None, tensorflow.run_saved_model(program, inner)

        _, found = _made(model, program, format, write)
        size = sum(os.path.getsize(os.path.join(folder, each)) for folder, _, names in os.walk(inner) for each in names)
        if os.path.isdir(path):
            os.replace(path, os.path.join(temporary, "old"))  # and goes with the temporary folder
        os.replace(inner, path)
    return size, *found


def _in_memory(program, format):
    """Returns `(bytes of the file, what it makes of the examples)`."""
    if format == "npz":
        return _npz(program)
    if keras.config.backend() == "tensorflow":
        from keras_gans.engine.export import tensorflow as here
    else:
        from keras_gans.engine.export import torch as here
    if format == "onnx":
        content = onnx.finished(here.onnx(program), program).SerializeToString()
        return content, onnx.run(program, content)
    if format == "litert":
        content = here.litert(program)
        return content, here.run_litert(program, content)
    content = here.torch_file(program)
    return content, here.run_torch_file(program, content)


def _npz(program):
    """Returns `(bytes of a .npz file, what the model makes of the examples with its weights)`."""
    arrays = {
        "metadata": np.array(json.dumps(program.facts)),
        "architecture": np.array(json.dumps(program.architecture)),
    }
    for name, stored in zip(program.names, program.stored, strict=True):
        arrays[name] = stored.values
        if stored.scale is not None:
            arrays[f"{name}:scale"] = stored.scale
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    output = program.function(program.values(), *map(keras.ops.convert_to_tensor, program.examples))
    return content.getvalue(), keras.ops.convert_to_numpy(output)


def _made(model, program, format, make):
    """Returns `(what make() returns first, (largest error, mean error))`; `make` runs the file on the examples.

    Raises:
        ValueError: The file cannot be made, with the layer that is to blame, or computes something else.
    """
    try:
        content, output = make()
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as error:
        raise ValueError(
            f"The {program.part} of this {type(model).__name__} cannot be exported as {format!r}: "
            f"{culprit(model, program, lambda each: _in_memory(each, format), error)} has an operation that cannot be "
            f"written in this format ({checks.shown(checks.first_line(error), 240)}). Take another format, or "
            "another layer."
        ) from error
    errors = np.abs(output.astype("float64") - program.expected.astype("float64"))
    largest = float(errors.max()) if np.isfinite(errors).all() else float("inf")
    if largest > (LARGEST_ERROR[program.part] if program.facts["precision"] == "float32" else sys.float_info.max):
        raise ValueError(
            f"The {program.part} of this {type(model).__name__} cannot be exported as {format!r}: run by itself, the "
            f"file differs by up to {largest:.3g} {UNITS[program.part]} from the model. Nothing was written."
        )
    return content, (largest, float(errors.mean()))


def _told(program, path, size, largest, mean):
    """Returns the line that is printed about a file."""
    facts, units = program.facts, UNITS[program.part]
    if program.part == "generator" and program.output.dtype != "uint8":
        units = "units of a point"
    return (
        f"Wrote the {program.part} of {facts['name']} ({facts['model']}, {facts['weights']}) to {path}: "
        f"{size:,} bytes, {facts['precision']}. On {len(program.expected)} examples it differs from the model by "
        f"at most {largest:.3g}, on average {mean:.2g} {units}."
    )
