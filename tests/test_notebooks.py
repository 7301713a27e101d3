"""The notebooks run from top to bottom in the reduced setting; their stored outputs tell nothing of a machine."""

import importlib.util
import os
import re

import jupyter_client
import keras
import nbformat
import pytest

pytestmark = pytest.mark.one_backend

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPEC = importlib.util.spec_from_file_location("run_notebooks", os.path.join(ROOT, "scripts", "run_notebooks.py"))
runner = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(runner)
PATHS = {os.path.basename(path)[:-6]: path for path in runner.notebooks()}


def code_cells(name):
    return [cell for cell in nbformat.read(PATHS[name], as_version=4).cells if cell.cell_type == "code"]


def test_there_are_the_tutorials():
    assert [name[:2] for name in PATHS] == [f"{number:02}" for number in range(1, 12)]


@pytest.fixture(scope="module")
def kernel():
    """One process for all notebooks, each of which begins without the names of those before: importing takes 7 s."""
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=runner.FOLDER, env={**os.environ, "KERAS_BACKEND": keras.config.backend()})
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("name", PATHS)
def test_it_runs_from_top_to_bottom(name, kernel):
    runner.execute(PATHS[name], quick=True, kernel=kernel)


@pytest.mark.parametrize("name", PATHS)
def test_it_is_stored_executed_in_order_without_errors(name):
    cells = code_cells(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert "error" not in kinds and kinds & {"display_data", "execute_result"}  # there are pictures
    assert "assert " in cells[-1].source
    assert os.path.getsize(PATHS[name]) < 1_000_000


@pytest.mark.parametrize("name", PATHS)
def test_it_holds_no_path_of_a_machine(name):
    with open(PATHS[name], encoding="utf-8") as file:
        text = re.sub(r'"image/png": "[^"]*"', "", file.read())
    assert not re.search(r"/(tmp|home|root|opt|work|usr|var|Users)/|site-packages", text)


@pytest.mark.parametrize("name", PATHS)
def test_the_quick_setting_changes_the_settings_and_nothing_else(name):
    sources = [cell.source for cell in code_cells(name)]
    changed = [number for number, source in enumerate(sources) if runner.reduced(source) != source]
    assert changed == [0]
    lines = sources[0].splitlines(), runner.reduced(sources[0]).splitlines()
    assert [line.split(" = ")[0] for line in lines[0]] == [line.split(" = ")[0] for line in lines[1]]


def test_an_unknown_name_is_told_the_names():
    with pytest.raises(SystemExit, match="There is no notebook 99. There are: 01_quick_start.ipynb"):
        runner.notebooks(["99"])


def test_only_what_a_reader_needs_is_stored(tmp_path):
    outputs = [nbformat.v4.new_output("stream", name=name, text=name) for name in ("stdout", "stderr")]
    cell = nbformat.v4.new_code_cell("print(1)", outputs=outputs, metadata={"execution": {"started": "now"}})
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"language_info": {"name": "python", "version": "3"}})
    runner.store(notebook, tmp_path / "stored.ipynb")
    stored = nbformat.read(tmp_path / "stored.ipynb", as_version=4)
    assert [output.name for output in stored.cells[0].outputs] == ["stdout"]
    assert stored.cells[0].metadata == {} and stored.metadata["language_info"] == {"name": "python"}
