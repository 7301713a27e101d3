"""Settings of the documentation site: `scripts/docs.sh` builds it into build/site.

The pages of docs/ are read on GitHub, too, so that nothing in them is written for Sphinx alone but the lists of
`toctree` in index.md. What a page can be made from stands in `reference.py`.
"""

import os
import re
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(FOLDER)
sys.path[:0] = [FOLDER, ROOT]

import reference  # noqa: E402
import tutorials  # noqa: E402

with open(os.path.join(ROOT, "keras_gans", "version.py"), encoding="utf-8") as file:
    release = version = re.search(r'__version__ = "(.+)"', file.read()).group(1)
project = "keras_gans"
author = "The keras_gans developers"
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["receipts"]
myst_enable_extensions = ["dollarmath"]  # the notebooks have equations
myst_heading_anchors = 4
html_math_renderer = "mathml"
default_role = "literal"  # docstrings are Markdown: `name` is code
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False  # those of Keras are in its own reference
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False
smartquotes = False
highlight_language = "text"  # where a page does not say; docstrings hold equations
pygments_style = "friendly"

html_theme = "furo"  # its style, scripts and letters come with it: the site loads nothing from elsewhere
html_title = f"keras_gans {release}"
html_copy_source = False
html_show_sphinx = False


def setup(app):
    tutorials.draw(app)
    app.connect("builder-inited", lambda app: reference.write(FOLDER))
    app.connect("source-read", lambda app, page, source: source.__setitem__(0, reference.on_site(source[0], page)))
    app.connect("autodoc-process-docstring", reference.clean, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", reference.signature)
    app.connect("build-finished", reference.complete)
