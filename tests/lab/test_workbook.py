"""The rendered notebooks, the dashboards, and the picture beside each explorer: what is made of the notebooks."""

from __future__ import annotations

import ast
import asyncio
import re
from base64 import b64encode
from html import escape, unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import NotebookNode

from cachesim.lab.explorer import Explorer
from cachesim.lab.explorers import hot_key
from cachesim.lab.picture import svg
from docs import notebooks, workbook
from docs.dashboard import dashboard, write
from docs.workbook import WorkbookError
from tests.lab.reading import rows

with_explorers = [path for path in notebooks.paths() if notebooks.explorers(notebooks.read(path))]
every_notebook = pytest.mark.parametrize("path", with_explorers, ids=lambda path: path.stem)

STALE = (
    '\n\n<details><summary>Without a kernel: the explorer as it starts</summary><img src="old.svg" alt=""></details>'
)


def text(source: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source)  # type: ignore[no-any-return]


def code(source: str, tag: str | None = None, data: dict[str, str] | None = None) -> NotebookNode:
    outputs = [] if data is None else [nbformat.v4.new_output("display_data", data)]
    metadata = {} if tag is None else {"tags": [tag]}
    return nbformat.v4.new_code_cell(source, metadata=metadata, outputs=outputs)  # type: ignore[no-any-return]


def notebook(*cells: NotebookNode) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=list(cells))  # type: ignore[no-any-return]


def small() -> NotebookNode:
    """A notebook as the workbook has them, with one explorer."""
    return notebook(
        text("# 03 · A small one\n\nChoose **Run ▸ Run All Cells**."),
        code("from cachesim.lab.explorers import hot_key", "imports"),
        code("print('a guess')"),
        text(f"## Move the sliders\n\nAs in [04](04_next.ipynb#top).{STALE}"),
        code("hot_key.explore()", "explorer"),
        text("See [what is left out](../docs/what-the-model-leaves-out.md) and [Python](https://python.org/a.md)."),
        code("print('<an exercise>')"),
    )


def sources(cells: list[NotebookNode]) -> list[str]:
    return [cell.source for cell in cells]


# ── Dashboards ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dashboard_has_the_title_the_imports_and_the_explorers_alone():
    made = dashboard(small())
    nbformat.validate(made)
    title, imports, introduction, explorer = sources(made.cells)
    assert title.endswith("\n\n# 03 · A small one")
    assert imports == "from cachesim.lab.explorers import hot_key"
    assert introduction == "## Move the sliders\n\nAs in [04](04_next.ipynb#top)."
    assert explorer == "hot_key.explore()"


def test_the_dashboards_are_listed_by_their_titles(tmp_path):
    folder = tmp_path / "dashboard"
    for _ in range(2):  # again over what is there
        write(folder)
        (folder / "00_gone.ipynb").touch()
    (folder / "00_gone.ipynb").unlink()
    listed = (folder / "voila" / "templates" / "explorers" / "tree-lab.html").read_text()
    found = {
        unescape(name): stem for stem, name in re.findall(r'<a href="/voila/render/(.*?)\.ipynb">(.*?)</a>', listed)
    }
    titles = {notebooks.title(notebooks.read(path).cells[0].source): path.stem for path in with_explorers}
    assert found == titles
    assert sorted(found.values()) == sorted(path.stem for path in folder.glob("*.ipynb"))


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A notebook's page, from its file."""
    path = tmp_path_factory.mktemp("notebooks") / "03_small.ipynb"
    nbformat.write(small(), path)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(path.parent / name.lower()))
        return path, asyncio.run(workbook.run(path))


def test_a_page_shows_what_the_cells_do(rendered):
    _, made = rendered
    assert "&lt;an exercise&gt;" in made.body
    explorer = hot_key.explore()
    assert escape(explorer.picture.alt) in made.body
    assert explorer.finding.html in made.body
    assert rows(made.body) == rows(explorer.numbers.html) != {}


def test_a_page_needs_neither_kernel_nor_network(rendered):
    _, made = rendered
    assert "<script" not in made.body
    assert "jupyter.widget" not in made.body
    assert re.findall(r'src="(?!data:)[^"]*"', made.body) == []
    assert "url(" not in made.body


def test_the_picture_for_the_notebook_is_not_on_the_page_besides(rendered):
    _, made = rendered
    assert "Without a kernel" not in made.body
    assert made.body.count("<img ") == 1


def test_links_between_notebooks_lead_from_page_to_page(rendered):
    _, made = rendered
    for address in ("04_next.html#top", "../what-the-model-leaves-out.html", "https://python.org/a.md"):
        assert f'href="{address}"' in made.body


def test_the_picture_is_the_same_in_every_process(rendered):
    _, made = rendered
    explorer = hot_key.explore()
    assert [picture.svg for picture in made.pictures] == [svg(explorer.sketch.figure)]
    assert [unescape(picture.alt) for picture in made.pictures] == [explorer.picture.alt]


