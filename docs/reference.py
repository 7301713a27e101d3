"""Pages that are made when the site is built: the reference from the docstrings, and what lies outside of docs/.

Nothing of keras_gans is imported to know which pages there are: names are read from the files that bring them, so
that a test can ask for the whole plan (`pages`) in a moment. Sphinx's autodoc fills in the docstrings.
"""

import ast
import glob
import inspect
import json
import os
import re
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(FOLDER)
sys.path.append(FOLDER)

import tutorials  # noqa: E402

MADE = "generated"  # the folder inside docs/, not under version control
SECTIONS = ("Args", "Attributes", "Example", "Examples", "Raises", "Reference", "References", "Returns", "Yields")
TAKEN_OVER = {"notebooks/README.md": "tutorials", "CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog"}
STARTS = {"text": [], "literal": ["::", ""], "table": [".. list-table::", "   :header-rows: 1", ""]}
BASES = ("GenerativeModel", "AdversarialModel", "Encoder")
FUNCTIONS = ("create", "load", "from_preset", "list_models", "list_presets", "attack", "robust_accuracy")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def variants():
    """Returns `{registry name: class name}`, as registry.py has them."""
    for node in ast.parse(read("keras_gans", "registry.py")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "VARIANTS":
            return {name: place.split(":")[1] for name, place in ast.literal_eval(node.value).items()}
    raise LookupError("registry.py has no dict VARIANTS")


def names_of(module):
    """Returns the names that a module promises: its `__all__`, else the public functions and classes it describes."""
    tree = ast.parse(read(_file(module)))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return [each.value for each in node.value.elts if isinstance(each, ast.Constant)]
    found = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [node.name for node in found if not node.name.startswith("_") and ast.get_docstring(node)]


def submodules(module):
    """Returns the names of a module's list that are modules themselves: those imported from their package."""
    package = "keras_gans" if module == "public" else f"keras_gans.{module}"
    nodes = [node for node in ast.parse(read(_file(module))).body if isinstance(node, ast.ImportFrom)]
    found = [each.name for node in nodes if node.module == package for each in node.names]
    return [name for name in names_of(module) if name in found]


def public_names():
    """Returns all that `import keras_gans as kg` brings: the variants' classes and the list of public.py."""
    return [*variants().values(), *names_of("public")]


def modules():
    """Returns the public modules, those inside others behind them."""
    top = submodules("public")
    return sorted([*top, *(f"{each}.{name}" for each in top for name in submodules(each))])


def presets():
    """Returns `{class name: [names of its presets]}`."""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "keras_gans", "zoo", "presets", "*", "metadata.json"))):
        about = json.loads(read(path))
        found.setdefault(about["class"], []).append(about["name"])
    return found


def about(path):
    """Returns the first sentence of a file's docstring, without its full stop."""
    return " ".join(ast.get_docstring(ast.parse(read(path))).split("\n\n")[0].split()).split(". ")[0].rstrip(".:")


def pages():
    """Returns `{file inside generated/: text of the page, or the bytes of a picture}`."""
    made = {"api/index.md": _overview(), "api/functions.rst": _functions(), "api/models.rst": _models()}
    made["api/adversarial_loss.rst"] = _page("AdversarialLoss", _class("keras_gans.AdversarialLoss"))
    sheets = presets()
    for name, cls in variants().items():
        made[f"api/{name}.rst"] = _variant(name, cls, sheets.get(cls, []))
    for name in modules():
        made[f"api/{name}.rst"] = _page(f"keras_gans.{name}", _module(name))
    notebooks = tutorials.pages(ROOT)
    made["tutorials.md"] = _tutorials(sorted(name[:-3] for name in notebooks if name.endswith(".md")))
    made.update(notebooks)
    made["contributing.md"] = moved(read("CONTRIBUTING.md"))
    made["changelog.md"] = moved(read("CHANGELOG.md"))
    return made


def _tutorials(names):
    """Returns the page of the notebooks: that of their folder, whose links lead to the pages made of them."""
    text = re.sub(r"\]\((\w+)\.ipynb\)", r"](tutorials/\1.md)", read("notebooks", "README.md"))
    return "\n".join([text, "```{toctree}", ":hidden:", "", *names, "```", ""])


