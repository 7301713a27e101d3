"""`keras-gans info`: what is in a variant, a recipe, a run or a preset."""

import inspect
import os
import warnings
from typing import Annotated

import typer

from keras_gans import checks, recipes
from keras_gans.commands.options import say
from keras_gans.commands.startup import load_library, show_warning
from keras_gans.runs.folder import Run, run_around


def info(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A variant, recipe:NAME, a .yaml or .keras file, a run, or a preset.")
    ],
):
    """Explain a variant, a recipe, a run, a model file or a preset.

    Of a variant: its paper and equations, its knobs, its optimisers. Of a recipe: its settings. Of a run folder:
    its settings and how far it is. Of a .keras file: its networks and how far they are trained. Of a preset (by
    name, folder or URL): what it was trained on, and its scores.

    \b
    Example:
      keras-gans info o_gan
      keras-gans info recipe:o_gan_digits
      keras-gans info runs/digits
    """
    if recipes.is_recipe(name):
        _show_recipe(name, recipes.find(name))
    elif (around := run_around(name)) is not None:
        _show_run(around.folder)
    elif name.endswith(".keras"):
        _show_file(name)
    elif os.path.isdir(name) and not os.path.exists(os.path.join(name, "metadata.json")):
        _show_run(name)
    else:
        load_library()
        from keras_gans import registry, zoo

        variants, presets = registry.list_models(), zoo.list_presets()
        if name in variants:
            _show_variant(name)
            return
        elsewhere = os.path.isdir(name) or "://" in name or name.endswith(".zip") or os.environ.get(zoo.HUB)
        if name not in presets and not elsewhere:
            raise ValueError(
                f"`NAME` must be a variant ({', '.join(variants)}), a preset ({', '.join(presets)}, or where one "
                f"is), recipe:NAME, a .yaml or .keras file, or a run folder. "
                f"{checks.nearest(name, [*variants, *presets])}"
                f"Received: {name!r}."
            )
        _show_preset(name, zoo.metadata(name))


def _show_recipe(name, recipe):
    say(f"{name}: {recipe.description}\n")
    for key, value in recipe.to_dict().items():
        if key != "description" and value not in (None, {}):
            say(f"  {key:<16} {value}")
    say(f"\nTrain it: keras-gans train {name} --out runs/{os.path.basename(name).split(':')[-1].split('.')[0]}")


def _show_preset(name, about):
    parts = ", ".join(f"{network} {count:,}" for network, count in about["parameters"].items())
    say(f"{name}: {about['class']}, images of {'x'.join(map(str, about['image_shape']))}; parameters: {parts}\n")
    hidden = ("name", "class", "format", "files", "parameters", "image_shape", "scores", "note")
    if about.get("note"):
        say(f"  {about['note']}\n")
    for key, value in about.items():
        if key not in hidden and value is not None:
            say(f"  {key:<16} {_in_words(value)}")
    for key, value in (about.get("scores") or {}).items():
        say(f"  {key:<20} {value:.4g}")
    say(f'\nUse it: kg.from_preset("{name}").generate(16), or keras-gans generate {name}')


def _in_words(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _show_run(folder):
    warnings.showwarning = show_warning
    run = Run(folder)
    config, recipe = run.config(), run.recipe()
    rows = run.rows()
    done = rows[-1]["epoch"] if rows else 0
    say(f"{folder}: {recipe.variant} on {recipe.data}, {done} of {recipe.epochs} epochs done.\n")
    for key, value in recipe.to_dict().items():
        if key not in ("description", "variant", "data", "epochs") and value not in (None, {}):
            say(f"  {key:<16} {value}")
    say(f"  {'image_shape':<16} {tuple(config['image_shape'])}")
    classes = f": {', '.join(config['class_names'])}" if config.get("class_names") else ""
    say(f"  {'num_classes':<16} {config['num_classes']}{classes}")
    say(f"  {'images':<16} {config['data'].get('images', 'unknown')} (SHA-256 {config['data']['sha256'][:12]}...)")
    say(f"  {'versions':<16} {_in_words(config.get('versions', 'unknown'))}")
    if rows:
        say(f"\nEpoch {rows[-1]['epoch']}:")
        for key, value in rows[-1].items():
            if key != "epoch":
                say(f"  {key:<20} {value}")
    if run.models():
        say(f"\nModel: {run.models()[0]}")


def _show_file(path):
    load_library()
    from keras_gans.engine.averaging import weights_in_words
    from keras_gans.engine.batches import count
    from keras_gans.runs import loading

    model = loading.load_file(path)
    networks = {network: getattr(model, network) for network in model.networks}
    about = {
        "image_shape": "x".join(map(str, model.image_shape)),
        "parameters": {network: f"{part.count_params():,}" for network, part in networks.items()},
        "epochs_done": count(model.epochs_done),
        "averages": [weights_in_words(average) for average in model.averages] or "none",
        "classes": model.class_names or model.num_classes or "none",
    }
    config = model.get_config()
    about |= {name: value for name, value in config.items() if isinstance(value, (int, float, str)) and name != "name"}
    say(f"{path}: {type(model).__name__}\n")
    for key, value in about.items():
        say(f"  {key:<20} {_in_words(list(value) if isinstance(value, tuple) else value)}")
    say(f'\nUse it: kg.load("{path}").generate(16), or keras-gans generate {path}')


def _show_variant(name):
    from keras_gans import networks, registry

    variant = registry.get(name)
    say(f"{name}, class {variant.__name__}\n")
    say((inspect.getmodule(variant).__doc__ or "").strip())
    say("\nKnobs (--knob name=value), with their defaults:")
    for knob, default in registry.knobs_of(variant).items():
        if knob != "name":
            say(f"  {knob:<20} {default!r}")
    fitting = set.intersection(*(set(networks.having(part.builder)) for part in variant.blueprint(4).values()))
    say(f"\nNetworks (--network): {', '.join(sorted(fitting))}")
    say(f"Encoder: {'yes, `reconstruct` and `encode` work' if hasattr(variant, 'encode') else 'no'}")
    say("\nOptimisers, unless --learning-rate or a recipe says otherwise:")
    model = registry.create(name, (8, 8, 1), latent_dim=4, network="mlp", network_options={"width": 4, "depth": 1})
    for player, optimizer in model.default_optimizers().items():
        say(f"  {player:<20} {_optimizer(optimizer)}")
    found = [recipe for recipe in recipes.list_recipes() if recipes.find(recipes.PREFIX + recipe).variant == name]
    if found:
        say("\nRecipes: " + ", ".join(recipes.PREFIX + recipe for recipe in found))


def _optimizer(optimizer):
    """Returns an optimiser as a call with those arguments that are not Keras's defaults."""
    usual = type(optimizer)().get_config()
    config = {
        name: round(value, 8) if isinstance(value, float) else value
        for name, value in optimizer.get_config().items()
        if name != "name" and (name == "learning_rate" or value != usual.get(name))
    }
    return f"{type(optimizer).__name__}({', '.join(f'{name}={value!r}' for name, value in config.items())})"
