"""Markdown pages of which a script writes a part and people the rest."""

import os


def put(page, key, content, title, heading=""):
    """Puts `content` between the marks `<!-- key: begin -->` and `<!-- key: end -->` of a page; the rest stays.

    Args:
        page: Path of the Markdown file; one with `title` alone is made where there is none.
        key: Name of the part; marks that are not there are appended, after `heading` if there is one.
        content: Markdown.
        title: First heading of a new page.
        heading: Heading of a new part, as in "## Costs".
    """
    begin, end = f"<!-- {key}: begin -->", f"<!-- {key}: end -->"
    text = f"# {title}\n"
    if os.path.exists(page):
        with open(page, encoding="utf-8") as file:
            text = file.read()
    if begin not in text:
        text += "\n" + (f"{heading}\n\n" if heading else "") + f"{begin}\n{end}\n"
    before, rest = text.split(begin)
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}")
