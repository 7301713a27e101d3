"""Trained models from a `.keras` file or from a run folder."""

import contextlib
import os
import zipfile

from keras_gans import checks


def load_model(path):
    """Returns the model of keras_gans at `path`.

    Args:
        path: A `.keras` file, or a run folder: its `model.keras`, or, while it is not finished, the settings in
            `config.json` with the weights of the last checkpoint; or a preset, by name, folder or URL.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no model in the folder.
        ValueError, OSError: The file is damaged, or not a model of keras_gans; the sentence names it.
    """
    path = os.fspath(path)
    if is_preset(path):
        from keras_gans import zoo

        return zoo.from_preset(path)
    if os.path.isdir(path):
        from keras_gans.commands import runs

        run = runs.Run(path)
        return load_file(run.model_path) if os.path.exists(run.model_path) else runs.rebuild(run)
    return load_file(path)


def is_preset(path):
    """Returns whether `path` is the name, folder or URL of a preset rather than a file or a run folder."""
    from keras_gans import zoo

    if os.path.isdir(path):
        return os.path.isfile(os.path.join(path, "metadata.json"))
    bare = not os.path.exists(path) and os.sep not in path and not path.endswith(".keras")
    return path in zoo.list_presets() or "://" in path or path.endswith(".zip") or bare


def load_file(path):
    """Returns the model of keras_gans in a `.keras` file; see `load_model`."""
    import keras

    from keras_gans.engine import GenerativeModel

    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no model file or run folder {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(
            f"The model file {path} cannot be read: it is cut short, or no .keras file ({error})."
        ) from error
    if damaged:
        raise ValueError(f"The model file {path} is damaged: the checksum of {damaged} inside it does not match.")
    if "config.json" not in names:
        raise ValueError(f"The file {path} is no Keras model: it has no config.json inside.")
    try:
        model = keras.models.load_model(path)
    except Exception as error:  # Keras raises nearly anything for contents it does not know
        raise ValueError(f"The model file {path} cannot be read. Keras says: {_first_line(error)}") from error
    if not isinstance(model, GenerativeModel):
        raise ValueError(f"The file {path} holds a {type(model).__name__}, which is no model of keras_gans.")
    return model


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def weights_in_use(model, average=None):
    """Returns the context in which `model` has the weights that were asked for.

    Args:
        model: A model of keras_gans.
        average: True for its moving average, False for the last weights, None (default) for the average, if any.

    Raises:
        ValueError: The average is asked for and the model has none.
    """
    if average and not model.averages:
        raise ValueError("The model has no moving average: leave out --average, or train with --average 0.999.")
    return model.averages[0].applied() if model.averages and average is not False else contextlib.nullcontext()


def require_encoder(model, command):
    """Refuses a model without an encoder for a command that needs one."""
    if not hasattr(model, "encode"):
        from keras_gans import registry

        able = [name for name in registry.list_models() if hasattr(registry.get(name), "encode")]
        raise ValueError(
            f"`{command}` needs a model with an encoder ({', '.join(able)}). The model is a {type(model).__name__}."
        )


def require_images(model, command):
    """Refuses a model of points for a command that draws pictures."""
    if len(model.image_shape) != 3:
        raise ValueError(f"`{command}` draws images. The model makes points of shape {model.image_shape}.")


def parse_labels(text):
    """Returns the labels in `"3"` or `"0,1,2"` as a list of integers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"`labels` must be integers with commas between them. {checks.received(labels=text)}"
        ) from None
