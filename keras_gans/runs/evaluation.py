"""The record of an evaluation: scores of a model with all that is needed to compute them again."""

import numpy as np
from rich.console import Console
from rich.progress import Progress

from keras_gans import checks, metrics, pictures
from keras_gans.metrics.networks import feature_network
from keras_gans.runs import loading


def record(asked, samples, seed, picture=None):
    """Returns the record of an evaluation.

    Args:
        asked: Dict of `model`, `data`, `split`, `features`, `weights`, `average`, `neighbours` (whether).
        samples, seed: See `keras_gans.metrics.evaluate`.
        picture: Path for the nearest neighbours, or None.
    """
    model = loading.load_model(asked["model"])
    loading.require_images(model, "evaluate")
    images, labels = loading.images_for(model, asked["data"], asked["split"])
    count = len(images) if samples is None else checks.positive_integer("--samples", samples, minimum=8)
    loading.require_memory(model, "--samples", count)
    judge = _judge(asked)
    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    with loading.weights_in_use(model, asked["average"]), progress as bar:
        task = bar.add_task(f"Generating {count:,} images", total=count)
        found = metrics.evaluate(
            model, images, judge, labels, count, seed, lambda done: bar.update(task, completed=done)
        )
    if asked["neighbours"]:
        found["scores"] |= _neighbours(model, judge, asked, count, seed, picture)
    return {**found, "asked": asked}


def _judge(asked):
    """Returns what `keras_gans.metrics.evaluate` takes as `features`."""
    if asked["weights"] is None:
        return asked["features"]
    try:
        return metrics.FIDInception(asked["weights"])
    except ValueError as error:  # the command has no way round: a score of other weights has another name
        advice = "Give sha256=None to use it all the same; its numbers are then no FID."
        raise ValueError(str(error).replace(advice, "Leave out --weights to download the public one.")) from error


def _neighbours(model, judge, asked, count, seed, picture):
    """Compares generated images with their nearest training images; returns the numbers and draws the closest."""
    height, width, channels = model.image_shape
    train, held_out = (
        loading.load_data(asked["data"], split, [height, width], channels)[0] for split in ("train", "test")
    )
    with loading.weights_in_use(model, asked["average"]):
        images = model.generate(count, seed=seed)
    features = feature_network(judge, model.image_shape)
    sets = {"train": train, "fake": images, "held_out": held_out, "mirrored": images[:, :, ::-1]}
    found = metrics.nearest_neighbours(**{name: features(values) for name, values in sets.items()})
    if picture is not None:
        closest = found.closest(16)
        near, flipped = train[found.indices[closest]], found.mirrored[closest, None, None, None]
        near = np.where(flipped, near[:, :, ::-1], near)
        sheet = pictures.side_by_side(images[closest], near, scale=pictures.enlargement(model.image_shape))
        pictures.save_png(picture, sheet)
    return {"copied": found.copied, "neighbours_z": found.z, "authenticity": found.authenticity}
