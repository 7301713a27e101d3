"""What a run records of itself, and what differs between two runs."""

import hashlib
import platform
import sys

import keras
import numpy as np

from keras_gans import registry
from keras_gans.engine.averaging import WARMUP
from keras_gans.recipes import building
from keras_gans.runs.folder import FORMAT
from keras_gans.version import __version__

_FREE = ("epochs", "steps", "description", "data")  # may change when a run goes on; the data is compared by its digest


def resolved(recipe, run=None):
    """Returns a recipe in which nothing is left to this machine or version: a run keeps what it began with.

    `precision: auto` becomes a Keras policy, an average gets its warm-up, and an augmentation that the recipe does not
    name is that of the run.

    Args:
        recipe: A `Recipe`.
        run: The `Run` that goes on; None for a new one.
    """
    if run is None or not run.begun():
        return building.with_precision(recipe).with_warmup(WARMUP)
    old = run.recipe()
    if recipe.precision == "auto":
        recipe = recipe.replaced(precision=old.precision)
    if "augmentation" in old.knobs and "augmentation" not in recipe.knobs:
        recipe = recipe.replaced(knobs={"augmentation": old.knobs["augmentation"]})
    return recipe.with_warmup(old.average["warmup"] if old.average else WARMUP)


def recorded(recipe, data, num_classes):
    """Returns what config.json holds of a run.

    Args:
        recipe: The `Recipe`, `resolved`.
        data: The `Images` it trains on; labels None for an unconditional model.
        num_classes: Number of classes; 0 for an unconditional model.
    """
    images, labels, class_names = data
    backend = keras.config.backend()
    knobs = {**registry.knobs_of(registry.get(recipe.variant)), **recipe.knobs}
    return {
        "format": FORMAT,
        "recipe": recipe.to_dict(),
        "image_shape": list(images.shape[1:]),
        "num_classes": num_classes,
        "class_names": class_names,
        "knobs": {
            name: value if isinstance(value, (int, float, str, list)) else repr(value)
            for name, value in knobs.items()
            if name != "name"
        },
        "data": {"name": recipe.data, "images": len(images), "sha256": digest(images, labels), "drawn": True},
        "backend": backend,
        "versions": {
            "keras_gans": __version__,
            "keras": keras.__version__,
            backend: getattr(sys.modules.get(backend), "__version__", "unknown"),  # Keras has imported it
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def digest(images, labels):
    """Returns the SHA-256 of images and labels, with their shapes."""
    result = hashlib.sha256()
    for array in (images,) if labels is None else (images, labels):
        result.update(f"{array.shape} {array.dtype}".encode())
        for start in range(0, len(array), 1024):  # of a mapped file, whose length is asked for at each access
            result.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return result.hexdigest()


def differences(run, new):
    """Returns what differs between the settings of a run and others, in words."""
    old, recipe = run.config(), run.recipe().to_dict()
    pairs = [(name, recipe[name], value) for name, value in new["recipe"].items() if name not in _FREE]
    pairs += [(name, old[name], new[name]) for name in ("backend", "num_classes", "image_shape")]
    listed = [f"{name} is {was!r} there and {now!r} here" for name, was, now in pairs if was != now]
    if not listed and old["data"]["sha256"] != new["data"]["sha256"]:
        images = old["data"].get("images", "other"), new["data"]["images"]
        listed = [f"the data is not the same ({images[0]} images there, {images[1]} here)"]
    return listed


def refuse_others(run, settings):
    """Refuses a folder with a run of other settings; says what differs.

    Args:
        run: The `Run` of the folder, which need not have begun.
        settings: Those of the run that is asked for, as `recorded` returns them.

    Raises:
        ValueError: The settings differ, or the config.json of the folder is damaged.
        FileNotFoundError: The folder holds a model without its config.json.
    """
    if not run.begun():
        return
    different = differences(run, settings)
    if different:
        raise ValueError(
            f"The folder {run.folder} holds a run with other settings: {'; '.join(different)}. Give the same "
            "settings to resume it, another --out, or --restart to start over."
        )
