#!/usr/bin/env python
"""Runs the notebooks from top to bottom, each in a fresh kernel, and says how many seconds and CPU minutes each took.

Without options nothing is changed: a notebook that raises is an error. `--write` stores the outputs in the notebooks.
`--quick` runs the same cells in the reduced setting of the tests: a line of the settings such as

    epochs = 60  # quick: 1

is run with the value behind the colon.

usage: python scripts/run_notebooks.py [--write | --quick] [NAME ...]      NAME: the beginning of a file's name, as 03
"""

import argparse
import os
import re
import sys
import time

import nbclient
import nbformat

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "notebooks")
SETTING = re.compile(r"^(\w+ = ).*?  # quick: (.*)$", re.MULTILINE)


def notebooks(names=()):
    """Returns the paths of the notebooks whose file names begin so; all without names."""
    found = sorted(name for name in os.listdir(FOLDER) if name.endswith(".ipynb"))
    for name in names:
        if not any(each.startswith(name) for each in found):
            raise SystemExit(f"There is no notebook {name}. There are: {', '.join(found)}.")
    return [os.path.join(FOLDER, each) for each in found if not names or each.startswith(tuple(names))]


def reduced(source):
    """Returns the source of a cell with its settings replaced by those of a quick run."""
    return SETTING.sub(r"\1\2", source)


def execute(path, quick=False, kernel=None):
    """Returns the notebook at `path`, executed.

    Args:
        kernel: The manager of a running kernel, whose names are cleared first. By default a fresh one, ended after it.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = reduced(cell.source) if quick else cell.source
    options = {"timeout": 1800, "kernel_name": "python3", "record_timing": False}
    if kernel is not None:
        clear = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")])
        nbclient.NotebookClient(clear, km=kernel, **options).execute()
    nbclient.NotebookClient(notebook, km=kernel, **options).execute(cwd=FOLDER)
    return notebook


def store(notebook, path):
    """Writes an executed notebook without what only tells where and by what it was run."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":  # what libraries say on the error stream is about the machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)


def cpu_minutes():
    """Returns the CPU minutes of this process and of the kernels that have ended."""
    times = os.times()
    return (times.user + times.system + times.children_user + times.children_system) / 60


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="default: all")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="store the outputs in the notebooks")
    how.add_argument("--quick", action="store_true", help="the reduced setting of the tests")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    failed = []
    for path in notebooks(arguments.names):
        begun, used = time.perf_counter(), cpu_minutes()
        try:
            notebook = execute(path, arguments.quick)
        except nbclient.exceptions.CellExecutionError as error:
            print(f"{os.path.basename(path)}: {error}", file=sys.stderr)
            failed.append(path)
            continue
        if arguments.write:
            store(notebook, path)
        print(
            f"{os.path.basename(path)}: {time.perf_counter() - begun:.0f} s, {cpu_minutes() - used:.1f} CPU min",
            flush=True,
        )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