def _page(title, *parts):
    return "\n".join([title, "=" * len(title), "", *parts])


def _class(name, *options):
    return "\n".join([f".. autoclass:: {name}", "   :members:", *(f"   :{each}:" for each in options), ""])


def _module(name):
    made = [f".. automodule:: keras_gans.{name}", "   :members:", "   :show-inheritance:", ""]
    for each in names_of(name):
        found = None if each in submodules(name) else _definition(name, each)
        if isinstance(found, ast.Assign):
            keys = ", ".join(f"`{key.value}`" for key in found.value.keys)
            made += [f".. py:data:: {each}", f"   :module: keras_gans.{name}", "", f"   A dict by name: {keys}.", ""]
        elif found is None and each not in submodules(name):  # brought when it is asked for
            made += [_class(f"keras_gans.{name}.{each}", "show-inheritance")]
    return "\n".join(made)


def _functions():
    return _page("Functions", *(f".. autofunction:: keras_gans.{name}\n" for name in FUNCTIONS))


def _models():
    words = "What every variant has: `compile`, `generate`, saving and the rest of the base classes. Those with an\n"
    words += "encoder have the methods of `Encoder`, too. `fit`, `evaluate` and `save` are those of `keras.Model`.\n"
    return _page("Methods of every model", words, *(_class(f"keras_gans.engine.{name}") for name in BASES))


def _variant(name, cls, sheets):
    parts = [f"`kg.create({name!r}, image_shape=...)`, or `kg.{cls}` with networks of your own.\n"]
    parts += [f".. automodule:: keras_gans.variants.{name}\n", _class(f"keras_gans.{cls}", "show-inheritance")]
    for preset in sheets:
        about = f"Samples of `kg.from_preset({preset!r})`"
        picture = f"../../../keras_gans/zoo/presets/{preset}/samples.png"
        parts += [f".. figure:: {picture}", f"   :alt: samples of {preset}", "", f"   {about}", ""]
    return _page(cls, *parts)


def _overview():
    rows = [f"| [`kg.{name}`](functions.rst) | {_summary(name)} |" for name in FUNCTIONS]
    rows += ["| [`kg.AdversarialLoss`](adversarial_loss.rst) | " + about("keras_gans/adversarial_loss.py") + " |"]
    kinds = [
        f"| [`kg.{cls}`]({name}.rst) | `{name}` | {about(f'keras_gans/variants/{name}.py')} |"
        for name, cls in variants().items()
    ]
    parts = [f"| [`kg.{name}`]({name}.rst) | {about(_file(name))} |" for name in modules()]
    listed = ["functions", "models", "adversarial_loss", *variants(), *modules()]
    return "\n".join(
        [
            "# Reference",
            "",
            "What `import keras_gans as kg` brings, which no minor release breaks",
            "([compatibility](../../compatibility.md)). `keras-gans COMMAND --help` describes the command line.",
            "",
            "| function or class | what it is |",
            "|---|---|",
            *rows,
            "",
            "The variants; [what all of them have](models.rst) stands on a page of its own.",
            "",
            "| class | `kg.create` | what it is |",
            "|---|---|---|",
            *kinds,
            "",
            "| module | what it holds |",
            "|---|---|",
            *parts,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *listed,
            "```",
            "",
        ]
    )


def _file(module):
    path = os.path.join("keras_gans", *module.split("."))
    return path + ".py" if os.path.isfile(os.path.join(ROOT, path + ".py")) else os.path.join(path, "__init__.py")


def _summary(name):
    """Returns the first sentence of the docstring of a public function, without its full stop."""
    return " ".join((ast.get_docstring(_definition("public", name)) or "").split()).split(". ")[0].rstrip(".")


def _definition(module, name):
    """Returns the node that defines a name, also where the module imports it from another; None where none does."""
    for node in ast.parse(read(_file(module))).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in [each.name for each in node.names]:
            return _definition(node.module.removeprefix("keras_gans."), name)
    return None


