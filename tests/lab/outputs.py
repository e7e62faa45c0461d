"""What a notebook holds after its run, whoever ran it: a kernel alone, or JupyterLab.

An exception in a widget's callback lets its cell succeed: it ends up in the state of the widgets, so that is searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def check(notebook: NotebookNode) -> None:
    """What holds for every notebook of the workbook."""
    assert [cell.id for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count is None] == []
    assert errors(notebook) == []
    assert complaints(notebook) == []
    assert pictures_without_text(notebook) == []
    asked = exercises(notebook)
    assert len(asked) == 3
    assert all("Your turn." in html for html in asked)  # untouched, they ask to be filled in


def outputs(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    """Each output, with its cell."""
    return ((cell, output) for cell in notebook.cells for output in cell.get("outputs", ()))


def states(notebook: NotebookNode) -> list[dict[str, Any]]:
    """The state of each widget."""
    widgets = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {"state": {}})
    return [model["state"] for model in widgets["state"].values()]


def errors(notebook: NotebookNode) -> list[str]:
    """Exceptions of cells, those in Output widgets, and problems that an explorer shows."""
    shown = [output for _, output in outputs(notebook)]
    shown += [output for state in states(notebook) for output in state.get("outputs", ())]
    found = [f"{output['ename']}: {output['evalue']}" for output in shown if output["output_type"] == "error"]
    return found + [state["html"] for state in states(notebook) if state.get("role") == "alert" and state["html"]]


def complaints(notebook: NotebookNode) -> list[str]:
    """What cells wrote to standard error: warnings, logged exceptions; but not that a curve is compiled."""
    written = [output["text"] for _, output in outputs(notebook) if output.get("name") == "stderr"]
    return [line for text in written for line in text.splitlines() if "once on this machine" not in line]


def pictures_without_text(notebook: NotebookNode) -> list[str]:
    """The cells that show one."""
    found = []
    for cell, output in outputs(notebook):
        images = re.findall(r"<img [^>]*>", output.get("data", {}).get("text/html", ""))
        if "image/png" in output.get("data", ()) or any(not re.search(r'alt="[^"]{20,}"', image) for image in images):
            found.append(cell.id)
    return found


def exercises(notebook: NotebookNode) -> list[str]:
    """What each says of the answer in its cell."""
    return [
        output["data"]["text/html"]
        for cell, output in outputs(notebook)
        if ".check(answer)" in cell.source and "text/html" in output.get("data", ())
    ]


def printed(notebook: NotebookNode) -> str:
    return "".join(output["text"] for _, output in outputs(notebook) if output.get("name") == "stdout")
