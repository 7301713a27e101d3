"""`keras-gans demo`: an O-GAN trained on real images, and what it can do, in pictures and numbers."""

import os
import shutil
from typing import Annotated

import typer

from keras_gans import recipes
from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def demo(
    out: Annotated[str, typer.Option(help="The run folder, which also gets the pictures.")] = "demo",
    data: Annotated[
        str, typer.Option(help="digits (in the package), fashion_mnist, or a folder of images.")
    ] = "digits",
    epochs: Annotated[int | None, typer.Option(help="Passes over the data. [default: those of the recipe]")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the networks. [default: that of the recipe]")] = None,
    limit: options.Limit = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, another run. [default: that of the recipe]")] = None,
    restart: options.Restart = False,
):
    """Train an O-GAN on real digits and show what it does.

    Its discriminator is an encoder, too: it generates, and it reconstructs digits that it has never seen. The data is
    in the package; nothing is downloaded. The same as `keras-gans train recipe:o_gan_digits --out demo`, followed by
    samples.png, reconstructions.png, interpolation.png, training.gif and the numbers of report.json in the folder.
    Stopped with Ctrl-C, the same command resumes it.

    \b
    Example:
      keras-gans demo
      keras-gans demo --data fashion_mnist --out demo-fashion
    """
    load_library()
    from keras_gans import pictures
    from keras_gans.output.files import write_json
    from keras_gans.runs import interpolation, loading, progress, training

    recipe = _recipe(data).replaced(
        epochs=epochs,
        network_options=None if width is None else {"width": width},
        limit=limit,
        seed=seed,
    )
    trained = training.train(recipe, out, restart=restart)
    model, scale = trained.model, pictures.enlargement(trained.model.image_shape)

    def path(name):
        return os.path.join(out, name)

    with loading.weights_in_use(model):
        pictures.save_png(path("samples.png"), pictures.grid(model.generate(64, seed=recipe.seed), scale=scale))
        split = "training" if loading.is_folder(recipe.data) else "held-out"
        report, images, again = measure(model, recipe, trained.images)
        pictures.save_png(path("reconstructions.png"), pictures.side_by_side(images[:32], again[:32], scale=scale))
        lines = interpolation.between_images(model, recipe.data, pairs=6, steps=8, seed=recipe.seed, renormalize=False)
        pictures.save_png(path("interpolation.png"), pictures.strips(lines, scale=scale))
    animation = os.path.join(trained.run.samples, "training.gif")
    if os.path.exists(animation):
        shutil.copyfile(animation, path("training.gif"))

    rows = trained.run.rows()
    report["epochs"] = len(rows)
    report["training_seconds"] = round(sum(float(row["seconds"]) for row in rows), 1)
    report["images_per_second"] = float(rows[-1]["images_per_second"]) if rows else None
    write_json(path("report.json"), report)
    typer.echo(
        f"\nTraining time                                  {progress.duration(report['training_seconds'])} "
        f"({report['epochs']} epochs, {report['images_per_second']:,.0f} images/s in the last)\n"
        f"Latent correlation on generated images         {report['latent_correlation']:.3f} (1: the encoder "
        "inverts the generator)\n"
        f"Reconstruction error, {split + ' images':<24} {report['reconstruction_error']:.4f} (mean squared, images in "
        "[-1, 1])\n"
        f"Error of the mean training image               {report['mean_image_error']:.4f}\n\n"
    )
    for name, what in (
        ("samples.png", "64 generated images"),
        ("reconstructions.png", f"{split} images beside their reconstructions"),
        ("interpolation.png", f"from one {split} image to another, by their encodings"),
        ("training.gif", "the same latents after every epoch"),
        ("report.json", "these numbers"),
    ):
        typer.echo(f"{path(name):<{len(path('reconstructions.png'))}}  {what}")


def _recipe(data):
    """Returns the package's O-GAN recipe for `data`, or that for digits with other data."""
    name = f"o_gan_{data}"
    if name in recipes.list_recipes():
        return recipes.find(recipes.PREFIX + name)
    return recipes.find(f"{recipes.PREFIX}o_gan_digits").replaced(data=data)


def measure(model, recipe, training_images):
    """Returns `(numbers, images, reconstructions)`: what is in report.json, on up to 1,000 images.

    Args:
        model: A model with an encoder.
        recipe: Its recipe, which names the data and the seed.
        training_images: uint8 array, for the mean image: the error of a model that learnt the average alone.
    """
    import numpy as np

    from keras_gans.metrics import latent_correlation
    from keras_gans.runs import loading, reconstruction

    images, _ = loading.images_for(model, recipe.data)
    images = images[np.random.default_rng(recipe.seed).permutation(len(images))[:1000]]
    again = model.reconstruct(images)
    numbers = {
        "latent_correlation": round(latent_correlation(model, seed=recipe.seed), 4),
        "reconstruction_error": round(reconstruction.squared_error(images, again), 5),
        "mean_image_error": round(reconstruction.squared_error(images, reconstruction.mean_of(training_images)), 5),
        "images_measured": len(images),
    }
    return numbers, images, again
