"""The workbook for those who read without a kernel: `python -m docs.workbook [NOTEBOOK]...`, or all of them.

Each notebook is run from a clean kernel, and what it shows is kept in build/workbook as HTML, for the site to put on
its pages. In place of an explorer stands what it shows at first. The same picture, as notebooks/pictures/NAME.svg, ends
the text before the explorer in the notebook.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from docs import notebooks

__all__ = ["BUILD", "Picture", "Rendered", "WorkbookError", "html", "refresh", "run"]

BUILD = notebooks.ROOT / "build" / "workbook"

_TIMEOUT = 120
"""Seconds for a cell."""
_WIDGET = "application/vnd.jupyter.widget-view+json"
_IMAGE = re.compile(r'<img [^>]*src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]*)"')
_LINK = re.compile(r'href="(?![a-z]+:)((?:\.\./)?)(?:docs/)?([^"#]+)\.(?:ipynb|md)(#[^"]*)?"')
_NO_ALT = "No description has been provided for this image"
"""What nbconvert puts where an image has no text alternative."""


class WorkbookError(Exception):
    """A notebook cannot become a page; says which cell, and why."""


class Picture(NamedTuple):
    """What an explorer shows at first: an SVG file, and its text alternative as HTML."""

    svg: bytes
    alt: str


@dataclass(frozen=True)
class Rendered:
    """What a notebook shows: `body` is HTML. `pictures`: of its explorers, in their order."""

    body: str
    pictures: Sequence[Picture]


async def run(path: Path) -> Rendered:
    """Run a notebook and render it. Raises `WorkbookError`."""
    notebook = notebooks.read(path)
    await _execute(notebook, path)
    pictures = [_picture(notebook, place, path.stem) for place in notebooks.tagged(notebook, "explorer")]
    return Rendered(html(notebook, path.stem), pictures)


async def _execute(notebook: NotebookNode, path: Path) -> None:
    resources = {"metadata": {"path": str(path.parent)}}
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(notebook, timeout=_TIMEOUT, resources=resources, extra_arguments=quiet)
    async with client.async_setup_kernel():
        for place, cell in enumerate(notebook.cells):
            try:
                await client.async_execute_cell(cell, place)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                reason = str(error).splitlines()[0]
                if isinstance(error, CellExecutionError):
                    reason = f"{error.ename}: {error.evalue}"
                raise WorkbookError(f"{_cell(notebook, place, path.stem)}: {reason}") from error


def _picture(notebook: NotebookNode, place: int, name: str) -> Picture:
    for output in notebook.cells[place].outputs:
        if image := _IMAGE.search(output.get("data", {}).get("text/html", "")):
            return Picture(b64decode(image[1]), image[2])
    raise WorkbookError(f"{_cell(notebook, place, name)}: the explorer shows no picture without a kernel")


def html(notebook: NotebookNode, name: str) -> str:
    """A notebook as HTML, which needs neither kernel nor scripts; links lead from page to page of the site.

    Raises `WorkbookError` for a widget that shows nothing of itself without a kernel, and for images without a text
    alternative.
    """
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = notebooks.without_picture(cell.source)  # the explorer itself is on the page
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if data.pop(_WIDGET, None) and "text/html" not in data:
                raise WorkbookError(f"{_cell(notebook, place, name)}: a widget that shows nothing without a kernel")
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True
    )
    text, _ = exporter.from_notebook_node(notebook)
    if _NO_ALT in text:
        raise WorkbookError(f"{name}: an image has no text alternative")
    text = text.replace('class="anchor-link"', 'class="headerlink"')  # as the site calls it
    return _LINK.sub(lambda link: f'href="{link[1]}{link[2]}.html{link[3] or ""}"', text)


def _cell(notebook: NotebookNode, place: int, name: str) -> str:
    return f"{name}, cell {place + 1} ({notebook.cells[place].id})"


def refresh(path: Path, pictures: Sequence[Picture]) -> None:
    """Put the pictures of its explorers beside a notebook, and with their texts into it."""
    folder = path.parent / "pictures"
    folder.mkdir(exist_ok=True)
    notebook = notebooks.read(path)
    for number, (picture, (introduction, _)) in enumerate(zip(pictures, notebooks.explorers(notebook), strict=True), 1):
        name = notebooks.picture_name(path.stem, number)
        (folder / name).write_bytes(picture.svg)
        introduction.source = notebooks.with_picture(introduction.source, name, picture.alt)
    if notebook != notebooks.read(path):
        nbformat.write(notebook, path)


async def _run_all(paths: Sequence[Path]) -> list[Rendered | WorkbookError]:
    """What notebooks show, of which as many run at a time as there are processors."""
    free = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(path: Path) -> Rendered | WorkbookError:
        async with free:
            try:
                return await run(path)
            except WorkbookError as error:
                return error

    return await asyncio.gather(*map(one, paths))


def main(names: Sequence[str]) -> int:
    """Run and keep the notebooks at these paths, or all; returns an exit status."""
    paths = [Path(name) for name in names] or notebooks.paths()
    BUILD.mkdir(parents=True, exist_ok=True)
    status = 0
    for path, made in zip(paths, asyncio.run(_run_all(paths)), strict=True):
        if isinstance(made, WorkbookError):
            sys.stderr.write(f"{made}\n")
            status = 1
        else:
            refresh(path, made.pictures)
            (BUILD / f"{path.stem}.html").write_text(made.body, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
