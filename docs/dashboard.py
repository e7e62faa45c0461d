"""The explorers without code, served by Voilà: `python -m docs.dashboard [OPTION OF VOILÀ]...`.

Of each notebook that has explorers build/dashboard gets a short one: its title, its imports, and each explorer after
the text that introduces it. `/` lists them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbformat import NotebookNode

from docs import notebooks

__all__ = ["dashboard", "write"]

BUILD = notebooks.ROOT / "build" / "dashboard"
TEMPLATE = notebooks.ROOT / "docs" / "voila"
LIST = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True).get_template("explorers.html.j2")

_OPTIONS = (
    "--Voila.ip=127.0.0.1",
    "--template=explorers",
    # A page that is left stops its kernel, but not always: https://github.com/voila-dashboards/voila/issues/1458
    "--MappingKernelManager.cull_interval=60",
    "--MappingKernelManager.cull_idle_timeout=600",
)
_NAVIGATION = "[All explorers](/) · [light](?theme=light) · [dark](?theme=dark)"


def dashboard(notebook: NotebookNode) -> NotebookNode:
    """The part of a notebook that a dashboard shows: explorers, and what they need."""
    title = notebooks.title(notebook.cells[0].source)
    cells = [nbformat.v4.new_markdown_cell(f"{_NAVIGATION}\n\n# {title}", id="title")]
    cells += [notebook.cells[place] for place in notebooks.tagged(notebook, "imports")]
    for text, explorer in notebooks.explorers(notebook):
        introduction = notebooks.without_picture(text.source)
        cells += [nbformat.v4.new_markdown_cell(introduction, id=text.id), explorer]
    made: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata | {"title": title})
    return made


def write(folder: Path) -> None:
    """Write the dashboards of all notebooks that have explorers, and the templates of their pages and of their list."""
    shutil.rmtree(folder, ignore_errors=True)
    template = folder / "voila" / "templates" / "explorers"
    shutil.copytree(TEMPLATE, template)
    titles = {}
    for path in notebooks.paths():
        notebook = notebooks.read(path)
        if notebooks.explorers(notebook):
            made = dashboard(notebook)
            nbformat.write(made, folder / path.name)
            titles[f"/voila/render/{path.name}"] = made.metadata["title"]
    page = LIST.render(titles=titles)
    (template / "tree-lab.html").write_text(f"{{% raw %}}{page}{{% endraw %}}", encoding="utf-8")


def main(options: list[str]) -> None:
    """Write the dashboards and serve them on 127.0.0.1, until interrupted."""
    write(BUILD)
    path = os.pathsep.join(filter(None, [str(BUILD), os.environ.get("JUPYTER_PATH")]))
    os.environ["JUPYTER_PATH"] = path  # where Voilà looks for templates
    from voila.app import Voila

    Voila.launch_instance([str(BUILD), *_OPTIONS, *options])


if __name__ == "__main__":
    main(sys.argv[1:])
