"""The Python examples of README.md and of the pages that it leads to first run as printed; what they name exists."""

import pathlib
import re
import subprocess
import sys

import pytest

import keras_gans as kg

pytestmark = pytest.mark.one_backend

ROOT = pathlib.Path(__file__).parent.parent
PAGES = ("README.md", "docs/own_folder.md", "docs/zoo.md", "docs/callbacks.md")
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
TEXT, ZOO = TEXTS["README.md"], TEXTS["docs/zoo.md"]
MADE = {
    "README.md": "o_gan.keras",
    "docs/own_folder.md": "samples/epoch_0001.png",
    "docs/callbacks.md": "inspection.png",
}


def blocks(page):
    return re.findall(r"```python\n(.*?)```", TEXTS[page], flags=re.S)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_examples_run_as_printed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)
    assert (tmp_path / MADE.get(page, "")).exists() and "kg" in names


def test_the_readme_is_short_and_its_examples_are():
    assert len(TEXT.splitlines()) <= 120
    first, second = blocks("README.md")
    assert len([line for line in first.splitlines() if line]) == 2
    assert 8 <= len(second.strip().splitlines()) <= 11


@pytest.mark.parametrize("name", kg.list_models())
def test_every_variant_stands_in_the_zoo_table(name):
    assert f"| `{name}` |" in ZOO


def test_the_zoo_table_is_that_of_the_receipts():
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "zoo_table.py"), "--check"], timeout=120)
    assert done.returncode == 0, "run scripts/zoo_table.py"
    assert [name for name in kg.list_presets() if f"| `{name}`<br>" in ZOO] == kg.list_presets() != []
    assert all(f"| [`{name}`](" in TEXT for name in kg.list_presets())


def test_scripts_and_pictures_that_are_named_exist():
    text = "".join([*TEXTS.values(), (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8")])
    named = set(re.findall(r"scripts/[\w/]+\.(?:py|sh)", text))
    named |= {link for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", TEXT)}
    assert len(named) >= 40
    assert not [name for name in named if not (ROOT / name).exists()]
