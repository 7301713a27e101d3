"""scripts/mutants.py stays in step with the code; the mutants themselves are not run here."""

import importlib.util
import os
import sys

import pytest

pytestmark = pytest.mark.one_backend
SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts")


@pytest.fixture
def mutants(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    spec = importlib.util.spec_from_file_location("mutants", os.path.join(SCRIPTS, "mutants.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("pages", None)


def test_every_mutant_changes_one_place_and_names_a_test_file_that_exists(mutants):
    assert mutants.misplaced() == [] and len(mutants.MUTANTS) >= 40
    assert len({mutant.what for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS)
    assert all(mutant.old != mutant.new for mutant in mutants.MUTANTS)


def test_the_table_says_which_mutants_survived(mutants):
    first, second = mutants.MUTANTS[:2]
    lines = mutants.table({first: False, second: True}).splitlines()
    assert lines[2].startswith(f"| {first.what} | `{first.file}` |") and lines[2].endswith("| caught |")
    assert second.what in lines[3] and lines[3].endswith("| **survived** |")
