"""`keras-gans attribute`: which pixels made a model's output."""

import os
from typing import Annotated

import typer

from keras_gans.commands import options
from keras_gans.commands.startup import load_library

METHODS = ("integrated_gradients", "gradient", "gradient_x_input", "smooth_grad")


def attribute(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Any .keras file, or a run folder or preset.")],
    data: options.Data,
    method: Annotated[str, typer.Option(help=", ".join(METHODS) + ".")] = "integrated_gradients",
    target: Annotated[
        str | None,
        typer.Option(
            help="A class, by name or place, or `predicted`. [default: predicted; of a GAN the critic's score]"
        ),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="Where the line begins: black, gray, white, or mean, that of the images.")
    ] = "black",
    tolerance: Annotated[float, typer.Option(help="Largest relative gap of integrated gradients.")] = 1e-3,
    count: options.Count = 8,
    out: Annotated[str, typer.Option(help=options.PNG_HELP)] = "attributions.png",
    arrays: Annotated[str | None, typer.Option(help="Also write the attributions to this .npz file.")] = None,
    units: options.Units = None,
    split: options.Split = None,
):
    """Show which pixels raised (red) or lowered (blue) one output of a model, and by how much.

    Integrated gradients add up to the difference between the output at the image and at the baseline; the gap that is
    left stands over each picture.

    \b
    Example:
      keras-gans attribute classifier.keras --data photos/ --target cat --out cats.png
      keras-gans attribute runs/mine --data photos/ --count 4
    """
    options.output("--out", out, ".png")
    if arrays is not None:
        options.output("--arrays", arrays, ".npz")
    load_library()
    from keras_gans import analysis, checks
    from keras_gans.engine import GenerativeModel
    from keras_gans.output import files
    from keras_gans.runs import classifiers, loading

    count, method = checks.positive_integer("count", count), checks.one_of("method", method, METHODS)
    baseline = checks.one_of("baseline", baseline, ("black", "gray", "white", "mean"))
    network = loading.load_any(model) if os.path.isfile(model) else loading.load_model(model)
    if isinstance(network, GenerativeModel):
        loading.require_images(network, "attribute")
        images, labels = loading.images_for(network, data, split)
        inputs = images[:count] if labels is None else (images[:count], labels[:count])
        (low, high), aim, names = (-1.0, 1.0), None, None
        if target is not None:
            raise ValueError("`--target` is for classifiers: of a GAN the critic's score is explained.")
    else:
        shown = classifiers.pictures_for(network, data, units, split, count)
        (low, high), inputs, names = classifiers.UNITS[shown.units], shown.images, shown.class_names
        place = target in (None, "predicted")
        aim = "predicted" if place else options.class_place("--target", target, names)
    knobs = {}
    if method == "integrated_gradients":
        place = {"black": low, "gray": (low + high) / 2, "white": high}.get(baseline, baseline)
        knobs = {"baseline": place, "tolerance": tolerance}
    found = getattr(analysis, method)(network, inputs, aim, **knobs)
    with files.replacing(out, suffix=".png") as temporary:
        found.figure(count=count).savefig(temporary)
    if arrays is not None:
        files.write_npz(arrays, values=found.values, outputs=found.outputs)
    options.say(f"{found}.\nWrote {out}{'' if arrays is None else f' and {arrays}'}.")
