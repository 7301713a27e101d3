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


def lacking(variant, module_docstring):
    """Returns sentences about what the docstrings of a variant and its file lack."""
    taken = {*variant.networks, *kg.registry.knobs_of(variant), *(["num_classes"] if variant.conditional else [])}
    taken |= {"latent_dim"} if issubclass(variant, kg.engine.AdversarialModel) else set()
    wanted = [section for section in ("Args:", "Raises:", "Example:", "Reference:") if section not in variant.__doc__]
    missing = [f"a section `{section}` in the docstring of the class" for section in wanted]
    if not wanted:
        missing += [f"`{name}` in the section Args" for name in sorted(taken - described(variant.__doc__))]
    if "Default optimiser" not in variant.__doc__:
        missing.append("'Default optimisers: ...' in the docstring of the class")
    if not re.search(r"arXiv:\d{4}\.\d{4,5}", module_docstring):
        missing.append("'arXiv:' and the paper's number in the docstring of the file")
    if not re.search(r"[Oo]ur choices?\b", module_docstring):
        missing.append("'Our choices: 1. ...' in the docstring of the file")
    return missing


@pytest.mark.parametrize("name", kg.list_models())
def test_arguments_example_and_paper_are_told(name):
    variant = kg.registry.get(name)
    missing = lacking(variant, importlib.import_module(variant.__module__).__doc__)
    assert not missing, f"{variant.__module__} lacks {'; '.join(missing)}"
