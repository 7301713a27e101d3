"""The README's Python examples run as printed, and what it names exists."""

import pathlib
import re
import subprocess
import sys

import pytest

import keras_gans as kg

pytestmark = pytest.mark.one_backend

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)


def test_the_python_examples_run_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "o_gan.keras").exists() and (tmp_path / "samples" / "epoch_0001.png").exists()
    assert names["pictures"].shape == (64, 32, 32, 1)


def test_the_first_example_has_two_statements_and_the_second_about_ten_lines():
    assert len([line for line in BLOCKS[0].splitlines() if line]) == 2
    assert 8 <= len(BLOCKS[1].strip().splitlines()) <= 11


@pytest.mark.parametrize("name", kg.list_models())
def test_every_variant_stands_in_the_zoo_table(name):
    assert f"| `{name}` |" in TEXT


def test_the_zoo_table_is_that_of_the_receipts():
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "zoo_table.py"), "--check"], timeout=120)
    assert done.returncode == 0, "run scripts/zoo_table.py"
    assert [name for name in kg.list_presets() if f"| `{name}`<br>" in TEXT] == kg.list_presets() != []


def test_scripts_and_pictures_that_are_named_exist():
    named = set(re.findall(r"scripts/[\w/]+\.(?:py|sh)", TEXT)) | set(re.findall(r"docs/[\w/]+\.png", TEXT))
    assert len(named) >= 6
    assert not [name for name in named if not (ROOT / name).exists()]
