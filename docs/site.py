"""What the site has besides the pages in docs/: functions that mkdocs calls (`hooks` in mkdocs.yml).

- A page for each notebook: what `python -m docs.workbook` has kept of it, or the notebook as it is, not run.
- Parts of the reference that are made of the code (`docs.reference`).
- Sections of the README: `<!-- README: Ten lines -->` in a page stands for the section of this heading. So does
  `<!-- METRICS -->` for the table of them, and `<!-- INVARIANTS -->`.
"""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc

from docs import notebooks, reference, workbook

__all__ = ["on_config", "on_files", "on_page_content", "on_page_markdown", "section"]

_README = notebooks.ROOT / "README.md"
_SECTION = re.compile(r"<!-- README: (.*?) -->")
_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="headerlink"')
_TAG = re.compile(r"<[^>]*>")
_NOTE = """<div class="admonition note"><p>The notebook <code>{name}</code>{how}. <code>make lab</code> opens it, and
there the sliders move.</p></div>"""


def on_config(config: MkDocsConfig) -> None:
    """The notebooks stand in the navigation, by the short form of their titles."""
    assert config.nav is not None
    inside = next(entry["Workbook"] for entry in config.nav if "Workbook" in entry)
    for path in notebooks.paths():
        inside.append({_title(path).partition(":")[0]: f"workbook/{path.stem}.md"})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """The pages that are made."""
    made = {f"workbook/{path.stem}.md": f"---\ntitle: {json.dumps(_title(path))}\n---\n" for path in notebooks.paths()}
    made["workbook/index.md"] = "# The workbook\n\n<!-- README: The workbook -->\n"
    made |= {f"reference/{name}.md": text() for name, text in reference.PAGES.items()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Sections of the README take their places, and the tables of metrics and of invariants."""
    up = "../" * page.file.src_uri.count("/")
    markdown = _SECTION.sub(lambda found: section(found[1], up), markdown)
    markdown = markdown.replace("<!-- INVARIANTS -->", reference.invariants())
    return markdown.replace("<!-- METRICS -->", reference.metrics())


def section(heading: str, up: str = "") -> str:
    """The text below a heading of the README; `up` leads from the page that it is for to the root of the site.

    Raises `KeyError` for an unknown heading.
    """
    text = _README.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^##? (.*)\n(.*(?:\n(?!## ).*)*)", text, re.MULTILINE))
    body = re.sub(r"\]\(notebooks/(\w+)\.ipynb\)", rf"]({up}workbook/\1.md)", sections[heading].strip())
    return body.replace("](docs/", f"]({up}")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A notebook's page shows the notebook."""
    path = notebooks.FOLDER / f"{Path(page.file.src_uri).stem}.ipynb"
    if not page.file.src_uri.startswith("workbook/") or not path.exists():
        return html
    kept = workbook.BUILD / f"{path.stem}.html"
    if kept.exists() and kept.stat().st_mtime >= path.stat().st_mtime:
        body, how = kept.read_text(encoding="utf-8"), " as it was run"
    else:
        body, how = workbook.html(notebooks.read(path), path.stem), ", not run: <code>make docs</code> runs it"
    headings = [(name, unescape(_TAG.sub("", text))) for name, text in _HEADING.findall(body)]
    page.toc = get_toc([{"level": 2, "id": name, "name": text, "children": []} for name, text in headings])
    page.present_anchor_ids = set(re.findall(r'\bid="([^"]+)"', body))
    return f'<div class="workbook">{_NOTE.format(name=path.name, how=how)}\n{body}</div>'


def _title(path: Path) -> Any:
    return notebooks.title(notebooks.read(path).cells[0].source)
