"""`keras-gans attack`: adversarial images for a saved classifier."""

from typing import Annotated

import typer

from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def attack(
    model: options.Classifier,
    data: options.Data,
    kind: Annotated[str, typer.Option(help="fgsm, fgm or pgd.")] = "fgsm",
    epsilon: Annotated[float, typer.Option(help="Largest change, as a share of the range of pixels.")] = 8 / 255,
    steps: Annotated[int, typer.Option(help="Steps of pgd.")] = 20,
    restarts: Annotated[int, typer.Option(help="For pgd: print the accuracy under so many attacks, too.")] = 0,
    target: Annotated[str | None, typer.Option(help="The class to be seen, by name or place. [default: any]")] = None,
    count: options.Count = 64,
    out: Annotated[str, typer.Option(help=options.PNG_HELP)] = "attack.png",
    arrays: Annotated[str | None, typer.Option(help="Also write images and classes to this .npz file.")] = None,
    units: options.Units = None,
    split: options.Split = None,
):
    """Change images slightly so that a saved Keras classifier takes them for something else.

    The figure shows each image, what was changed, and the result, with the class that the model sees. The folders of
    the data are the true classes, in alphabetical order; without folders, what the model saw before takes their place.

    \b
    Example:
      keras-gans attack classifier.keras --data photos/ --out attack.png
      keras-gans attack classifier.keras --data photos/ --kind pgd --epsilon 0.01 --restarts 5
      keras-gans attack classifier.keras --data fashion_mnist --target 3 --units 0..1
    """
    options.output("--out", out, ".png")
    if arrays is not None:
        options.output("--arrays", arrays, ".npz")
    load_library()
    from keras_gans import checks, regularization
    from keras_gans.output import files
    from keras_gans.runs import classifiers, loading

    network = loading.load_any(model)
    shown = classifiers.pictures_for(network, data, units, split, checks.positive_integer("count", count))
    low, high = classifiers.UNITS[shown.units]
    attacked = {"epsilon": checks.number("epsilon", epsilon, minimum=0) * (high - low), "clip": (low, high)}
    aim = None if target is None else options.class_place("--target", target, shown.class_names)
    found = regularization.attack(network, shown.images, shown.labels, kind, targeted=aim, steps=steps, **attacked)
    with files.replacing(out, suffix=".png") as temporary:
        found.figure(temporary, names=shown.class_names)
    if arrays is not None:
        files.write_npz(
            arrays,
            images=found.images,
            originals=found.originals,
            before=found.before,
            after=found.after,
            labels=found.labels,
        )
    options.say(f"{len(shown.images)} images of {data}, pixels in {shown.units}: {found}.")
    if restarts:
        if shown.labels is None:
            raise ValueError("`--restarts` needs the true classes: sort the images into one folder per class.")
        attacked |= {"steps": steps, "restarts": restarts}
        accuracy = regularization.robust_accuracy(network, shown.images, shown.labels, kind, **attacked)
        options.say(f"Accuracy under the worst of {restarts} attacks from random starts: {accuracy:.1%}.")
    options.say(f"Wrote {out}{'' if arrays is None else f' and {arrays}'}.")
