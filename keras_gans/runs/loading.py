"""Models and data by name: a `.keras` file, a run folder or a preset; a set of images, a folder or an .h5 file."""

import contextlib
import json
import math
import os
import warnings
import zipfile

import keras
import numpy as np

from keras_gans import checks, registry, zoo
from keras_gans.data import datasets
from keras_gans.data.datasets import Images
from keras_gans.data.image_folder import ImageFolder
from keras_gans.engine import GenerativeModel
from keras_gans.engine.averaging import weights_in_words
from keras_gans.engine.inference import class_indices
from keras_gans.output import files
from keras_gans.recipes import building
from keras_gans.runs import drawing
from keras_gans.runs.folder import Run, run_around

LARGEST_CONFIG = 2**23  # bytes of the description of a model; that of the largest here is a hundred thousand
LARGEST_EXPANSION = 50  # bytes unpacked for one of a .keras file; weights of floats hardly shrink
SIZES = {"units", "filters", "latent_dim", "num_classes", "input_dim", "output_dim", "shape", "batch_shape"}
SIZES |= {"input_shape", "build_input_shape", "target_shape", "kernel_size", "levels", "pool_size"}  # in a config.json


def load_model(path):
    """Returns the model of keras_gans at `path`.

    Args:
        path: A `.keras` file, or a run folder: its `model.keras`, or, while it is not finished or where that is
            damaged, the settings in `config.json` with the weights of the last checkpoint, which its folder
            `checkpoints` stands for; or a preset, by name, folder or URL.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no model in the folder.
        ValueError, OSError: The file is damaged, or not a model of keras_gans; the sentence names it.
    """
    path = checks.path("path", path, "run folder, a .keras file or a preset")
    if is_preset(path):
        return zoo.from_preset(path)
    around = run_around(path)
    if around is not None:
        return rebuild(around)
    if os.path.isdir(path):
        return _load_run(Run(path))
    return load_file(path)


def _load_run(run):
    """Returns the further trained of model.keras and the checkpoint of a run, or the one that is whole."""
    first, *other = run.models() or [run.checkpoint_path]

    def load(at):
        return load_file(at) if at == run.model_path else rebuild(run)

    try:
        return load(first)
    except (OSError, ValueError) as error:
        if not other:
            raise
        try:
            model = load(other[0])
        except (OSError, ValueError):
            raise error from None
        warnings.warn(f"{error} The model of {other[0]} is used.", stacklevel=2)
        return model


def load(path, average=None):
    """Returns a model with the weights that the command line would show, and prints which these are.

    Args:
        path: A run folder, a `.keras` file, or a preset by name, folder or URL.
        average: None (default) for the moving average where the model has one, True to insist on it, False for the
            last weights.

    Returns:
        The model. Where its average is in use, `model.averages[0].restore()` gives the last weights back, which must
        happen before training goes on.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no model in the folder.
        ValueError, OSError: The file is damaged or no model of keras_gans, or the average is missing.

    Example:
        >>> model = keras_gans.load("runs/mine")
        >>> model.generate(16, seed=0)
    """
    average = None if average is None else checks.flag("average", average)
    model = load_model(path)
    if average and not model.averages:
        raise ValueError(f"`average` must be False: the model at {path} has no moving average.")
    shown = average_in_use(model, average)
    if shown is not None:
        shown.apply()
    print(f"{os.fspath(path)}: {type(model).__name__} with the {weights_in_words(shown)}.")
    return model


def is_preset(path):
    """Returns whether `path` is the name, folder or URL of a preset rather than a file or a run folder."""
    if os.path.isdir(path):
        return os.path.isfile(os.path.join(path, "metadata.json"))
    bare = not os.path.exists(path) and os.sep not in path and not path.endswith(".keras")
    return path in zoo.list_presets() or "://" in path or path.endswith(".zip") or bare


