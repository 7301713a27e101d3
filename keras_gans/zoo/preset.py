"""A preset: a trained model as a folder of five files, checked before anything in it is believed.

    config.json        class and arguments of the model and its networks, as Keras serialises them
    model.weights.h5   one contiguous array per weight: `<network>/<number>`, float32 or float16, and `state/<number>`,
                       what a model knows beside its networks, such as an IGN's spectrum, in full precision
    metadata.json      format, versions, variant, shapes, data, seed, steps, scores, size and SHA-256 of the files above
    README.md          the model card
    samples.png        a sheet of samples

Nothing in a preset is a program: JSON and numbers. What is read is compared first with what metadata.json declares
(size, digest, format, classes, shapes) and must be finite; the sentence of an error names the file.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile

import h5py
import keras
import numpy as np

from keras_gans import checks, pictures
from keras_gans.output import files
from keras_gans.version import __version__

FORMAT = 1
CHECKED = ("config.json", "model.weights.h5")
FILES = ("metadata.json", *CHECKED, "README.md", "samples.png")
MAX_METADATA = 2**20  # bytes
MAX_WEIGHTS = 2**32
MAX_INTEGER = 2**20  # in a config; a layer of a billion units must not be built before its weights are seen
OWN = ("format", "name", "class", "image_shape", "num_classes", "class_names", "parameters", "precision", "versions")
OWN += ("files",)  # keys of metadata.json that the preset writes itself
PRECISIONS = ("float32", "float16")
PACKAGES = ("keras", "keras.", "keras_gans", "keras_gans.")


class PresetError(ValueError):
    """A preset that is damaged, hostile, or of another version; the sentence names the file."""

    def __init__(self, sentence):
        super().__init__(checks.printable(sentence))


# Writing --------------------------------------------------------------------------------------------------


def save(model, folder, about=None, precision="float32", overwrite=False, samples=64, seed=0):
    """Writes a model as a preset folder, whole or not at all.

    Args:
        model: A model of keras_gans. Where it has a moving average, the averaged weights are written.
        folder: The folder to make.
        about: Dict for metadata.json and the model card: `data`, `seed`, `steps`, `epochs`, `scores`, `recipe`, `time`,
            `machine`, `licence`, `note`, ... Values that JSON can hold.
        precision: Of the weights: `"float32"` (default), or `"float16"` for half the size. A preset always computes in
            float32, whatever policy it was trained with.
        overwrite: Whether a preset that is there may be replaced.
        samples: Images on the sheet.
        seed: Integer that fixes them.

    Raises:
        FileExistsError: The folder is there (and is no preset, or `overwrite` is False).
        ValueError, TypeError: An unknown precision, weights that are not finite, `about` that JSON cannot hold or with
            what the preset says itself (`class`, `files`, ...).
    """
    folder = os.path.abspath(os.path.expanduser(checks.path("folder", folder, "folder")))
    checks.one_of("precision", precision, PRECISIONS)
    overwrite = checks.flag("overwrite", overwrite)
    about = _checked_about(about)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise FileExistsError(f"The file {folder} exists, where a folder would be made. Give another name.")
    if os.path.isdir(folder) and os.listdir(folder):
        if not overwrite or not os.path.isfile(os.path.join(folder, "metadata.json")):
            raise FileExistsError(
                f"The folder {folder} exists. Give overwrite=True to replace a preset, or another name."
            )
    parent = checks.writable_folder("folder", os.path.dirname(folder))
    files.sweep(parent)
    averaged = model.averages[0].applied() if model.averages else contextlib.nullcontext()
    made = files.claimed(lambda: tempfile.mkdtemp(dir=parent, prefix=files.TEMPORARY))
    with files.naming(folder), made as temporary:
        with averaged:
            _write(model, temporary, about, precision, os.path.basename(folder), samples, seed)
        checked(temporary)  # before the old one goes
        os.chmod(temporary, 0o755)
        old = None
        if os.path.isdir(folder):
            old = tempfile.mkdtemp(dir=parent, prefix=".replaced-")
            os.replace(folder, os.path.join(old, "preset"))
        os.replace(temporary, folder)
        if old is not None:
            shutil.rmtree(old)


def _checked_about(about):
    """Returns what a user tells of a preset, as a dict."""
    if about is not None and not isinstance(about, dict):
        raise TypeError(f"`about` must be a dict. {checks.received(about=about)}")
    about = dict(about or {})
    reserved = [key for key in about if key in OWN]
    if reserved:
        raise ValueError(
            f"`about` must not have {reserved[0]!r}, which the preset says itself. {checks.received(about=about)}"
        )
    try:
        again = json.loads(json.dumps(about, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"`about` must hold what JSON can hold: {error}.") from error
    wrong = _wrong_in(again)
    if wrong:
        raise TypeError(f"`about` must have {wrong}.")
    return again


def _wrong_in(metadata):
    """Returns what is wrong with the scores and the note of a metadata.json, in words; "" for nothing."""
    scores, note = metadata.get("scores"), metadata.get("note")
    numbers = isinstance(scores, dict) and all(type(value) in (int, float) for value in scores.values())
    if scores is not None and not numbers:
        return f"`scores` that map names to numbers. It has {checks.shown(scores, 60)}"
    return "" if note is None or isinstance(note, str) else f"a `note` of text. It has {checks.shown(note, 60)}"


def _write(model, folder, about, precision, name, samples, seed):
    def path(file):
        return os.path.join(folder, file)

    config = keras.saving.serialize_keras_object(model)
    config["config"].pop("averages", None)
    for unwanted in ("compile_config", "build_config"):
        config.pop(unwanted, None)
    text = json.dumps(config, indent=1)
    for policy in ("mixed_bfloat16", "mixed_float16"):  # for training; a preset gives the same images on every machine
        text = text.replace(f'"{policy}"', '"float32"')
    files.write(path("config.json"), text.encode())
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for place, variable in _variables(model).items():
            owner, number = place.split("/")
            value = keras.ops.convert_to_numpy(variable)
            small = value.astype(precision) if value.dtype == np.float32 and owner != "state" else value
            if not np.all(np.isfinite(small)):
                raise ValueError(f"Weight {number} of the {owner} is not finite in {precision}: it cannot be a preset.")
            file.create_dataset(place, data=small)
    files.write(path("model.weights.h5"), weights.getbuffer())
    if len(model.image_shape) == 3:
        images = model.generate(samples, seed=seed)
        pictures.save_png(path("samples.png"), pictures.grid(images, scale=max(1, 64 // max(images.shape[1:3]))))
    metadata = {
        "format": FORMAT,
        "name": name,
        "class": type(model).__name__,
        "image_shape": list(model.image_shape),
        "num_classes": model.num_classes,
        **({"class_names": list(model.class_names)} if model.class_names else {}),
        "parameters": {network: getattr(model, network).count_params() for network in model.networks},
        "precision": precision,
        "versions": _versions(),
        "files": {file: _facts(path(file)) for file in CHECKED},
        **about,
    }
    files.write_json(path("metadata.json"), metadata)
    files.write(path("README.md"), model_card(metadata).encode())


def _variables(model):
    """Returns `{place in the file: variable}`: the networks' weights and the model's own, but not training's."""
    owned = {network: getattr(model, network).weights for network in model.networks}
    others = [model.data_seed, model.epochs_done, *(v for average in model.averages for v in average.weights)]
    others += [v for player in model.players if player not in owned for v in getattr(model, player).weights]
    known = {id(variable) for variables in (*owned.values(), others) for variable in variables}
    owned["state"] = [variable for variable in model.weights if id(variable) not in known]
    return {f"{owner}/{i}": variable for owner, variables in owned.items() for i, variable in enumerate(variables)}


