"""The notebooks as pages of the site, with the outputs that they are stored with, and their equations as MathML.

MathML is drawn by the browser itself: no script is loaded, and none runs.
"""

import base64
import glob
import json
import os
import re

TERMINAL = re.compile(r"\x1b\[[0-9;]*m")
KINDS = {"image/png": "png", "image/jpeg": "jpg"}


def pages(root):
    """Returns `{path inside generated/: text, or the bytes of a picture}` of all notebooks."""
    made = {}
    for path in sorted(glob.glob(os.path.join(root, "notebooks", "*.ipynb"))):
        name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            made.update(page(json.load(file), name))
    return made


def page(notebook, name):
    """Returns the page of a notebook and its pictures."""
    pictures, parts = {}, []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"\]\(\.\./docs/", "](../../", source))
        elif source:
            parts += [fenced("python", source), *_outputs(cell, name, pictures)]
    whole = f"[This notebook as a file](../../../notebooks/{name}.ipynb), to run it."
    return {f"tutorials/{name}.md": "\n\n".join([*parts[:1], whole, *parts[1:]]) + "\n", **pictures}


def _outputs(cell, name, pictures):
    """Returns the outputs of a cell as Markdown, and adds its pictures to `pictures`."""
    parts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        kinds = [kind for kind in KINDS if kind in data]
        if kinds:
            kind = min(kinds, key=lambda kind: len(data[kind]))
            picture = f"{name}_{len(pictures) + 1}.{KINDS[kind]}"
            pictures[f"tutorials/{picture}"] = base64.b64decode("".join(data[kind]))
            parts.append(f"![output of the cell above]({picture})")
        elif "".join(data.get("text/plain", "")).strip():
            parts.append(fenced("text", TERMINAL.sub("", "".join(data["text/plain"])).strip("\n")))
    return parts


def fenced(language, text):
    """Returns text as a block of code, its fence longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def draw(app):
    """Makes MathML the way in which the pages have their equations."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))


def mathml(text, block):
    """Returns an equation in LaTeX as MathML."""
    from docutils.utils.math.latex2mathml import tex2mathml

    return tex2mathml(re.sub(r"\\[bB]ig[lr]?(?![a-z])", "", text), as_block=block)


def _inline(writer, node):
    from docutils.nodes import SkipNode

    writer.body.append(mathml(node.astext(), False))
    raise SkipNode


def _block(writer, node):
    from docutils.nodes import SkipNode

    writer.body.append(f'<div class="math">{mathml(node.astext(), True)}</div>')
    raise SkipNode
