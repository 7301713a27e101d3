"""scripts/pages.py: a script writes its part of a page and leaves what people wrote."""

import importlib.util
import os

import pytest

pytestmark = pytest.mark.one_backend

SPEC = importlib.util.spec_from_file_location(
    "pages", os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "pages.py")
)
pages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pages)


def test_parts_are_replaced_and_words_stay(tmp_path):
    page = tmp_path / "page.md"
    pages.put(page, "first", "old", "Title", "## First")
    pages.put(page, "second", "other", "Title")
    page.write_text(page.read_text().replace("## First\n", "## First\n\nWords before.\n") + "\nWords after.\n")
    pages.put(page, "first", "new", "Title", "## First")
    assert page.read_text() == (
        "# Title\n\n## First\n\nWords before.\n\n<!-- first: begin -->\nnew\n<!-- first: end -->\n\n"
        "<!-- second: begin -->\nother\n<!-- second: end -->\n\nWords after.\n"
    )
