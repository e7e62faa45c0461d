"""What goes wrong while a reader moves a control is told on the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.jupyter import ExplorerPage

SHOTS = Path(__file__).parent / "shots"


def test_a_broken_callback_shows_its_error(open_notebook):
    notebook = open_notebook("broken.ipynb")
    notebook.run_all()
    explorer = ExplorerPage(notebook.page, notebook.panel)
    expect(explorer.problem).to_be_empty()

    seed = explorer.slider("Seed of chance")
    seed.press("ArrowRight")
    expect(explorer.problem).to_contain_text("ZeroDivisionError: no luck with <this> seed")
    explorer.problem.get_by_text("Where it happened").press("Enter")
    expect(explorer.problem.get_by_text("Traceback (most recent call last)")).to_be_visible()
    explorer.page.set_viewport_size({"width": 1280, "height": 1500})  # room for all of it
    SHOTS.mkdir(exist_ok=True)
    explorer.box.screenshot(path=SHOTS / "broken.png")

    seed.press("ArrowRight")
    expect(explorer.problem).to_be_empty()
    expect(explorer.picture).to_have_count(1)
    assert notebook.complaints == []
