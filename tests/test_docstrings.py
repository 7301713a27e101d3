"""What a variant takes stands in its docstring, and its equations in that of its file."""

import importlib
import re

import pytest

import keras_gans as kg

pytestmark = pytest.mark.one_backend


def described(docstring):
    """Returns the names that the section `Args` of a docstring describes."""
    section = re.search(r"\n    Args:\n(.*?)(?=\n    \S|\Z)", docstring, re.S)
    heads = re.findall(r"^        (\w[\w, *]*?):", section.group(1), re.M)
    return {name.strip(" *") for head in heads for name in head.split(",")}


def test_names_are_found_in_the_section_of_arguments():
    lines = [
        "X.",
        "",
        "    Args:",
        "        a, b: Numbers, c: not one.",
        "            d: nor this.",
        "        e: Text.",
    ]
    text = "\n".join([*lines, "", "    Raises:", "        f: No."])
    assert described(text) == {"a", "b", "e"}


@pytest.mark.parametrize("name", kg.list_models())
def test_every_argument_of_a_variant_is_described(name):
    variant = kg.registry.get(name)
    taken = {*variant.networks, *kg.registry.knobs_of(variant), *(["num_classes"] if variant.conditional else [])}
    taken |= {"latent_dim"} if issubclass(variant, kg.engine.AdversarialModel) else set()
    assert taken <= described(variant.__doc__), taken - described(variant.__doc__)


@pytest.mark.parametrize("name", kg.list_models())
def test_paper_example_and_reference_are_told(name):
    variant = kg.registry.get(name)
    module = importlib.import_module(variant.__module__)
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", module.__doc__) and re.search(r"[Oo]ur choices", module.__doc__)
    for section in ("Args:", "Raises:", "Example:", "Reference:"):
        assert section in variant.__doc__, section
    assert "Default optimiser" in variant.__doc__
