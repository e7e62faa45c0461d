"""The site: it builds without a warning, links lead somewhere, nothing is fetched from elsewhere or left out.

Notebooks are on it as they are, not run, unless `make docs` has run them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

import cachesim as cs
from cachesim import patterns, plots, policies, schemas, theory
from cachesim.cli import _commands
from cachesim.settings import Setting
from cachesim.world import arrivals, faults, keys, latency
from cachesim.world.caches import CACHES
from cachesim.world.metrics import METRICS
from cachesim.world.recorder import Outcome
from docs import notebooks, site
from docs.docstrings import fenced
from tests.browser.jupyter import CHROMIUM_ARGUMENTS, chromium
from tests.pages import DOCS, ROOT

FETCHING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
"""What a browser fetches without being asked, by tag."""
MODULES = {"arrivals", "faults", "keys", "latency", "patterns"}
FAMILIES = (arrivals.Arrivals, keys.Keys, latency.Latency, faults.Fault)


class Read(HTMLParser):
    """The anchors of a page, where its links lead, what it fetches, and its images without a text alternative."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.mute: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in FETCHING and FETCHING[tag] in found and found.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(found[FETCHING[tag]])
        if tag == "img" and not found.get("alt"):
            self.mute.append(found["src"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    made = subprocess.run(
        command, cwd=ROOT, check=False, text=True, capture_output=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Read]:
    return {file: Read(file) for file in built.rglob("*.html")}


def test_each_link_leads_to_a_page_and_a_place_on_it(built, pages):
    broken = [
        f"{file.relative_to(built)}: {link}"
        for file, page in pages.items()
        for link in page.links
        if file.name != "404.html" and not leads_somewhere(file, link, pages)  # its links begin at the site's address
    ]
    assert broken == []


def leads_somewhere(file: Path, link: str, pages: dict[Path, Read]) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return True
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target not in pages:
        return target.is_file()
    return not parts.fragment or {parts.fragment, unquote(parts.fragment)} & pages[target].anchors != set()


def test_nothing_is_fetched_from_elsewhere(built, pages):
    fetched = [address for page in pages.values() for address in page.fetched]
    for style in built.rglob("*.css"):
        fetched += re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", style.read_text(encoding="utf-8"))
    assert len(fetched) > len(pages)
    assert [address for address in fetched if urlsplit(address).scheme not in ("", "data")] == []
    assert [address for address in fetched if address.startswith("//")] == []


def test_each_picture_has_a_text_alternative(pages):
    assert [address for page in pages.values() for address in page.mute] == []


def test_each_notebook_has_a_page_with_its_headings(built):
    for path in notebooks.paths():
        html = (built / "workbook" / f"{path.stem}.html").read_text(encoding="utf-8")
        title, *headings = [
            line.lstrip("# ")
            for cell in notebooks.read(path).cells
            if cell.cell_type == "markdown"
            for line in cell.source.splitlines()
            if re.match("##? ", line)
        ]
        contents = html.partition('<ul class="md-nav__list" data-md-component="toc"')[2].partition("</nav>")[0]
        shown = re.findall(r'<span class="md-ellipsis">\s*(.*?)\s*</span>', contents, re.DOTALL)
        assert [re.sub("<.*?>", "", text) for text in shown] == [plain(heading) for heading in headings]
        assert title.partition(":")[0] in html


def plain(heading: str) -> str:
    return re.sub(r"[*_`]", "", heading).replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;")


# ── What the reference must have ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def documented(built: Path) -> set[str]:
    """Every name that the reference explains."""
    inventory = (built / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}


def test_every_public_name_is_explained(documented):
    public = {
        "cachesim": {name: getattr(cs, name) for name in set(cs.__all__) - MODULES},
        "cachesim.patterns": {name: getattr(patterns, name) for name in set(patterns.__all__) - {"PATTERNS"}},
        "cachesim.policies": {name: getattr(policies, name) for name in set(policies.__all__) - {"POLICIES"}},
        "cachesim.plots": {name: getattr(plots, name) for name in set(plots.__all__) - {"BLUE", "VERMILION"}},
        "cachesim.theory": {name: getattr(theory, name) for name in theory.__all__},
        "": {member.__name__: member for family in FAMILIES for member in members(family)},
    }
    missing = [
        f"{module}.{name}"
        for module, names in public.items()
        for name, value in names.items()
        if not {f"{module}.{name}", f"{value.__module__}.{name}"} & documented
    ]
    assert missing == []


def members(family: type[Setting]) -> Iterator[type[Setting]]:
    for below in family.__subclasses__():
        yield from list(members(below)) or [below]


def test_every_command_field_metric_and_document_is_on_its_page(built):
    html = {
        name: (built / "reference" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("command-line", "scenario-files", "metrics", "json")
    }
    for name, command in _commands.commands.items():
        assert f"cachesim {name}" in html["command-line"]
        for option in command.params:
            for spelling in option.opts if option.param_type_name == "option" else ():
                assert spelling in html["command-line"]
    for field in cs.Scenario.model_fields:
        assert f"<code>{field}</code>" in html["scenario-files"]
    for name in CACHES:
        assert f'pattern = "{name}"' in unescape(html["scenario-files"])
    for metric in METRICS:
        assert f"<code>{metric}</code>" in html["metrics"]
    for outcome in Outcome:
        assert f"<code>{outcome.name}</code>" in html["metrics"]
    for name in schemas.names():
        assert name in html["json"]


def test_a_setting_shows_its_fields_as_arguments(built):
    html = (built / "reference" / "world.html").read_text(encoding="utf-8")
    signature = html.partition('id="cachesim.Clients"')[2].partition("</pre>")[0]
    shown = re.sub("<.*?>", "", signature)
    assert [name for name in cs.Clients.model_fields if f"{name}: " not in shown and f"{name}:" not in shown] == []


def test_examples_in_docstrings_are_code():
    text = "Adds.\n\n>>> add(1)\n2\n\nAnd:\n\n>>> add(2)\n3"
    assert fenced(text) == "Adds.\n\n```pycon\n>>> add(1)\n2\n```\n\nAnd:\n\n```pycon\n>>> add(2)\n3\n```"


def test_a_section_of_the_readme_leads_to_pages_of_the_site():
    assert "](../workbook/00_start_here.md)" in site.section("The workbook", "../")
    assert "](storm.png)" in site.section("Start")
    assert not re.search(r"\]\((docs|notebooks)/", "".join(map(site.section, ("cachesim", "Start", "Ten lines"))))
    with pytest.raises(KeyError):
        site.section("No such section")


def test_the_readme_has_every_section_that_a_page_asks_for():
    asked = {name for page in DOCS.rglob("*.md") for name in re.findall(r"<!-- README: (.*?) -->", page.read_text())}
    assert asked >= {"cachesim", "Start"}
    assert all(site.section(name) for name in asked)


# ── In a browser ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_from_disk_it_complains_of_nothing_asks_nobody_and_finds(built):
    path = chromium()
    if path is None:
        if os.environ.get("CACHESIM_REQUIRE_BROWSER"):
            pytest.fail("no Chromium")
        pytest.skip("no Chromium")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark", reduced_motion="reduce")
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asks_nobody(request.url, complaints))
        for name in ("how-to/own-cache", "workbook/00_start_here", "reference/runs", "reference/json", "index"):
            page.goto(f"file://{built}/{name}.html")
            assert page.evaluate("document.body.dataset.mdColorScheme") == "slate"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        page.set_viewport_size({"width": 1280, "height": 800})
        page.keyboard.press("/")
        page.keyboard.type("stale-while-revalidate")
        page.locator(".md-search-result__item", has_text="Stale-while-revalidate").first.wait_for(timeout=15_000)
        browser.close()
    assert complaints == []


def asks_nobody(url: str, complaints: list[str]) -> None:
    if urlsplit(url).scheme not in ("file", "data", "blob", "about"):
        complaints.append(url)
