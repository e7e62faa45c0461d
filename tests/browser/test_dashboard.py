"""The explorers without code, served by Voilà as `make dashboard` does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from docs import notebooks
from tests.browser.jupyter import ExplorerPage, explorers

SHOTS = Path(__file__).parent / "shots"
NOTEBOOKS = {path.stem: notebooks.read(path) for path in notebooks.paths()}
TITLES = {
    stem: notebooks.title(notebook.cells[0].source)
    for stem, notebook in NOTEBOOKS.items()
    if notebooks.explorers(notebook)
}

SOME = ("04_thundering_herd",)
"""Dashboards that `make test` opens; the others are in the slow lane, and their notebooks in JupyterLab always."""

HARMLESS: tuple[str, ...] = ()
"""How console errors begin that Voilà itself makes, with nothing of ours on the page: none at present."""

Theme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def voila(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Voilà, which serves all dashboards."""
    state = tmp_path_factory.mktemp("voila")
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = os.environ | {name: str(state / name.lower()) for name in places}
    command = [sys.executable, "-m", "docs.dashboard", "--no-browser", "--show_tracebacks=True"]
    log = state / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=notebooks.ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield address(process, log)
        finally:
            process.terminate()  # which stops the kernels too
            process.wait(20)


def address(process: subprocess.Popen[bytes], log: Path, timeout: float = 60) -> str:
    """Where Voilà says that it listens."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        if told := re.search(r"is running at:\s*(http://127\.0\.0\.1:\d+/)", log.read_text()):
            return told[1]
        time.sleep(0.1)
    raise RuntimeError(f"Voilà did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def list_of_dashboards(browser: Browser, voila: str) -> Iterator[Callable[[Theme], Page]]:
    """Opens the list for a reader who prefers a theme. That page, and those after it, must not complain."""
    complaints: list[str] = []
    pages: list[Page] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(HARMLESS):
            complaints.append(message.text)

    def asked(url: str) -> None:
        if not url.startswith((voila, voila.replace("http", "ws"), "blob:", "data:")):
            complaints.append(f"asks for {url}")

    def open_list(theme: Theme) -> Page:
        page = browser.new_page(viewport={"width": 1100, "height": 1300}, color_scheme=theme, reduced_motion="reduce")
        pages.append(page)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked(request.url))
        page.goto(voila)
        return page

    yield open_list
    for page in pages:
        page.goto(voila)  # leaving a dashboard stops its kernel
        page.close()
    assert complaints == []


def opened(page: Page, stem: str) -> ExplorerPage:
    """The first explorer of a dashboard, opened from the list."""
    page.get_by_role("link", name=TITLES[stem], exact=True).press("Enter")
    error = page.locator("[data-mime-type*=stderr]").filter(has_not_text="once on this machine")  # curves are compiled
    error.or_(page.get_by_role("button", name="Reset")).first.wait_for(timeout=60_000)
    assert error.all_inner_texts() == []
    return ExplorerPage(page, page)


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"dashboard_{name}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_list_leads_to_every_dashboard(list_of_dashboards, theme):
    page = list_of_dashboards(theme)
    shoot(page, f"list_{theme}")
    links = page.get_by_role("listitem").get_by_role("link")
    assert links.all_inner_texts() == list(TITLES.values())
    for stem, link in zip(TITLES, links.all(), strict=True):
        query = "?theme=dark" if theme == "dark" else ""
        assert link.evaluate("link => link.pathname + link.search") == f"/voila/render/{stem}.ipynb{query}"


@pytest.mark.parametrize(
    "stem", [pytest.param(stem, marks=[] if stem in SOME else pytest.mark.slow) for stem in TITLES]
)
def test_a_dashboard_has_explorers_that_move_no_code_and_a_kernel_until_it_is_left(list_of_dashboards, voila, stem):
    page = list_of_dashboards("light")
    explorer = opened(page, stem)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true")
    expect(page.get_by_role("heading", level=1)).to_contain_text(TITLES[stem])
    expect(explorers(page, page)).to_have_count(len(notebooks.explorers(NOTEBOOKS[stem])))
    shoot(page, stem)

    expect(page.locator(".jp-CodeCell .jp-InputArea, .highlight")).to_have_count(0)
    text = page.locator("body").inner_text()
    for unwanted in ("from cachesim", "explore(", ".check(", "Your turn", "Without a kernel", "Traceback"):
        assert unwanted not in text
    expect(page.locator("img:not([alt]), img[alt='']")).to_have_count(0)

    before = explorer.seen()
    slider = explorer.box.get_by_role("slider").first
    slider.press("ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight")
    expect(explorer.finding).to_have_attribute("aria-busy", "true")
    explorer.settle()
    assert explorer.seen() != before
    expect(explorer.problem).to_be_empty()

    kernel = f"{voila}api/kernels/{json.loads(page.locator('#jupyter-config-data').inner_text())['kernelId']}"
    assert page.request.get(kernel).status == 200
    page.get_by_role("link", name="All explorers").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Explorers")
    for _ in range(100):
        if page.request.get(kernel).status == 404:
            return
        page.wait_for_timeout(100)
    pytest.fail("the kernel still runs")


def test_the_keyboard_moves_picture_and_numbers_in_the_dark_too(list_of_dashboards):
    page = list_of_dashboards("dark")
    explorer = opened(page, "00_start_here")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    before, mean = explorer.pixels(), float(explorer.number("Loads per expiry, mean"))
    slider, rate = explorer.slider("Load time D"), float(explorer.slider("Request rate λ").input_value())
    unprotected = 1 + rate * float(slider.evaluate("input => input.max"))
    slider.press("End")
    expect(explorer.finding).to_contain_text(f"1 + λD = {unprotected:.5g}.")
    explorer.settle()
    assert float(explorer.number("Loads per expiry, mean")) > 2 * mean
    expect(explorer.box.locator('[data-agrees="false"]')).to_have_count(0)
    assert explorer.pixels() != before
    explorer.scenario.press("Enter")
    expect(explorer.box.locator("pre")).to_contain_text(f"value = {slider.input_value()}")
    shoot(page, "dark")
