"""Run folders: a recipe becomes a trained model, and can be stopped and resumed at any epoch.

A run folder holds

    config.json       the recipe, what it resolved to, the digest of the data, versions
    logs.csv          the logs of every epoch
    checkpoints/      latest.weights.h5, from which the run resumes; written after every epoch and every ten minutes
    samples/          the same latents after every epoch, and training.gif
    reconstructions/  the same images beside their reconstructions (models with an encoder)
    tensorboard/      on TensorFlow with tensorboard installed
    model.keras       the trained model, with its moving average

`train(recipe, folder)` is what `keras-gans train` and `keras-gans demo` do.
"""

import contextlib
import csv
import dataclasses
import glob
import hashlib
import importlib.util
import json
import os
import platform
import sys
import time

from keras_gans import checks
from keras_gans.recipes import Recipe, from_mapping
from keras_gans.version import __version__

FORMAT = 1
CHECKPOINT_MINUTES = 10  # between two checkpoints within an epoch
_FREE = ("epochs", "description", "data")  # may change when a run goes on; the data is compared by its digest


class Stopped(Exception):
    """The user stopped the training; the message says after which epoch and how to go on."""


class Run:
    """The files of one training run.

    Args:
        folder: The run folder; need not exist.
    """

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.config_path = os.path.join(self.folder, "config.json")
        self.logs_path = os.path.join(self.folder, "logs.csv")
        self.model_path = os.path.join(self.folder, "model.keras")
        self.checkpoints = os.path.join(self.folder, "checkpoints")
        self.checkpoint_path = os.path.join(self.checkpoints, "latest.weights.h5")
        self.samples = os.path.join(self.folder, "samples")
        self.reconstructions = os.path.join(self.folder, "reconstructions")
        self.tensorboard = os.path.join(self.folder, "tensorboard")

    def config(self):
        """Returns the content of config.json.

        Raises:
            FileNotFoundError: The folder is no run folder.
            ValueError: The file is damaged.
        """
        if not os.path.isfile(self.config_path):
            raise FileNotFoundError(f"{self.folder} is no run folder: it has no config.json.")
        try:
            with open(self.config_path, encoding="utf-8") as file:
                config = json.load(file)
            if config["format"] != FORMAT:
                raise ValueError(f"format {config['format']} is not known")
            from_mapping(config["recipe"], self.config_path)
            config["image_shape"], config["num_classes"], config["data"]["sha256"], config["backend"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The file {self.config_path} is damaged or of another version of keras_gans ({error}). Start over "
                "with --restart, or choose another folder."
            ) from error
        return config

    def recipe(self):
        """Returns the recipe of the run."""
        return from_mapping(self.config()["recipe"], self.config_path)

    def rows(self):
        """Returns the logs of the epochs done, as dicts of strings."""
        if not os.path.exists(self.logs_path):
            return []
        with open(self.logs_path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def delete(self):
        """Removes what a run writes, and nothing else."""
        single = [self.config_path, self.logs_path, self.model_path, self.checkpoint_path]
        found = [path for path in single if os.path.exists(path)]
        for folder, patterns in (
            (self.samples, ("epoch_*.png", "training.gif")),
            (self.reconstructions, ("epoch_*.png", "training.gif")),
            (os.path.join(self.tensorboard, "train"), ("events.out.tfevents.*",)),
        ):
            for pattern in patterns:
                found += glob.glob(os.path.join(glob.escape(folder), pattern))
        for path in found:
            os.remove(path)
        for folder in (self.samples, self.reconstructions, self.checkpoints, os.path.join(self.tensorboard, "train")):
            with contextlib.suppress(OSError):  # not there, or it holds something else
                os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir(self.tensorboard)


def load_data(data, split="train", image_size=None, channels=None):
    """Returns `(images, labels)` of a set by name, of `folder:PATH`, or of the path of a folder or an .h5 file.

    Raises:
        ValueError, FileNotFoundError: Those of `keras_gans.data.load`, in the words of the command line.
    """
    from keras_gans import data as datasets

    if not data.startswith("folder:") and data not in datasets.list_datasets() and os.path.isdir(data):
        data = f"folder:{data}"
    size = tuple(image_size) if isinstance(image_size, list) else image_size
    try:
        return datasets.load(data, split, size, channels)
    except ValueError as error:
        raise ValueError(str(error).replace("`name`", "`--data`").replace("name=", "data=")) from error


def is_folder(data):
    """Returns whether `data` is the user's own folder or file, which has no test split."""
    return data.startswith("folder:") or os.path.isdir(data) or data.endswith((".h5", ".hdf5"))


def digest(images, labels):
    """Returns the SHA-256 of images and labels, with their shapes."""
    import numpy as np

    result = hashlib.sha256()
    for array in (images,) if labels is None else (images, labels):
        result.update(f"{array.shape} {array.dtype}".encode())
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


def training_data(recipe):
    """Returns `(images, labels)` of a recipe; labels are None for an unconditional model."""
    images, labels = load_data(recipe.data, "train", recipe.image_size, recipe.channels)
    if recipe.conditional and labels is None:
        raise ValueError(
            "A conditional model needs labels. The data has none: sort the images into one folder per class, or leave "
            "out --conditional."
        )
    images = images[: recipe.limit]
    return images, labels[: recipe.limit] if recipe.conditional else None


def with_precision(recipe, run=None):
    """Returns a recipe whose precision is a Keras policy: for `"auto"` that of the run, if it has begun, else this
    machine's.
    """
    from keras_gans.recipes import building

    if recipe.precision == "auto" and run is not None and os.path.exists(run.config_path):
        return recipe.replaced(precision=run.recipe().precision)
    return building.with_precision(recipe)


def rebuild(run):
    """Returns the model of an unfinished run: its settings with the weights of its last checkpoint."""
    from keras_gans.recipes import building

    config = run.config()
    if not os.path.exists(run.checkpoint_path):
        raise FileNotFoundError(f"The run folder {run.folder} holds no model yet: its first epoch is not finished.")
    model, _ = building.build(run.recipe(), config["image_shape"], config["num_classes"])
    model.load_weights(run.checkpoint_path)
    return model


def _settings(recipe, images, labels, num_classes):
    import keras
    import numpy as np

    from keras_gans import registry

    backend = keras.config.backend()
    knobs = {**registry.knobs_of(registry.get(recipe.variant)), **recipe.knobs}
    return {
        "format": FORMAT,
        "recipe": recipe.to_dict(),
        "image_shape": list(images.shape[1:]),
        "num_classes": num_classes,
        "knobs": {
            name: value if isinstance(value, (int, float, str, list)) else repr(value)
            for name, value in knobs.items()
            if name != "name"
        },
        "data": {"name": recipe.data, "images": len(images), "sha256": digest(images, labels)},
        "backend": backend,
        "versions": {
            "keras_gans": __version__,
            "keras": keras.__version__,
            backend: getattr(sys.modules.get(backend), "__version__", "unknown"),  # Keras has imported it
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _differences(old, new):
    """Returns what differs between the settings of two runs, in words."""
    recipe = from_mapping(old["recipe"], "config.json").to_dict()
    pairs = [(name, recipe[name], value) for name, value in new["recipe"].items() if name not in _FREE]
    pairs += [(name, old[name], new[name]) for name in ("backend", "num_classes", "image_shape")]
    listed = [f"{name} is {was!r} there and {now!r} here" for name, was, now in pairs if was != now]
    if not listed and old["data"]["sha256"] != new["data"]["sha256"]:
        listed = [f"the data is not the same ({old['data']['images']} images there, {new['data']['images']} here)"]
    return listed


@dataclasses.dataclass
class Trained:
    """What `train` returns.

    Args:
        model: The trained model.
        average: Its `WeightMovingAverage`, or None.
        run: The `Run`.
        images, labels: The training data; labels None for an unconditional model.
        seconds: Seconds this call spent in training; 0 for a run that was finished.
    """

    model: object
    average: object
    run: Run
    images: object
    labels: object
    seconds: float


def train(recipe, folder, restart=False, samples=64, console=None):
    """Trains a recipe in a run folder, or resumes what is there.

    Args:
        recipe: A `Recipe`.
        folder: The run folder; created if needed.
        restart: Whether to remove an earlier run in the folder first.
        samples: Images in the sample grid of every epoch; 0 for no pictures.
        console: `rich.console.Console` for what there is to say; default standard output.

    Returns:
        A `Trained`.

    Raises:
        ValueError, TypeError, OSError: For settings that do not fit, a folder with another run, a damaged checkpoint.
        Stopped: The user pressed Ctrl-C.
    """
    import keras
    from rich.console import Console

    from keras_gans import callbacks
    from keras_gans.callbacks.checkpoint import History
    from keras_gans.commands import progress
    from keras_gans.commands.drawing import enlargement
    from keras_gans.engine.batches import count
    from keras_gans.output.files import write_json
    from keras_gans.recipes import building

    console = console or Console()

    def say(sentence):
        console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    samples = checks.positive_integer("samples", samples, minimum=0)
    run = Run(checks.writable_folder("--out", folder))
    recipe = with_precision(recipe, None if restart else run)
    images, labels = training_data(recipe)
    num_classes = 0 if labels is None else int(labels.max()) + 1
    settings = _settings(recipe, images, labels, num_classes)
    if os.path.exists(run.config_path) and not restart:
        different = _differences(run.config(), settings)
        if different:
            raise ValueError(
                f"The folder {run.folder} holds a run with other settings: {'; '.join(different)}. Give the same "
                "settings to resume it, another --out, or --restart to start over."
            )
    model, average = building.build(recipe, images.shape[1:], num_classes)
    if restart:
        run.delete()
    done = 0
    if os.path.exists(run.checkpoint_path):
        try:
            model.load_weights(run.checkpoint_path)
        except (OSError, ValueError) as error:
            raise ValueError(f"{error} Start over with --restart.") from error
        done = count(model.epochs_done)
    write_json(run.config_path, settings)
    result = Trained(model, average, run, images, labels, 0.0)
    if done >= recipe.epochs:
        if not os.path.exists(run.model_path):
            model.save(run.model_path)
        say(f"The run in {run.folder} is finished: {done} epochs. Give more --epochs to go on, or --restart.")
        return result

    shape = "x".join(str(side) for side in images.shape[1:])
    classes = f", {num_classes} classes" if num_classes else ""
    sizes = ", ".join(f"{name} {getattr(model, name).count_params():,}" for name in model.networks)
    data = f"{len(images):,} images of {shape}{classes}"
    say(f"{recipe.variant} on {recipe.data}: {data}; parameters: {sizes}; precision: {recipe.precision}.")
    within = f" and {model.resume_at} steps of the next" if model.resume_at else ""
    resumes = f"Resuming after epoch {done} of {recipe.epochs}{within}."
    say(resumes if done or within else f"Training for {recipe.epochs} epochs.")

    scale = enlargement(images.shape[1:])
    bar = progress.Progress(console, len(images), recipe.epochs)
    chosen = [bar, progress.StopWhenDiverged(), History(run.logs_path)]
    chosen = [average, *chosen] if average else chosen
    if samples and len(model.image_shape) == 3:
        chosen.append(callbacks.SampleGrid(run.samples, count=samples, average=average, scale=scale))
        if hasattr(model, "reconstruct"):
            shown, shown_labels = _held_out(recipe, images, labels, min(samples, 16))
            options = {"show": "reconstructions", "images": shown, "labels": shown_labels}
            chosen.append(callbacks.SampleGrid(run.reconstructions, average=average, scale=scale, **options))
    if settings["backend"] == "tensorflow" and importlib.util.find_spec("tensorboard"):
        chosen.append(keras.callbacks.TensorBoard(run.tensorboard, write_graph=False))
    chosen.append(
        callbacks.Checkpoint(run.checkpoints, minutes=CHECKPOINT_MINUTES)
    )  # last: what is in a checkpoint is in the logs and pictures
    finished = [done]
    chosen.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: finished.append(epoch + 1)))
    if os.path.exists(run.model_path):  # of fewer epochs; until the new one is there, the checkpoint is the model
        os.remove(run.model_path)
    begun = time.perf_counter()
    try:
        model.fit(images, labels, batch_size=recipe.batch_size, epochs=recipe.epochs, verbose=0, callbacks=chosen)
        result.seconds = time.perf_counter() - begun
        model.save(run.model_path)
    except KeyboardInterrupt:
        bar.close()
        after = (
            f"after epoch {finished[-1]} of {recipe.epochs}" if finished[-1] else "before the first epoch was finished"
        )
        raise Stopped(f"Stopped {after}; run the same command to resume.") from None
    finally:
        bar.close()
    say(f"Finished {recipe.epochs} epochs in {progress.duration(result.seconds)}. The model is {run.model_path}.")
    return result


def _held_out(recipe, images, labels, count):
    """Returns `count` images, with labels, that the model does not train on; the user's own folder has only those."""
    if is_folder(recipe.data):
        return images[:count], None if labels is None else labels[:count]
    shown, shown_labels = load_data(recipe.data, "test", recipe.image_size, recipe.channels)
    return shown[:count], None if labels is None else shown_labels[:count]


def default_recipe(variant, **options):
    """Returns the recipe of a variant without a recipe file: the defaults of `Recipe` with `options`."""
    return Recipe(variant).replaced(**options)
