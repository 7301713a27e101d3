"""The documentation site: every public name has its place, every page is reached from the first, links lead somewhere.

Sphinx is not run: `docs/reference.py` says which pages it makes, without importing the package.
"""

import ast
import configparser
import importlib.util
import pathlib
import posixpath
import re

import pytest

import keras_gans as kg

pytestmark = pytest.mark.one_backend

ROOT = pathlib.Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)
EVERYTHING = {f"{reference.MADE}/{name}": content for name, content in reference.pages().items()}
MADE = {name: text for name, text in EVERYTHING.items() if isinstance(text, str)}
WRITTEN = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES = {**WRITTEN, **MADE}


def test_the_names_read_from_the_files_are_those_of_the_package():
    assert sorted(reference.public_names()) == sorted(kg.public.__all__)
    for module in reference.modules():
        names = kg
        for part in module.split("."):
            names = getattr(names, part)
        assert not [name for name in reference.names_of(module) if not hasattr(names, name)]


@pytest.mark.parametrize("name", kg.public.__all__)
def test_every_public_name_has_its_place_and_a_line_in_the_overview(name):
    directives = "autoclass|autofunction|automodule"
    places = [
        page for page, text in MADE.items() if re.search(rf"^\.\. (?:{directives}):: keras_gans\.{name}$", text, re.M)
    ]
    assert len(places) == 1
    row = rf"^\| \[`kg\.{name}`\]\({re.escape(posixpath.basename(places[0]))}\) \|.* \w.* \|$"
    assert re.search(row, MADE["generated/api/index.md"], re.M)


@pytest.mark.parametrize("name", kg.list_models())
def test_a_variant_has_its_equations_its_arguments_and_its_sheets(name):
    text, cls = MADE[f"generated/api/{name}.rst"], kg.registry.get(name)
    assert f".. automodule:: {cls.__module__}\n" in text and f".. autoclass:: keras_gans.{cls.__name__}\n" in text
    sheets = [preset for preset in kg.list_presets() if kg.zoo.metadata(preset)["class"] == cls.__name__]
    assert re.findall(r"presets/(\w+)/samples\.png", text) == sheets


def reached(page, found):
    """Adds to `found` a page and those that the lists of contents of it and of these name."""
    found.add(page)
    for listed in re.findall(r"```\{toctree\}\n(.*?)```", PAGES[page], re.S):
        for name in re.findall(r"^[\w/.]+$", listed, re.M):
            path = posixpath.join(posixpath.dirname(page), name)
            reached(next(each for each in (f"{path}.md", f"{path}.rst") if each in PAGES), found)
    return found


def test_every_page_is_reached_from_the_first():
    assert reached("index.md", set()) == set(PAGES)


def links(text):
    return re.findall(r"\]\((?!https?:|#)([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.S))


@pytest.mark.parametrize("page", sorted(WRITTEN))
def test_links_lead_to_files_of_the_repository(page):
    assert not [link for link in links(WRITTEN[page]) if not (ROOT / "docs" / link).exists()]


@pytest.mark.parametrize("page", sorted(name for name in MADE if name.endswith(".md")))
def test_links_of_the_pages_that_are_made_lead_somewhere(page):
    for link in links(reference.on_site(MADE[page], page[:-3])):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
        assert path in {*PAGES, *EVERYTHING} or (ROOT / "docs" / path).exists(), link


def test_the_first_page_names_all_pages_and_extras():
    text = reference.on_site(WRITTEN["index.md"], "index")
    tops = {name for name in PAGES if not name.startswith(("generated/api/", "generated/tutorials/"))} - {"index.md"}
    assert tops <= set(links(text))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    table = text[text.index("| extra |") : text.index("With `KERAS_BACKEND")]
    extras = {name for row in re.findall(r"^\| ([^|]*) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert extras == set(parser["options.extras_require"])


def sentences():
    """Returns every string that a file of the package is written with, `\0` where a value is put in."""
    for path in (ROOT / "keras_gans").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(each.value if isinstance(each, ast.Constant) else "\0" for each in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_errors_that_the_questions_name_are_sentences_of_the_package():
    said = "\n".join(sentences())
    headings = re.findall(r"^### (.*)", WRITTEN["faq.md"], re.M)
    own = {"Slow on a CPU", "Keras: Could not locate class"}
    parts = {heading: [part for part in heading.split("...") if part] for heading in headings if heading not in own}
    patterns = {heading: ".*?".join(map(re.escape, found)) for heading, found in parts.items()}
    assert [heading for heading, pattern in patterns.items() if not re.search(pattern, said)] == []


def test_a_notebook_becomes_a_page_with_its_outputs():
    picture = {"image/png": "AAECAw==", "image/jpeg": "AAE=", "text/plain": "<Figure>"}
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "[more](../docs/energy.md)"]},
        {"cell_type": "code", "source": ["f()"], "outputs": [{"text": ["\x1b[1mone\x1b[0m\n"]}, {"data": picture}]},
    ]
    made = reference.tutorials.page({"cells": cells}, "name")
    assert made["tutorials/name_1.jpg"] == b"\0\1"  # the smaller of the two
    assert made["tutorials/name.md"].split("\n\n") == [
        "# Title\n[more](../../energy.md)",
        "[This notebook as a file](../../../notebooks/name.ipynb), to run it.",
        "```python\nf()\n```",
        "```text\none\n```",
        "![output of the cell above](name_1.jpg)\n",
    ]


def test_docstrings_become_text_equations_and_lists():
    lines = [
        "A sum a*b of `c*d`_:",
        "",
        "    x = |y|",
        "",
        "| a | b |",
        "|---|---|",
        "| 1 | `2` |",
        "",
        "Args:",
        "    x: Of *two*.",
    ]
    assert reference.as_rst(lines) == [
        r"A sum a\*b of `c*d`_:",
        "",
        *["", "::", "", "       x = |y|", ""],
        *["", ".. list-table::", "   :header-rows: 1", "", "   * - a", "     - b", "   * - 1", "     - `2`", ""],
        *["Args:", r"    x: Of \*two\*."],
    ]
