"""What a run plans before its first step: how many steps, how long they take, and whether presets needed more."""

import time

from keras_gans import registry, zoo
from keras_gans.engine.batches import ArrayBatches
from keras_gans.runs import loading
from keras_gans.runs.progress import duration

FEW_IMAGES = 5000  # below so many images of the user's own the discriminator learns them by heart
POLICY = "color,translation"  # of DiffAugment, where the user names none
FAR = 4  # times fewer steps than the least of the presets: said before the training
PASSES_PER_STEP = 9  # generated batches that take as long as a train step, where a model does not say


def augmented(recipe, count):
    """Returns a recipe with DiffAugment where the user's own folder has few images and the recipe says nothing.

    Args:
        recipe: A `Recipe`.
        count: Number of training images.
    """
    variant = registry.get(recipe.variant)
    fits = loading.is_folder(recipe.data) and count < FEW_IMAGES and "augmentation" in registry.knobs_of(variant)
    if not fits or "augmentation" in recipe.knobs:
        return recipe
    return recipe.replaced(knobs={"augmentation": {"DiffAugment": {"policy": POLICY}}})


def steps_per_epoch(model, images, recipe):
    """Returns the train steps of one pass over the images."""
    return len(ArrayBatches((images,), recipe.batch_size * model.batches_per_step))


def epochs_for(model, images, recipe):
    """Returns the epochs of a recipe: of its `steps`, rounded up, where it has them."""
    return recipe.epochs if recipe.steps is None else -(-recipe.steps // steps_per_epoch(model, images, recipe))


def seconds_per_step(model, recipe):
    """Returns about how long a train step will take, from one batch of generated images.

    A step of gan, o_gan, rsgan, wgan_gp and ign (DCGAN of width 24, 32x32x3, two cores with AVX2, other work running)
    took 7, 7, 16, 8 and 10 times as long as its batch from the generator: the callers say "about".
    """
    rows = recipe.batch_size * model.batches_per_step
    model.generate(rows, seed=0)  # compiles; the sample grids use the same function
    took = []
    for _ in range(2):
        begun = time.perf_counter()
        model.generate(rows, seed=0)
        took.append(time.perf_counter() - begun)
    return getattr(model, "passes_per_step", PASSES_PER_STEP) * min(took)


def presets_steps(recipe, image_shape):
    """Returns the train steps of the presets of such data, sorted: of the same set, or with the same channels.

    A step of some variants is another thing than one of a game: theirs are compared among themselves.
    """
    classes, own = registry.classes(), registry.get(recipe.variant)
    known = [zoo.metadata(name) for name in zoo.list_presets()]
    known = [
        about
        for about in known
        if about["class"] == own.__name__ or (own.steps_compare and classes[about["class"]].steps_compare)
    ]
    alike = [about for about in known if about.get("data") == recipe.data]
    alike = alike or [
        about for about in known if about["image_shape"][-1] == image_shape[-1] and about["data"] != "digits"
    ]
    return sorted(about["steps"] for about in alike if "steps" in about)


def sentences(model, images, recipe, done):
    """Returns the lines that say what is planned.

    Args:
        model: The compiled model.
        images: Its training images.
        recipe: The `Recipe`; its `epochs` are those of the whole run.
        done: Epochs that are done.
    """
    per_epoch = steps_per_epoch(model, images, recipe)
    total, left = recipe.epochs * per_epoch, (recipe.epochs - done) * per_epoch - model.resume_at
    seconds = seconds_per_step(model, recipe)
    rows = recipe.batch_size * model.batches_per_step
    of_them = f" of {total:,}" if left < total else ""
    lines = [f"Planned: {left:,}{of_them} steps of {rows} images, about {duration(left * seconds)} on this machine."]
    needed = presets_steps(recipe, model.image_shape)
    if needed and total * FAR < needed[0]:
        least = f"{needed[0]:,} to {needed[-1]:,}" if needed[-1] > needed[0] else f"{needed[0]:,}"
        lines.append(
            f"That is few: presets of such data took {least} steps. With --steps {needed[0]} "
            f"(about {duration((needed[0] - total + left) * seconds)}) there is something to see."
        )
    return lines


def sentence_about_few(recipe, count):
    """Returns the line about the augmentation of few images, or None where there are enough."""
    if not loading.is_folder(recipe.data) or count >= FEW_IMAGES:
        return None
    given = recipe.knobs.get("augmentation")
    if isinstance(given, dict) and "DiffAugment" in given:
        policy = (given["DiffAugment"] or {}).get("policy", "color,translation,cutout")
        line = (
            f"With fewer than {FEW_IMAGES:,} images DiffAugment ({policy}) keeps the discriminator from learning them "
        )
        line += "by heart; --augment none turns it off."
    else:
        line = f"Without augmentation a discriminator learns fewer than {FEW_IMAGES:,} images by heart."
    return line if recipe.flip else line + " Where mirror images make sense, add --flip."