def check_file(path):
    """Refuses what is no whole `.keras` file, before anything in it that is large is unpacked.

    Raises:
        FileNotFoundError, ValueError: There is no such file; it is damaged, or holds far more than its own size.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no model file or run folder {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            sizes = {entry.filename: entry.file_size for entry in entries}
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > LARGEST_EXPANSION * os.path.getsize(path) + 2**20 or len(sizes) < len(entries):
                raise ValueError(f"The model file {path} holds {unpacked:,} bytes, which is absurd. Nothing was read.")
            for name in ("config.json", "metadata.json"):
                if sizes.get(name, 0) > LARGEST_CONFIG:
                    raise ValueError(
                        f"The model file {path} has a {name} of {sizes[name]:,} bytes; at most {LARGEST_CONFIG:,} are "
                        "read."
                    )
            damaged = archive.testzip()
    except files.DAMAGED_ARCHIVE as error:
        raise ValueError(
            f"The model file {path} cannot be read: it is cut short, or no .keras file ({error})."
        ) from error
    if damaged:
        raise ValueError(f"The model file {path} is damaged: the checksum of {damaged} inside it does not match.")
    if "config.json" not in sizes:
        raise ValueError(f"The file {path} is no Keras model: it has no config.json inside.")
    _refuse_absurd_layers(path)


def _refuse_absurd_layers(path):
    """Refuses a model whose config asks for layers of absurd sizes: they would be built before any weight is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            waiting = [("", json.loads(archive.read("config.json")))]
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The model file {path} is damaged: its config.json is no JSON ({error}).") from error
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, each) for each in value]
        elif key in SIZES and isinstance(value, int) and abs(value) > checks.LARGEST_SIZE:
            raise ValueError(f"The model file {path} has `{key}` = {value:,}, which is absurd. Nothing was loaded.")


def load_any(path):
    """Returns whatever Keras model is in a `.keras` file; raises as `load_model`."""
    check_file(path)
    try:
        return keras.models.load_model(path)
    except Exception as error:  # Keras raises nearly anything for contents it does not know
        raise ValueError(f"The model file {path} cannot be read. Keras says: {checks.first_line(error)}") from error


def load_file(path):
    """Returns the model of keras_gans in a `.keras` file; see `load_model`."""
    model = load_any(path)
    if not isinstance(model, GenerativeModel):
        raise ValueError(f"The file {path} holds a {type(model).__name__}, which is no model of keras_gans.")
    return model


def rebuild(run):
    """Returns the model of an unfinished run: its settings with the weights of its last checkpoint."""
    config = run.config()
    if not os.path.exists(run.checkpoint_path):
        raise FileNotFoundError(f"The run folder {run.folder} holds no model yet: its first epoch is not finished.")
    model, _ = building.build(run.recipe(), config["image_shape"], config["num_classes"], config.get("class_names"))
    model.load_weights(run.checkpoint_path)
    return model


def average_in_use(model, average=None):
    """Returns the `WeightAverage` of a model that was asked for, or None for the last weights.

    Args:
        model: A model of keras_gans.
        average: True for its moving average, False for the last weights, None (default) for the average, if any.

    Raises:
        ValueError: The average is asked for and the model has none.
    """
    if average and not model.averages:
        raise ValueError("The model has no moving average: leave out --average, or train with --average 0.999.")
    return model.averages[0] if model.averages and average is not False else None


def weights_in_use(model, average=None):
    """Returns the context in which `model` has the weights that were asked for; see `average_in_use`."""
    chosen = average_in_use(model, average)
    return contextlib.nullcontext() if chosen is None else chosen.applied()


def weights_shown(model, average=None):
    """Returns in words which weights were asked for; see `average_in_use`."""
    return weights_in_words(average_in_use(model, average))


def require_encoder(model, command):
    """Refuses a model without an encoder for a command that needs one."""
    if not hasattr(model, "encode"):
        able = [name for name in registry.list_models() if hasattr(registry.get(name), "encode")]
        raise ValueError(
            f"`{command}` needs a model with an encoder ({', '.join(able)}). The model is a {type(model).__name__}."
        )


def require_memory(model, option, count):
    """Refuses an option that asks for more images of a model than the memory of this machine holds."""
    checks.fits_memory(option, count, 4 * math.prod(model.normal_shape(1)) + 5 * math.prod(model.image_shape))


def require_images(model, command):
    """Refuses a model of points for a command that draws pictures."""
    if len(model.image_shape) != 3:
        raise ValueError(f"`{command}` draws images. The model makes points of shape {model.image_shape}.")


def load_data(data, split="train", image_size=None, channels=None, labels=True):
    """Returns the `Images` (images, labels, class_names) of a set by name, of a folder, or of an .h5 file.

    Args:
        data: A set by name, `folder:PATH`, or the path of a folder or an .h5 file.
        split, image_size, channels, labels: As for `keras_gans.data.datasets.read`.

    Raises:
        ValueError, FileNotFoundError: Those of `keras_gans.data.load`, in the words of the command line.
    """
    if is_image_folder(data):
        data = f"folder:{data.removeprefix('folder:')}"
    size = tuple(image_size) if isinstance(image_size, list) else image_size
    try:
        return datasets.read(data, split, size, channels, labels)
    except ValueError as error:
        sentence = str(error).replace("`name`", "`--data`").replace("`path`", "`--data`")
        raise ValueError(sentence.replace("name=", "data=").replace("path=", "data=")) from error


def is_folder(data):
    """Returns whether `data` is the user's own folder or file, which has no test split."""
    return data.startswith("folder:") or os.path.isdir(data) or data.endswith((".h5", ".hdf5"))