def test_the_picture_is_put_beside_the_explorer(rendered):
    path, made = rendered
    workbook.refresh(path, made.pictures)
    cells = notebooks.read(path).cells
    assert cells[3].source == (
        "## Move the sliders\n\nAs in [04](04_next.ipynb#top).\n\n"
        "<details><summary>Without a kernel: the explorer as it starts</summary>"
        f'<img src="pictures/03_small.svg" alt="{made.pictures[0].alt}"></details>'
    )
    assert sources(cells[:3] + cells[4:]) == sources(small().cells[:3] + small().cells[4:])
    assert (path.parent / "pictures" / "03_small.svg").read_bytes() == made.pictures[0].svg
    before = path.read_bytes()
    workbook.refresh(path, made.pictures)
    assert path.read_bytes() == before


def test_a_cell_that_fails_is_named_and_what_did_run_is_kept(rendered, tmp_path, monkeypatch, capsys):
    path, made = rendered
    run = workbook.run

    async def run_once(at: Path) -> workbook.Rendered:
        return made if at == path else await run(at)

    broken, cell = tmp_path / "05_broken.ipynb", code("1 / 0")
    nbformat.write(notebook(text("# 05 · Broken"), cell, code("print('not reached')")), broken)
    monkeypatch.setattr(workbook, "run", run_once)
    monkeypatch.setattr(workbook, "BUILD", tmp_path / "kept")
    assert workbook.main([str(broken), str(path)]) == 1
    assert capsys.readouterr().err == f"05_broken, cell 2 ({cell.id}): ZeroDivisionError: division by zero\n"
    kept = tmp_path / "kept" / "03_small.html"
    assert list(kept.parent.iterdir()) == [kept]
    assert kept.stat().st_mtime >= path.stat().st_mtime  # so the site takes it


def test_a_widget_that_needs_a_kernel_is_refused():
    view = {"application/vnd.jupyter.widget-view+json": "…", "text/plain": "Slider()"}
    with pytest.raises(WorkbookError, match=r"06, cell 1 \(.*\): a widget that shows nothing without a kernel"):
        workbook.html(notebook(code("slider", data=view)), "06")


def test_an_image_without_a_text_alternative_is_refused():
    image = {"image/png": b64encode(b"a picture").decode()}
    with pytest.raises(WorkbookError, match="07: an image has no text alternative"):
        workbook.html(notebook(code("plot()", data=image)), "07")


# ── What is committed ─────────────────────────────────────────────────────────────────────────────────────────────


def explorers_of(path: Path) -> list[Explorer[Any, Any]]:
    """The explorers of a notebook, from the cells of its dashboard alone."""
    names: dict[str, Any] = {}
    found = []
    for cell in dashboard(notebooks.read(path)).cells:
        if cell.cell_type == "code":
            *before, last = ast.parse(cell.source).body
            exec(compile(ast.Module(before, []), path.name, "exec"), names)
            if "explorer" in cell.metadata.tags:
                assert isinstance(last, ast.Expr)
                found.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
            else:
                exec(compile(ast.Module([last], []), path.name, "exec"), names)
    return found


def words(svg: bytes) -> list[str]:
    """The texts in a picture: matplotlib draws them as outlines, and leaves each as a comment beside them."""
    return re.findall(r"<!-- (.*?) -->", svg.decode())


@every_notebook
def test_each_explorer_has_its_picture_beside_it(path):
    """If it has not, or is not up to date: `make docs`."""
    explorers = explorers_of(path)
    introductions = [introduction.source for introduction, _ in notebooks.explorers(notebooks.read(path))]
    assert len(explorers) == len(introductions) > 0
    for number, (explorer, introduction) in enumerate(zip(explorers, introductions, strict=True), 1):
        name = notebooks.picture_name(path.stem, number)
        alt = escape(explorer.picture.alt)
        assert introduction == notebooks.with_picture(notebooks.without_picture(introduction), name, alt)
        picture = (path.parent / "pictures" / name).read_bytes()
        assert words(picture) == words(svg(explorer.sketch.figure)) != []


@pytest.mark.parametrize("path", sorted(notebooks.FOLDER.glob("pictures/*")), ids=lambda path: path.name)
def test_a_picture_needs_nothing_else(path):
    root = ElementTree.fromstring(path.read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert path.name in {
        notebooks.picture_name(file.stem, number)
        for file in with_explorers
        for number in range(1, len(notebooks.explorers(notebooks.read(file))) + 1)
    }
    for element in root.iter():
        assert not element.tag.endswith(("}script", "}image", "}foreignObject"))
        for name, value in element.attrib.items():
            assert not name.endswith("}href") or value.startswith("#")
            assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", value))
