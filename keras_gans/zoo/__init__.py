"""Trained models: `from_preset("o_gan_fashion_mnist")` from the package, a folder, a URL, or a hub."""

import os

from keras_gans import checks
from keras_gans.output import files
from keras_gans.zoo import download, preset
from keras_gans.zoo.preset import PresetError, save

__all__ = ["PresetError", "from_preset", "list_presets", "metadata", "save"]

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "presets")
HUB = "KERAS_GANS_HUB"
LICENCE = "Apache-2.0"  # of the weights in the package


def list_presets():
    """Returns the names of the presets in the package, sorted."""
    if not os.path.isdir(FOLDER):
        return []
    return sorted(name for name in os.listdir(FOLDER) if os.path.isfile(os.path.join(FOLDER, name, "metadata.json")))


def from_preset(name, expected_class=None, refresh=False):
    """Returns a trained model.

    | name | where from |
    |---|---|
    | `"o_gan_fashion_mnist"` | the package: no network; see `list_presets()` |
    | `"folder/"`, `"preset.zip"` | your disk, as `model.save_to_preset` wrote it |
    | `"https://..."` | a folder or .zip archive on a server, kept in the cache under `KERAS_HOME` |
    | any other name | `$KERAS_GANS_HUB/name`, where that variable holds a base URL; kept in the cache |
    | `"hf://user/repo"` | the Hugging Face hub, with `pip install keras_gans[hf]` |

    Sizes and digests are compared with metadata.json, and classes, shapes and values checked, before anything is
    loaded.

    Args:
        name: See above.
        expected_class: A class that the model must be of, or None; `kg.OGAN.from_preset(name)` gives its own.
        refresh: Whether to look for a newer one where the cache has one.

    Raises:
        ValueError: An unknown name (with the nearest, and the list).
        PresetError: A preset that is damaged, tampered with, or of another version: a `ValueError`, too.
        OSError: A hub that cannot be reached, a cache that cannot be written.

    Example:

    >>> images = from_preset("o_gan_fashion_mnist").generate(16, seed=0)
    """
    folder = _folder(name, refresh)
    model = preset.load(folder, expected_class)
    about = preset.read_metadata(os.path.join(folder, "metadata.json"))
    model.title = about["name"]  # what an exported file says of itself
    model.licence = preset.licence_in(about, LICENCE if os.path.dirname(folder) == FOLDER else "not stated")
    return model


def metadata(name):
    """Returns what is known about a preset: versions, variant, data, seed, steps, scores; see `from_preset`."""
    return preset.read_metadata(os.path.join(_folder(name, False), "metadata.json"))


def _folder(name, refresh):
    if not isinstance(name, (str, os.PathLike)) or not os.fspath(name):
        raise TypeError(f"`name` must be the name, path or URL of a preset. {checks.received(name=name)}")
    name = os.fspath(name)
    if name in list_presets():
        return os.path.join(FOLDER, name)
    if name.startswith(("https://", "http://")):
        return download.fetch(name, refresh)
    if name.startswith("hf://"):
        return _hugging_face(name[len("hf://") :])
    if os.path.isdir(name):
        return name
    if name.endswith(".zip") and os.path.isfile(name):
        return _unpacked(name)
    hub = os.environ.get(HUB)
    if hub and "/" not in name and "\\" not in name:
        return download.fetch(f"{hub.rstrip('/')}/{name}", refresh)
    known = list_presets()
    listed = ", ".join(map(repr, known)) or "none"
    raise ValueError(
        f"`name` must be a preset of the package ({listed}), a folder, an https:// URL, or a name under the base URL "
        f"in {HUB}{'' if hub else ' (which is not set)'}. {checks.nearest(name, known)}{checks.received(name=name)}"
    )


def _unpacked(archive):
    import hashlib

    with open(archive, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = os.path.join(download.cache_folder(), f"archive-{digest[:16]}")
    if not os.path.isfile(os.path.join(folder, "metadata.json")):
        import tempfile

        cache = download.cache_folder()
        files.sweep(cache)
        with files.claimed(lambda: tempfile.mkdtemp(dir=cache, prefix=files.TEMPORARY)) as temporary:
            preset.extract(archive, temporary)
            if not os.path.isdir(folder):
                os.replace(temporary, folder)
    return folder


def _hugging_face(repository):
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            "A preset from hf:// needs huggingface_hub, which is not installed: pip install keras_gans[hf]."
        ) from error
    try:
        return snapshot_download(repository, allow_patterns=list(preset.FILES))
    except Exception as error:
        raise OSError(f"hf://{repository} cannot be loaded: {checks.first_line(error)}") from error