def training_data(recipe, first=False, channels=None):
    """Returns the `Images` that a recipe trains on; labels and class names are None for an unconditional model.

    Args:
        recipe: A `Recipe`.
        first: Whether `limit` takes the first images, as in runs begun before version 0.2, not a drawn sample.
        channels: Those of a run that has begun, where the recipe leaves them to the data; or None.

    Raises:
        ValueError, FileNotFoundError: The data cannot be read, or has no labels where the recipe needs them.
    """
    labelled = recipe.conditional or recipe.balanced
    wanted = recipe.channels or channels
    images, labels, names = load_data(recipe.data, "train", recipe.image_size, wanted, labelled)
    if labelled and labels is None:
        option = "--conditional" if recipe.conditional else "--balanced"
        model = "A conditional model" if recipe.conditional else "Balanced training"
        raise ValueError(
            f"{model} needs labels. The data has none: sort the images into one folder per class, or leave out "
            f"{option}."
        )
    if recipe.balanced:
        rows = drawing.balanced(labels, recipe.limit, recipe.seed)
        images, labels = images[rows], labels[rows]
    elif recipe.limit is not None and recipe.limit < len(images):
        rows = slice(recipe.limit) if first else drawing.sample(len(images), recipe.limit, recipe.seed)
        images, labels = images[rows], None if labels is None else labels[rows]
    if recipe.conditional and names is not None:
        missing = [name for place, name in enumerate(names) if place not in labels]
        if missing:
            warnings.warn(
                f"The {len(images):,} images hold none of {', '.join(missing)}: these classes are not learned.",
                stacklevel=2,
            )
    if recipe.flip:
        images = np.concatenate([images, images[:, :, ::-1]])
        labels = None if labels is None else np.concatenate([labels, labels])
    return Images(images, labels, names) if recipe.conditional else Images(images, None, None)


def held_out(recipe, images, labels, count):
    """Returns `count` images, with labels, that the model does not train on; the user's own folder has only those."""
    if is_folder(recipe.data):
        rows = drawing.sample(len(images), count, seed=0)
        return images[rows], None if labels is None else labels[rows]
    shown, shown_labels, _ = load_data(recipe.data, "test", recipe.image_size, recipe.channels)
    return shown[:count], None if labels is None else shown_labels[:count]


def images_for(model, data, split=None):
    """Returns `(images, labels)` in the size and channels of a model; labels None for an unconditional one.

    Args:
        model: A model of images.
        data: A set by name, or a folder.
        split: "train", "test", or None: the test split of a named set, all of a folder.

    Raises:
        ValueError: The data has no labels and the model needs them, or they do not fit.
    """
    found = all_for(model, data, split)
    return found.images, conditions_for(model, found)


def all_for(model, data, split=None):
    """Returns the `Images` in the size and channels of a model, with whatever labels the data has."""
    height, width, channels = model.image_shape
    split = split or ("train" if is_folder(data) else "test")
    with _quiet_about_classes(model):
        return load_data(data, split, [height, width], channels)


@contextlib.contextmanager
def _quiet_about_classes(model):
    """Hides the warning about images beside class folders from users of an unconditional model, who need no classes."""
    with warnings.catch_warnings():
        if not model.num_classes:
            warnings.filterwarnings("ignore", message=".*beside the class folders")
        yield


def named_for(model, data):
    """Returns the `Images` of a folder, as `all_for`, and the paths of the files below it."""
    path = data.removeprefix("folder:")
    with _quiet_about_classes(model):
        folder = ImageFolder(path, image_size=model.image_shape[:2], channels=model.image_shape[2])
    images, labels = folder.load()
    return Images(images, labels, folder.classes), folder.names


def is_image_folder(data):
    """Returns whether `data` is a folder of image files, which have names."""
    return data.startswith("folder:") or (data not in datasets.list_datasets() and os.path.isdir(data))


def conditions_for(model, found):
    """Returns the labels of images that a model takes: None for an unconditional one.

    Where both the model and the data name their classes, labels are matched by name.

    Args:
        model: A model of keras_gans.
        found: The `Images`.

    Raises:
        ValueError: There are no labels and the model needs them, or they do not fit.
    """
    if model.num_classes == 0:
        return None
    if found.labels is None:
        raise ValueError(
            f"The model is conditional on {model.num_classes} classes, and the data has no labels: sort the images "
            "into one folder per class."
        )
    if found.class_names is None or not model.class_names:
        return checks.labels(found.labels, len(found.images), model.num_classes)
    try:
        return class_indices(model, found.class_names)[found.labels]
    except ValueError as error:
        raise ValueError(f"The classes of the data are not those of the model. {error}") from error
