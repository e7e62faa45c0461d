"""Every notebook runs from a clean kernel, is committed clean, and keeps to the rhythm of all.

Where there is a browser, JupyterLab runs each in it, and what comes out is held to the same (`tests/browser`). Then a
kernel alone runs `FIRST` only, and the others in the slow lane.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import v4

from tests.browser.jupyter import chromium
from tests.lab.outputs import NOTEBOOKS, check, errors, printed

FIRST = "00_start_here"

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def no_settings_of_the_user(tmp_path, monkeypatch):
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


def test_there_are_notebooks():
    assert FIRST in [path.stem for path in NOTEBOOKS]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=pytest.mark.slow if chromium() and path.stem != FIRST else ())
        for path in NOTEBOOKS
    ],
)
def test_runs_from_a_clean_kernel(path):
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    check(notebook)
    if path.stem == FIRST:
        assert "theory says 1 + 100 × 0.5 = 51," in printed(notebook)
        assert "3 loads of one value, 3 at once" in printed(notebook)


@every_notebook
def test_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert cell.id
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@every_notebook
def test_says_on_top_how_to_run_it(path):
    notebook = nbformat.read(path, as_version=4)
    assert "**Run ▸ Run All Cells**" in notebook.cells[0].source


@every_notebook
def test_imports_in_one_cell_of_at_most_six_lines(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    importing = [cell for cell in cells if "import " in cell.source]
    assert importing == cells[:1]
    assert importing[0].metadata.tags == ["imports"]
    assert sum(bool(line.strip()) for line in importing[0].source.splitlines()) <= 6


RHYTHM = (
    *("question", "imports", "guess", "toy", "printed", "explorer", "pattern", "live", "theory"),
    *("exercises", "monitor", "takeaway", "sources"),
)


@every_notebook
def test_has_the_rhythm_of_all(path):
    ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    assert [id for id in ids if id in RHYTHM] == list(RHYTHM)


@every_notebook
def test_is_as_long_as_a_reader_bears(path):
    cells = nbformat.read(path, as_version=4).cells
    prose = [len(cell.source.split()) for cell in cells if cell.cell_type == "markdown"]
    assert 500 <= sum(prose) <= 2500
    assert max(prose) <= 160
    assert all(len(cell.source.splitlines()) <= 20 for cell in cells if cell.cell_type == "code")


@every_notebook
def test_links_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for target in re.findall(r"\]\(([^)#]+)", cell.source if cell.cell_type == "markdown" else ""):
            assert target.startswith("https://") or (path.parent / target).exists(), target


BROKEN = """
import ipywidgets
from cachesim.lab.explorer import simulated
from cachesim.lab.explorers import hot_key

def broken(settings, requests, report):
    if settings.seed == 2:
        1 / 0
    return simulated(settings, requests, report)

explorer = hot_key.explore(broken)
explorer.controls["seed"].value = 2
with ipywidgets.Output():
    int("two")
"""


def test_errors_are_found_where_they_hide(tmp_path):
    notebook = v4.new_notebook(cells=[v4.new_code_cell(BROKEN)])
    execute(notebook, tmp_path)
    assert len(errors(notebook)) == 2
    assert any("ZeroDivisionError: division by zero" in error for error in errors(notebook))
    assert any("ValueError: invalid literal" in error for error in errors(notebook))


def test_a_cell_that_fails_is_raised(tmp_path):
    notebook = v4.new_notebook(cells=[v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError):
        execute(notebook, tmp_path)


def after_a_run(outputs):
    """A notebook of four cells, of which the last three are exercises."""
    asked = v4.new_output("display_data", {"text/html": "<p>Your turn.</p>"})
    cells = [v4.new_code_cell("1", outputs=outputs, execution_count=1)]
    cells += [v4.new_code_cell("exercise.check(answer)", outputs=[asked], execution_count=count) for count in (2, 3, 4)]
    return v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    "output",
    [
        v4.new_output("stream", name="stderr", text="RuntimeWarning: overflow"),
        v4.new_output("error", ename="ZeroDivisionError", evalue="division by zero"),
        v4.new_output("display_data", {"image/png": "iVBORw0KGgo="}),
        v4.new_output("display_data", {"text/html": '<img src="data:," alt="a storm">'}),
    ],
    ids=["a warning", "an error", "a picture alone", "a picture that says little"],
)
def test_what_should_not_come_out_of_a_run_is_found(output):
    check(after_a_run([v4.new_output("stream", text="compiling lru, once on this machine\n", name="stderr")]))
    with pytest.raises(AssertionError):
        check(after_a_run([output]))


def test_a_cell_that_was_not_run_or_has_been_answered_is_found():
    left_out, answered = after_a_run([]), after_a_run([])
    left_out.cells[0].execution_count = None
    answered.cells[-1].outputs[0].data["text/html"] = "<p>Right.</p>"
    for notebook in (left_out, answered):
        with pytest.raises(AssertionError):
            check(notebook)
