"""`keras-gans list`: what there is."""

import inspect
import re
import shutil
import textwrap

import typer

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
    from keras_gans import registry, zoo

    _section("Variants", [(name, *summary(registry.get(name))) for name in registry.list_models()])
    named = {recipes.PREFIX + name: recipes.find(recipes.PREFIX + name) for name in recipes.list_recipes()}
    _section("Recipes", [(name, recipe.description, "") for name, recipe in named.items()])
    told = {name: zoo.metadata(name) for name in zoo.list_presets()}
    _section("Presets", [(name, _preset(about), "") for name, about in told.items()])


def _section(title, entries):
    """Prints a title and, for each `(name, what it is, source)`, the name with the rest indented below it."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    typer.echo(f"{title}:")
    for name, *texts in entries:
        typer.echo(f"  {name}")
        for text in filter(None, texts):
            typer.echo(textwrap.fill(text, width, initial_indent="      ", subsequent_indent="      "))
    typer.echo("")


def _preset(about):
    parameters = sum(about["parameters"].values())
    return f"{about['class']} on {about.get('data', 'unknown data')}, {parameters:,} parameters"
