"""Every notebook runs from a clean kernel, and is committed clean.

An exception in a widget's callback lets its cell succeed: it ends up in the state of the widgets, so that is searched.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def no_settings_of_the_user(tmp_path, monkeypatch):
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


@cache
def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook after its run, which is made once."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    return notebook


def states(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The state of each widget after a run."""
    widgets = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {"state": {}})
    return [model["state"] for model in widgets["state"].values()]


def hidden_errors(notebook: nbformat.NotebookNode) -> list[str]:
    """What went wrong without failing a cell: errors in Output widgets, and problems that an explorer shows."""
    found = []
    for state in states(notebook):
        found += [f"{o['ename']}: {o['evalue']}" for o in state.get("outputs", ()) if o["output_type"] == "error"]
        if state.get("role") == "alert" and state["html"]:
            found.append(state["html"])
    return found


def complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """What cells wrote to standard error: warnings, logged exceptions; but not that a curve is compiled."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    lines = [line for output in outputs if output.get("name") == "stderr" for line in output["text"].splitlines()]
    return [line for line in lines if "once on this machine" not in line]


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output["text"] for output in outputs if output.get("name") == "stdout")


def test_there_are_notebooks():
    assert "00_start_here" in [path.stem for path in NOTEBOOKS]


@every_notebook
def test_runs_without_hidden_errors(path):
    assert hidden_errors(executed(path)) == []
    assert complaints(executed(path)) == []


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


@every_notebook
def test_every_picture_has_a_text(path):
    for cell in executed(path).cells:
        for output in cell.get("outputs", ()):
            assert "image/png" not in output.get("data", ()), f"{cell.id}: shown without a text alternative"
            html = output.get("data", {}).get("text/html", "")
            for image in re.findall(r"<img [^>]*>", html):
                assert re.search(r'alt="[^"]{20,}"', image), cell.id


@every_notebook
def test_untouched_exercises_ask_to_be_filled_in(path):
    asked = [
        output["data"]["text/html"]
        for cell in executed(path).cells
        for output in cell.get("outputs", ())
        if ".check(answer)" in cell.source and "text/html" in output.get("data", ())
    ]
    assert len(asked) == 3
    assert all("Your turn." in html for html in asked)


def test_the_first_one_tells_theory_beside_simulation():
    text = printed(executed(next(path for path in NOTEBOOKS if path.stem == "00_start_here")))
    assert "theory says 1 + 100 × 0.5 = 51," in text
    assert "3 loads of one value, 3 at once" in text


def test_errors_are_found_where_they_hide(tmp_path):
    broken = """
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
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(broken)])
    execute(notebook, tmp_path)
    errors = hidden_errors(notebook)
    assert len(errors) == 2
    assert any("ZeroDivisionError: division by zero" in error for error in errors)
    assert any("ValueError: invalid literal" in error for error in errors)


def test_a_cell_that_fails_is_raised(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError):
        execute(notebook, tmp_path)
