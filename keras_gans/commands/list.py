"""`keras-gans list`: what there is."""

import inspect
import re

from keras_gans import recipes
from keras_gans.commands.startup import load_library


def summary(variant):
    """Returns `(what it is, paper)` of a variant's class, from the first sentence of its module's docstring."""
    sentence = " ".join((inspect.getmodule(variant).__doc__ or "").split("\n\n")[0].split())
    match = re.search(r"\s*\(([^()]*\b(?:19|20)\d\d\b[^()]*)\)", sentence)
    if not match:
        return sentence, ""
    what = (sentence[: match.start()] + sentence[match.end() :]).strip().rstrip(".")
    return what, match.group(1)


def list_command():
    """Show the variants, the recipes that `train` knows, and the trained models in the package.

    \b
    Example:
      keras-gans list
    """
    load_library()
    from rich.console import Console
    from rich.table import Table

    from keras_gans import registry, zoo

    console = Console()
    table = Table(title="Variants", title_justify="left")
    for column in ("name", "what it is, paper"):
        table.add_column(column, no_wrap=column == "name")
    for name in registry.list_models():
        what, paper = summary(registry.get(name))
        table.add_row(name, f"{what}\n{paper}")
    console.print(table)
    table = Table(title="Recipes", title_justify="left")
    for column in ("name", "variant", "data", "what it is"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for name in recipes.list_recipes():
        recipe = recipes.find(recipes.PREFIX + name)
        table.add_row(recipes.PREFIX + name, recipe.variant, recipe.data, recipe.description)
    console.print(table)
    table = Table(title="Presets", title_justify="left")
    for column in ("name", "class", "data", "parameters"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for name in zoo.list_presets():
        about = zoo.metadata(name)
        table.add_row(name, about["class"], str(about.get("data", "")), f"{sum(about['parameters'].values()):,}")
    console.print(table)
