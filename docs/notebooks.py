"""The notebooks of the workbook, as the dashboard and the rendered pages need them.

The cell that imports has the tag "imports", a cell whose value is an explorer the tag "explorer". The markdown cell
before an explorer introduces it. It ends with the explorer's picture, folded, for those who read without a kernel.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

__all__ = ["FOLDER", "ROOT", "explorers", "paths", "picture_name", "read", "tagged", "title"]
__all__ += ["with_picture", "without_picture"]

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"

_PICTURE = re.compile(r"\s*<details>\s*<summary>Without a kernel.*?</details>", re.DOTALL)


def paths() -> list[Path]:
    """The notebooks in reading order."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> NotebookNode:
    """A notebook from its file."""
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def title(text: str) -> str:
    r"""The heading of a markdown text that begins with one.

    >>> title("# 00 · Start here\n\nTo run this notebook, …")
    '00 · Start here'
    """
    return text.partition("\n")[0].removeprefix("# ")


def tagged(notebook: NotebookNode, tag: str) -> list[int]:
    """Where the cells with a tag are."""
    return [place for place, cell in enumerate(notebook.cells) if tag in cell.metadata.get("tags", ())]


def explorers(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    """The explorer cells, each after the cell that introduces it."""
    return [(notebook.cells[place - 1], notebook.cells[place]) for place in tagged(notebook, "explorer")]


def picture_name(stem: str, number: int) -> str:
    """The file of an explorer's picture, by its number in the notebook.

    >>> picture_name("00_start_here", 1), picture_name("00_start_here", 2)
    ('00_start_here.svg', '00_start_here-2.svg')
    """
    return f"{stem}.svg" if number == 1 else f"{stem}-{number}.svg"


def with_picture(introduction: str, name: str, alt: str) -> str:
    """The text before an explorer, with its picture and the text alternative of that (as HTML) at the end.

    >>> with_picture("Move λ.", "hot_key.svg", "A storm.").partition("</summary>")[2]
    '<img src="pictures/hot_key.svg" alt="A storm."></details>'
    """
    summary, image = "Without a kernel: the explorer as it starts", f'<img src="pictures/{name}" alt="{alt}">'
    return f"{without_picture(introduction)}\n\n<details><summary>{summary}</summary>{image}</details>"


def without_picture(introduction: str) -> str:
    r"""The text before an explorer, without its picture.

    >>> without_picture('Move λ.\n\n<details><summary>Without a kernel: …</summary><img src="…"></details>')
    'Move λ.'
    """
    return _PICTURE.sub("", introduction)
