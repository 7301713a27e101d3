"""`keras-gans train`: one command that trains, resumes and refuses to mix two runs."""

from typing import Annotated

import typer

from keras_gans import checks, recipes
from keras_gans.commands import options
from keras_gans.commands.startup import load_library


def parse_knobs(pairs):
    """Returns `{"lam": 1.0}` of `["lam=1.0"]`; the values are YAML.

    Raises:
        ValueError: Something is not of the form name=value, or its value is not YAML.
    """
    knobs = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"`--knob` must be of the form name=value, as in --knob lam=1.0. Received: {pair!r}.")
        try:
            value = recipes.parse_value(text)
            if knobs.setdefault(name, value) != value:
                raise ValueError(f"`--knob` must give each knob once. Received: {name}={knobs[name]!r} and {value!r}.")
        except recipes.yaml.YAMLError:
            raise ValueError(
                f"`--knob` must have a YAML value, as in lam=1.0 or targets=[0,1,1]. Received: {pair!r}."
            ) from None
    return knobs


def augmentation(policy):
    """Returns the knob that `--augment` stands for: `{}` for None, which leaves it to the data.

    Raises:
        ValueError: An unknown word in the policy, with the nearest.
    """
    if policy is None:
        return {}
    if policy == "none":
        return {"augmentation": None}
    for word in policy.split(","):
        checks.one_of("--augment", word.strip(), ("none", "color", "translation", "cutout"))
    return {"augmentation": {"DiffAugment": {"policy": policy}}}


def recipe_of(name, data=None, **keys):
    """Returns the recipe that a command line asks for.

    Args:
        name: A variant, `recipe:NAME`, or the path of a .yaml file.
        data: The data, required for a variant.
        **keys: Keys of `Recipe`; None means not given.

    Raises:
        ValueError: For an unknown name, with the nearest; for a variant without data.
    """
    if recipes.is_recipe(name):
        return recipes.find(name).replaced(data=data, **keys)
    from keras_gans import registry

    known = registry.list_models()
    if name not in known:
        if name in recipes.list_recipes():
            suggestion = f"Did you mean {recipes.PREFIX + name!r}? "
        else:
            suggestion = checks.nearest(name, known)
        raise ValueError(
            f"`NAME` must be a variant ({', '.join(known)}), recipe:NAME or a .yaml file. {suggestion}"
            f"Received: {name!r}."
        )
    if data is None:
        raise ValueError(f"`--data` is missing: {name} needs images to train on, {options.DATA_HELP}")
    return recipes.Recipe(name, data=data).replaced(**keys)


def train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A variant, recipe:NAME, or the path of a .yaml recipe.")],
    out: Annotated[str, typer.Option(help="The run folder; an unfinished run there is resumed.")],
    data: Annotated[str | None, typer.Option(help=f"{options.DATA_HELP} Recipes bring their own.")] = None,
    image_size: Annotated[
        int | None, typer.Option(help=f"{options.IMAGE_SIZE_HELP} [default: that of the data, 64 for a folder]")
    ] = None,
    channels: Annotated[int | None, typer.Option(help=f"{options.CHANNELS_HELP} [default: those of the data]")] = None,
    conditional: Annotated[
        bool | None,
        typer.Option("--conditional/--unconditional", help="Train on the labels of the data, too."),
    ] = None,
    network: Annotated[str | None, typer.Option(help="The networks: dcgan, mlp, ... [default: dcgan]")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the networks; the smaller, the faster.")] = None,
    latent_dim: Annotated[int | None, typer.Option(help="Length of a latent vector. [default: 128]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per critic update. [default: 64]")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data; raise it to train on. [default: 20]")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Train steps, rounded up to whole epochs, in place of --epochs.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of all players. [default: that of the paper]")
    ] = None,
    knob: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An argument of the variant, as often as needed.")
    ] = None,
    average: Annotated[
        float | None, typer.Option(help="Decay per step of the weight moving average, 0 for none. [default: 0.999]")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="auto (bfloat16 where it is native), float32, mixed_bfloat16 or mixed_float16. [default: auto]"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Fixes weights, latents and the order of the data. [default: 0]")
    ] = None,
    limit: options.Limit = None,
    balanced: Annotated[
        bool | None, typer.Option("--balanced/--as-they-come", help="Show every class equally often.")
    ] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Train on the mirror images, too.")] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="DiffAugment: color, translation and cutout with commas between them, or none. [default: "
            "color,translation for a folder with fewer than 5,000 images]",
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Images in the sample grid of every epoch, 0 for none.")] = 64,
    restart: options.Restart = False,
):
    """Train a variant on your images, or resume a run.

    The run folder gets the settings (config.json), the data as the model sees them (reals.png), the logs (logs.csv),
    sample grids on fixed latents and a GIF of them (samples/), a checkpoint after every epoch and every ten minutes,
    and the trained model (model.keras). Ctrl-C stops; the same command resumes from the last checkpoint, as if the run
    had never stopped. A run with other settings in the same folder is refused.

    \b
    Example:
      keras-gans train o_gan --data digits --out runs/digits --width 32 --epochs 30
      keras-gans train o_gan --data photos/ --image-size 64 --out runs/photos --flip --steps 8000
      keras-gans train gan --data clothes/ --conditional --balanced --out runs/clothes --knob loss=hinge
      keras-gans train recipe:o_gan_fashion_mnist --out runs/fashion
    """
    keys = {
        "image_size": image_size,
        "channels": channels,
        "conditional": conditional,
        "network": network,
        "network_options": None if width is None else {"width": width},
        "latent_dim": latent_dim,
        "batch_size": batch_size,
        "epochs": epochs,
        "steps": steps,
        "learning_rate": learning_rate,
        "knobs": {**parse_knobs(knob or []), **augmentation(augment)} or None,
        "average": average,
        "precision": precision,
        "seed": seed,
        "limit": limit,
        "balanced": balanced,
        "flip": flip,
    }
    load_library()
    from keras_gans.runs import training

    training.train(recipe_of(name, data, **keys), out, restart=restart, samples=samples)
