"""What goes wrong while a reader moves a control is told on the page, and found by these tests wherever it hides."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.jupyter import ExplorerPage
from tests.lab.outputs import errors

SHOTS = Path(__file__).parent / "shots"

BROKEN = """
import ipywidgets
from IPython.display import display

from cachesim.lab.explorer import simulated
from cachesim.lab.explorers import hot_key

def broken(settings, requests, report):
    if settings.seed == 2:
        raise ZeroDivisionError("no luck with <this> seed")
    return simulated(settings, requests, report)

display(hot_key.explore(broken))
with ipywidgets.Output():
    int("two")
"""


def test_a_broken_callback_shows_its_error(lab):
    lab.write("broken.ipynb", BROKEN)
    with lab.open("broken.ipynb") as notebook:
        notebook.run_all()
        explorer = ExplorerPage(notebook.page, notebook.panel)
        expect(explorer.problem).to_be_empty()
        output = "ValueError: invalid literal for int() with base 10: 'two'"
        assert errors(notebook.save()) == [output]

        seed = explorer.slider("Seed of chance")
        seed.press("ArrowRight")
        expect(explorer.problem).to_contain_text("ZeroDivisionError: no luck with <this> seed")
        explorer.problem.get_by_text("Where it happened").press("Enter")
        expect(explorer.problem.get_by_text("Traceback (most recent call last)")).to_be_visible()
        first, second = errors(notebook.save())
        assert first == output
        assert "ZeroDivisionError: no luck with &lt;this&gt; seed" in second
        explorer.page.set_viewport_size({"width": 1280, "height": 1500})  # room for all of it
        SHOTS.mkdir(exist_ok=True)
        explorer.box.screenshot(path=SHOTS / "broken.png")

        seed.press("ArrowRight")
        expect(explorer.problem).to_be_empty()
        expect(explorer.picture).to_have_count(1)
    assert notebook.complaints == []