def moved(text):
    """Returns a text of the top of the repository with the links that it needs in docs/generated."""

    def link(match):
        target = match.group(1)
        if target.startswith("#"):
            return f"]({target})"
        return f"](../{target[5:]})" if target.startswith("docs/") else f"](../../{target})"

    return re.sub(r"\]\((?!https?:)([^)\s]+)\)", link, text)


def on_site(text, page):
    """Returns a page with the links to what lies outside of docs/ pointing to its place here."""
    up = "../" * page.count("/")
    names = "|".join(map(re.escape, TAKEN_OVER))

    def link(match):
        return f"]({'' if page.startswith(MADE) else MADE + '/'}{TAKEN_OVER[match.group(1)]}.md{match.group(2) or ''})"

    return re.sub(rf"\]\({re.escape(up)}\.\./({names})(#[\w-]+)?\)", link, text)


def write(folder):
    """Writes the pages into docs/generated, those alone that changed, and removes what is no page any more."""
    made = {os.path.join(folder, MADE, *name.split("/")): text for name, text in pages().items()}
    for path in glob.glob(os.path.join(folder, MADE, "**", "*.*"), recursive=True):
        if path not in made:
            os.remove(path)
    for path, text in made.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        content = text if isinstance(text, bytes) else text.encode()
        with open(path, "ab+") as file:  # one that did not change keeps its time, and Sphinx what it read
            file.seek(0)
            if file.read() != content:
                file.truncate(0)
                file.write(content)


def signature(app, what, name, obj, options, written, returns):
    """Gives a class the arguments of its own `__init__`, where Keras's `__new__` hides them."""
    if what != "class" or written != "(*args, **kwargs)":
        return None
    parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
    return str(inspect.Signature(parameters)), returns


def clean(app, what, name, obj, options, lines):
    """Makes reStructuredText of a docstring's Markdown: equations and tables become literal, other marks text."""
    lines[:] = as_rst(lines)


def as_rst(lines):
    """Returns the lines of a docstring in which tables are lists and indented paragraphs are literal blocks.

    What is indented below the name of a section (`Args:`) is napoleon's and stays, but for the marks in its text.
    """
    made, state, section = [], "text", False
    for line in lines:
        stripped = line.strip()
        if stripped and line[0] != " ":
            section = stripped.endswith(":") and stripped[:-1] in SECTIONS
        if not stripped:
            made.append("")
            state = "text" if state == "table" else state
            continue
        before, state = state, _kind(line, state, section, made)
        if state != before:
            made += ["", *STARTS[state]]
        if state == "table":
            cells = [cell.strip() for cell in stripped.strip("|").split("|")]
            if not set("".join(cells)) <= set("-: "):
                made += [f"   {'-' if place else '* -'} {escaped(cell)}" for place, cell in enumerate(cells)]
                made[-len(cells) + 1 :] = [f"     {each.strip()}" for each in made[-len(cells) + 1 :]]
        elif state == "literal":
            made.append(f"   {line}")
        else:
            made.append(line if stripped.startswith(">>>") else escaped(line))
    return made


def _kind(line, state, section, made):
    """Returns what a line that is not empty belongs to: "text", "literal" or "table"."""
    if line.startswith(("| ", "|--")) and line.endswith("|"):
        return "table"
    if section or line[0] != " ":
        return "text"
    begins = not made or not made[-1]  # an indented line that goes on a paragraph stays in it
    return "literal" if state == "literal" or begins else "text"


def escaped(line):
    """Returns a line with the marks of reStructuredText escaped outside its `code`."""
    parts = re.split(r"(`+[^`]+`+)", line)
    parts[::2] = [re.sub(r"([*|`]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def complete(app, error):
    """Warns of a public name that the reference does not describe."""
    from sphinx.util import logging

    if error is not None or app.builder.name != "html":
        return
    described = set(app.env.get_domain("py").objects)
    pages_of_their_own = {f"keras_gans.{name}" for name in modules()}
    wanted = {f"keras_gans.{name}" for name in public_names()}
    wanted |= {f"keras_gans.{each}.{name}" for each in modules() for name in names_of(each)}
    for name in sorted(wanted - described - pages_of_their_own):
        logging.getLogger(__name__).warning("the reference does not describe %s", name)