def _versions():
    return {
        "keras_gans": __version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def _facts(path):
    with open(path, "rb") as file:
        return {"bytes": os.path.getsize(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def model_card(metadata):
    """Returns the README.md of a preset."""
    name = metadata["name"]
    lines = [f"# {name}", ""]
    if metadata.get("note"):
        lines += [metadata["note"], ""]
    shape = "x".join(map(str, metadata["image_shape"]))
    parts = ", ".join(f"{network} {count:,}" for network, count in metadata["parameters"].items())
    lines += [
        f"{metadata['class']} of keras_gans {metadata['versions']['keras_gans']}, images of {shape}.",
        f"Parameters: {parts}.",
    ]
    if metadata["num_classes"]:
        names = f": {', '.join(metadata['class_names'])}" if metadata.get("class_names") else ""
        lines += [f"Conditional on {metadata['num_classes']} classes{names}."]
    lines += ["", "![samples](samples.png)", "", "```python", "import keras_gans as kg", ""]
    lines += [f'model = kg.from_preset("{name}")', "images = model.generate(16, seed=0)", "```", ""]
    told = ("recipe", "data", "seed", "epochs", "steps", "time", "machine", "licence")
    facts = {key: metadata[key] for key in told if key in metadata}
    if facts:
        lines += ["| | |", "|---|---|", *(f"| {key} | {_cell(value)} |" for key, value in facts.items()), ""]
    if metadata.get("scores"):
        lines += ["| score | value |", "|---|---|"]
        lines += [f"| {key} | {value:.4g} |" for key, value in metadata["scores"].items()] + [""]
    return "\n".join(lines)


def _cell(value):
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)


# Reading --------------------------------------------------------------------------------------------------


def read_metadata(path):
    """Returns the content of a metadata.json.

    Raises:
        PresetError: It is too large, no JSON, or of a format that this version does not know.
    """
    try:
        size = os.path.getsize(path)
        if size > MAX_METADATA:
            raise PresetError(f"The file {path} is too large for a preset's metadata: {size:,} bytes.")
        with open(path, encoding="utf-8") as file:
            metadata = json.load(file)
    except FileNotFoundError:
        raise PresetError(f"{os.path.dirname(path)} is no preset: it has no metadata.json.") from None
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(error, PresetError):
            raise
        raise PresetError(f"The file {path} is damaged: it is no JSON ({error}).") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
        raise PresetError(f"The file {path} is no metadata of a preset: it has no `format`.")
    if metadata["format"] > FORMAT:
        versions = metadata.get("versions")
        version = versions.get("keras_gans", "unknown") if isinstance(versions, dict) else "unknown"
        raise PresetError(
            f"The preset {path} was written by a newer keras_gans ({version}, format {metadata['format']}); this one "
            f"knows format {FORMAT}. Upgrade keras_gans."
        )
    if metadata["format"] < FORMAT:
        raise PresetError(f"The preset {path} has format {metadata['format']}, which is not known.")
    declared = metadata.get("files")
    for name in CHECKED:
        facts = declared.get(name) if isinstance(declared, dict) else None
        facts = facts if isinstance(facts, dict) else {}
        if not isinstance(facts.get("bytes"), int) or not isinstance(facts.get("sha256"), str):
            raise PresetError(f"The file {path} does not declare size and SHA-256 of {name}.")
        limit = MAX_WEIGHTS if name.endswith(".h5") else MAX_METADATA * 8
        if not 0 < facts["bytes"] <= limit:
            raise PresetError(
                f"The file {path} declares {facts['bytes']:,} bytes for {name}; at most {limit:,} are read."
            )
    for key, kind in (("class", str), ("image_shape", list), ("num_classes", int), ("parameters", dict), ("name", str)):
        if not isinstance(metadata.get(key), kind):
            raise PresetError(f"The file {path} must have `{key}` ({kind.__name__}). It has {metadata.get(key)!r:.60}.")
    wrong = _wrong_in(metadata)
    if not all(isinstance(count, int) for count in metadata["parameters"].values()):
        wrong = "`parameters` that map networks to integers"
    if wrong:
        raise PresetError(f"The file {path} must have {wrong}.")
    return metadata


def licence_in(metadata, weights):
    """Returns in words the licences of a preset's weights, where it states none `weights`, and of its data."""
    licence, data = metadata.get("licence") or weights, metadata.get("data_licence")
    return f"{licence} (weights); {data} (data: {metadata.get('data', 'unknown')})" if data else str(licence)


def check_file(path, facts):
    """Raises `PresetError` if a file is not the one that was declared."""
    if not os.path.isfile(path):
        raise PresetError(f"The preset lacks the file {path}.")
    size = os.path.getsize(path)
    if size != facts["bytes"]:
        raise PresetError(f"The file {path} is cut short or another one: {size:,} bytes, expected {facts['bytes']:,}.")
    found = _facts(path)["sha256"]
    if found != facts["sha256"]:
        raise PresetError(f"The file {path} is damaged or tampered with: SHA-256 {found}, expected {facts['sha256']}.")


def checked(folder):
    """Returns the metadata of a preset folder whose files are those that were written; raises `PresetError`."""
    metadata = read_metadata(os.path.join(folder, "metadata.json"))
    for name in CHECKED:
        check_file(os.path.join(folder, name), metadata["files"][name])
    return metadata


def load(folder, expected_class=None):
    """Returns the model in a preset folder.

    Args:
        folder: The folder.
        expected_class: A class of keras_gans that the model must be of, or None.

    Raises:
        PresetError: Anything in the folder is not as it should be; nothing was loaded.
    """
    folder = os.fspath(folder)
    metadata = checked(folder)
    if expected_class is not None and metadata["class"] != expected_class.__name__:
        raise PresetError(f"The preset {folder} holds a {metadata['class']}, not a {expected_class.__name__}.")
    model = _model(os.path.join(folder, "config.json"), metadata)
    _load_weights(model, os.path.join(folder, "model.weights.h5"))
    return model


def _model(path, metadata):
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
        _check_config(config, path)
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except PresetError:
        raise
    except Exception as error:  # Keras raises nearly anything for a config that it does not know
        raise PresetError(
            f"The file {path} does not describe a model. Keras says: {checks.first_line(error)}"
        ) from error
    if not getattr(model, "networks", ()) or type(model).__name__ != metadata["class"]:
        raise PresetError(
            f"The file {path} describes a {type(model).__name__}, not the {metadata['class']} of metadata.json."
        )
    return model


def _check_config(value, path, key=""):
    """Refuses what a config of ours never holds: classes of other packages, programs, absurd numbers."""
    if isinstance(value, dict):
        if "class_name" in value:
            module, name = value.get("module"), value["class_name"]
            ours = module is None or (
                isinstance(module, str) and module.startswith(PACKAGES) and module.split(".")[0] in PACKAGES
            )
            if not ours or name in ("Lambda", "__lambda__", "function"):
                raise PresetError(
                    f"The file {path} asks for {module}.{name}, which no preset may hold. Nothing was loaded."
                )
        for name, each in value.items():
            _check_config(each, path, name)
    elif isinstance(value, list):
        for each in value:
            _check_config(each, path, key)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER and key != "seed":
        raise PresetError(f"The file {path} has `{key}` = {value:,}, which is absurd. Nothing was loaded.")


def _load_weights(model, path):
    expected, values = _variables(model), {}
    try:
        with h5py.File(path, "r") as file:
            found = set()
            file.visititems(lambda name, item: found.add(name) if isinstance(item, h5py.Dataset) else None)
            if found != expected.keys():
                wrong = sorted(found ^ expected.keys())
                raise PresetError(f"The file {path} does not fit its config.json: {wrong[0]} is missing or too many.")
            for name, variable in expected.items():
                dataset, shape = file[name], tuple(variable.shape)
                if dataset.shape != shape or dataset.is_virtual or dataset.external or dataset.chunks is not None:
                    raise PresetError(
                        f"The file {path}: {name} must be a plain array of shape {shape}. It has {dataset.shape}."
                    )
                values[name] = dataset[()]
                if values[name].dtype.kind not in "fiu" or not np.all(np.isfinite(values[name])):
                    raise PresetError(
                        f"The file {path}: {name} holds values that are not finite numbers. Nothing was loaded."
                    )
    except PresetError:
        raise
    except Exception as error:  # HDF5 raises nearly anything for a damaged file
        raise PresetError(f"The file {path} cannot be read: {error}.") from error
    for name, variable in expected.items():
        variable.assign(values[name].astype(np.dtype(variable.dtype) if variable.dtype != "bfloat16" else np.float32))


def extract(archive, folder):
    """Unpacks a preset's .zip archive into a new folder, and nothing that is no preset's file.

    Raises:
        PresetError: The archive is damaged, or holds other names, links, or more bytes than it may.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names) or not set(names) <= set(FILES):
                wrong = sorted(set(names) - set(FILES)) or names
                raise PresetError(
                    f"The archive {archive} holds {wrong[0]!r}, which is no file of a preset. Nothing was unpacked."
                )
            for entry in entries:
                limit = MAX_WEIGHTS if entry.filename.endswith(".h5") else 8 * MAX_METADATA
                if entry.file_size > limit or entry.file_size > 1000 * max(entry.compress_size, 1):
                    raise PresetError(
                        f"The archive {archive} holds {entry.filename} of {entry.file_size:,} bytes, which is absurd."
                    )
            os.makedirs(folder, exist_ok=True)
            for entry in entries:
                with file.open(entry) as source, open(os.path.join(folder, entry.filename), "wb") as target:
                    shutil.copyfileobj(source, target)
    except files.DAMAGED_ARCHIVE as error:
        if isinstance(error, OSError) and error.errno:  # a full disk
            raise OSError(error.errno, os.strerror(error.errno), folder) from error
        raise PresetError(f"The archive {archive} is damaged: {error}.") from error
