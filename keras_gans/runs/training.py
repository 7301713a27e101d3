"""Training in a run folder: the same call trains, resumes and refuses to mix two runs."""

import contextlib
import dataclasses
import importlib.util
import os
import time
import warnings

import keras
from rich.console import Console

from keras_gans import callbacks, checks, pictures
from keras_gans.callbacks.checkpoint import History
from keras_gans.engine.averaging import weights_in_words
from keras_gans.engine.batches import count
from keras_gans.engine.fitting import to_floats
from keras_gans.recipes import building
from keras_gans.runs import drawing, loading, plan, settings
from keras_gans.runs.folder import Run
from keras_gans.runs.progress import Progress, StopWhenDiverged, duration

CHECKPOINT_MINUTES = 10  # between two checkpoints within an epoch
FRAMES = 100  # of training.gif, about: a run of more epochs skips some


class Stopped(Exception):
    """The user stopped the training; the message says after which epoch and how to go on."""


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
        restart: Whether to remove an earlier run in the folder first; its model stays until the new one is there.
        samples: Images in the sample grid of every epoch; 0 for no pictures.
        console: `rich.console.Console` for what there is to say; default standard output.

    Returns:
        A `Trained`.

    Raises:
        ValueError, TypeError, OSError: For settings that do not fit, a folder with another run or in which another
            process trains, a damaged checkpoint.
        Stopped: The user pressed Ctrl-C.
    """
    console = console or Console()
    samples = checks.positive_integer("samples", samples, minimum=0)
    run = Run(checks.writable_folder("--out", folder))
    run.refuse_foreign()
    with run.alone():
        return _train(recipe, run, restart, samples, console)


def _train(recipe, run, restart, samples, console):
    recipe, trained, done = _prepared(recipe, run, restart)
    if done >= recipe.epochs:
        _complete(trained, done)
        rest = "Give more --epochs to go on, or --restart."
        _say(console, f"The run in {run.folder} is finished: {done} epochs. {rest}")
        return trained
    _announce(console, recipe, trained, done, samples)
    trained.seconds = _fit(recipe, trained, samples, done, console)
    _say(console, f"Finished {recipe.epochs} epochs in {duration(trained.seconds)}. The model is {run.model_path}.")
    return trained


def _say(console, sentence):
    console.print(checks.printable(sentence), highlight=False, soft_wrap=True, markup=False)


def _prepared(recipe, run, restart):
    """Reads the data, builds the model, takes up the last checkpoint and writes config.json.

    Returns:
        `(recipe, trained, done)`: the recipe as it is trained, a `Trained` that is yet to be trained on, and the number
        of epochs done.
    """
    recipe = settings.resolved(recipe, None if restart else run)
    begun = {} if restart or not run.begun() else run.config()
    first = bool(begun) and "drawn" not in begun["data"]
    data = loading.training_data(recipe, first, begun["image_shape"][-1] if begun else None)
    if not begun:
        recipe = plan.augmented(recipe, len(data.images))
    num_classes = 0
    if recipe.conditional:
        num_classes = int(data.labels.max()) + 1 if data.class_names is None else len(data.class_names)
    if begun and "class_names" not in begun:  # before version 0.2 classes had no names and the last could be missing
        num_classes, data = begun["num_classes"], data._replace(class_names=None)
    recorded = settings.recorded(recipe, data, num_classes)
    if not restart:
        settings.refuse_others(run, recorded)
    model, average = building.build(recipe, data.images.shape[1:], num_classes, data.class_names)
    if restart:  # only now: settings that cannot be built leave the old run alone
        run.delete()
    done = _resumed(model, run)
    recipe = dataclasses.replace(recipe, epochs=plan.epochs_for(model, data.images, recipe), steps=None)
    run.write_config({**recorded, "recipe": recipe.to_dict()})
    run.keep_damaged_logs()
    return recipe, Trained(model, average, run, data.images, data.labels, 0.0), done


def _resumed(model, run):
    """Loads the last checkpoint of a run, or its model where there is none; returns the number of epochs done."""
    if not run.models():
        return 0
    at = run.checkpoint_path if os.path.exists(run.checkpoint_path) else run.model_path
    try:
        if at == run.model_path:
            loading.check_file(at)
        model.load_weights(at)
    except (OSError, ValueError) as error:
        if at == run.checkpoint_path and os.path.exists(run.model_path):
            raise ValueError(f"{error} Remove it to go on from model.keras, or start over with --restart.") from error
        raise ValueError(f"{error} Start over with --restart.") from error
    if at == run.model_path:
        os.makedirs(run.checkpoints, exist_ok=True)
        model.save_weights(run.checkpoint_path)
    return count(model.epochs_done)


def _complete(trained, done):
    """Writes the model of a finished run from its checkpoint, where it is missing, damaged or of fewer epochs."""
    model, path = trained.model, trained.run.model_path
    if os.path.exists(path):
        try:
            if count(loading.load_file(path).epochs_done) == done:
                return
        except (OSError, ValueError) as error:
            warnings.warn(f"{error} It is written again from the checkpoint.", stacklevel=2)
    _save(model, trained.run)


def _save(model, run):
    model.save(run.model_path)
    with contextlib.suppress(FileNotFoundError):
        os.remove(run.previous_path)


def _announce(console, recipe, trained, done, samples):
    """Says what is trained on what, from where on, how long, and which weights the pictures show."""
    model, images, average, run = trained.model, trained.images, trained.average, trained.run
    shape = "x".join(str(side) for side in images.shape[1:])
    classes = f", {model.num_classes} classes" if model.num_classes else ""
    sizes = ", ".join(f"{name} {getattr(model, name).count_params():,}" for name in model.networks)
    data = f"{len(images):,} images of {shape}{classes}"
    _say(console, f"{recipe.variant} on {recipe.data}: {data}; parameters: {sizes}; precision: {recipe.precision}.")
    few = plan.sentence_about_few(recipe, len(images))
    for line in ([few] if few else []) + plan.sentences(model, images, recipe, done):
        _say(console, line)
    within = f" and {model.resume_at} steps of the next" if model.resume_at else ""
    resumes = f"Resuming after epoch {done} of {recipe.epochs}{within}."
    _say(console, resumes if done or within else f"Training for {recipe.epochs} epoch{'s' * (recipe.epochs > 1)}.")
    if samples:
        shown = weights_in_words(average and average.average)
        _say(console, f"Pictures show the {shown}; {run.reals} shows the data.")


def _fit(recipe, trained, samples, done, console):
    """Trains the epochs that are left and saves the model; returns the seconds.

    Raises:
        Stopped: The user pressed Ctrl-C.
    """
    model, run = trained.model, trained.run
    if samples and len(model.image_shape) == 3:
        _show_reals(trained, samples)
    bar = Progress(console, len(trained.images), recipe.epochs)
    finished = [done]
    chosen = [
        *_callbacks(recipe, trained, samples, bar),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: finished.append(epoch + 1)),
    ]
    options = {"batch_size": recipe.batch_size, "epochs": recipe.epochs, "verbose": 0, "callbacks": chosen}
    begun = time.perf_counter()
    try:
        model.fit(trained.images, trained.labels, **options)
        seconds = time.perf_counter() - begun
        _save(model, run)
    except KeyboardInterrupt:
        after = f"after epoch {finished[-1]} of {recipe.epochs}"
        if not finished[-1]:
            after = "before the first epoch was finished"
        raise Stopped(f"Stopped {after}; run the same command to resume.") from None
    finally:
        bar.close()
    return seconds


def _callbacks(recipe, trained, samples, bar):
    """Returns the callbacks of a run in their order: the average before those that use it, the checkpoint last."""
    run, average = trained.run, trained.average
    chosen = [average] if average else []
    chosen += [bar, StopWhenDiverged(), History(run.logs_path), *_sample_grids(recipe, trained, samples)]
    if keras.config.backend() == "tensorflow" and importlib.util.find_spec("tensorboard"):
        chosen.append(keras.callbacks.TensorBoard(run.tensorboard, write_graph=False))
    # The last one: what is in a checkpoint is in the logs and pictures.
    return [*chosen, callbacks.Checkpoint(run.checkpoints, minutes=CHECKPOINT_MINUTES)]


def _show_reals(trained, count):
    """Writes reals.png: training images as the model sees them, and, where it augments them, how."""
    model, images = trained.model, trained.images
    images = images[drawing.sample(len(images), count, seed=0)]
    scale, augmentation = pictures.enlargement(model.image_shape), getattr(model, "augmentation", None)
    if augmentation is None:
        picture = pictures.grid(images, scale=scale)
        caption = "training images as the model sees them"
    else:
        own = type(augmentation).from_config(augmentation.get_config())  # the seeds of training stay where they are
        changed = model.to_pictures(keras.ops.convert_to_numpy(own(to_floats(images))))
        picture = pictures.side_by_side(images, changed, scale=scale)
        caption = "training images, and on their right how the discriminator sees them (augmented)"
    pictures.save_png(trained.run.reals, pictures.captioned(picture, caption))


def _sample_grids(recipe, trained, samples):
    """Returns the callbacks that draw samples and, for a model with an encoder, reconstructions."""
    model, run = trained.model, trained.run
    if not samples or len(model.image_shape) != 3:
        return []
    usual = {"average": trained.average, "scale": pictures.enlargement(model.image_shape), "caption": True}
    usual["every"] = max(1, recipe.epochs // FRAMES)
    grids = [callbacks.SampleGrid(run.samples, count=samples, **usual)]
    if hasattr(model, "reconstruct"):
        images, labels = loading.held_out(recipe, trained.images, trained.labels, min(samples, 16))
        options = {"show": "reconstructions", "images": images, "labels": labels}
        grids.append(callbacks.SampleGrid(run.reconstructions, **options, **usual))
    return grids
