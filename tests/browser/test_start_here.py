"""The first notebook, as a reader uses it: keyboard and mouse, light and dark."""

from __future__ import annotations

import re
import tomllib
from math import sqrt
from pathlib import Path

import pytest
from playwright.sync_api import expect

import cachesim as cs
from tests.browser.controls import check_explorers
from tests.browser.jupyter import ExplorerPage
from tests.lab import outputs

SHOTS = Path(__file__).parent / "shots"

RATE, LOAD_TIME, SEED, SINGLE_FLIGHT = "Request rate λ", "Load time D", "Seed of chance", "Single flight"


@pytest.fixture(scope="module")
def notebook(lab):
    with lab.open("00_start_here.ipynb") as notebook:
        notebook.run_all()
        yield notebook


@pytest.fixture
def explorer(notebook):
    """The explorer as it is at first; whatever a test does to it must not make the page complain."""
    explorer = ExplorerPage(notebook.page, notebook.panel)
    explorer.reset.click()
    expect(explorer.slider(RATE)).to_have_value("100")
    expect(explorer.finding).to_contain_text("1 + λD = 51.")
    expect(explorer.box.locator("pre")).not_to_contain_text("seed =")  # which is sent after the picture
    yield explorer
    assert notebook.complaints == []
    assert notebook.errors() == []
    expect(explorer.problem).to_be_empty()
    expect(explorer.picture).to_have_count(1)


def check_numbers(explorer: ExplorerPage) -> None:
    """The numbers are those of theory, computed from where the sliders stand."""
    rate = float(explorer.slider(RATE).input_value())
    load_time = float(explorer.slider(LOAD_TIME).input_value())
    unprotected = 1 + rate * load_time
    single_flight = explorer.switch(SINGLE_FLIGHT).is_checked()
    told = "theory says 1." if single_flight else f"theory says 1 + λD = {unprotected:.5g}."
    expect(explorer.finding).to_contain_text(told)  # once it is on the page, so are the numbers
    mean = float(explorer.number("Loads per expiry, mean"))
    expiries = re.search(r"with (\d+) expiries", explorer.box.inner_text())
    assert expiries
    if single_flight:
        assert mean == 1
        assert explorer.number("Largest stampede (loads)") == "1"
    else:
        # The mean of n expiries strays from 1 + λD by sqrt(λD / n): four of those, and the rounding on the page.
        assert mean == pytest.approx(unprotected, abs=4 * sqrt(rate * load_time / int(expiries[1])) + 0.05)
        assert float(explorer.number("Largest stampede (loads)")) >= mean - 1


def test_runs_and_every_control_of_its_explorers_works(notebook):
    outputs.check(notebook.save())
    check_explorers(notebook)
    outputs.check(notebook.save())
    assert notebook.complaints == []
    expect(notebook.panel.get_by_text("theory says 1 + 100 × 0.5 = 51,")).to_be_visible()


def test_shows_one_picture_with_a_text(explorer):
    expect(explorer.picture).to_have_count(1)
    expect(explorer.picture).to_have_attribute("alt", re.compile("3 storms, the highest of .* requests at once"))
    check_numbers(explorer)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        (RATE, "ArrowRight", "105"),
        (RATE, "ArrowDown", "95"),
        (RATE, "End", "120"),
        (RATE, "Home", "5"),
        (LOAD_TIME, "ArrowUp", "0.55"),
        (LOAD_TIME, "End", "1.5"),
        (LOAD_TIME, "Home", "0.05"),
    ],
)
def test_a_slider_follows_the_keyboard(explorer, name, key, value):
    before = explorer.pixels()
    slider = explorer.slider(name)
    slider.focus()
    slider.press(key)
    expect(slider).to_have_value(value)
    check_numbers(explorer)
    assert explorer.pixels() != before
    assert slider.get_attribute("aria-valuetext").startswith(value)


@pytest.mark.parametrize("name", [RATE, LOAD_TIME])
def test_a_slider_follows_the_mouse(explorer, name):
    before = explorer.pixels()
    slider = explorer.slider(name)
    explorer.drag(slider, to=0.9)
    assert float(slider.input_value()) > 0.8 * float(slider.get_attribute("max"))
    check_numbers(explorer)
    assert explorer.pixels() != before


def test_the_seed_changes_the_run_but_not_the_theory(explorer):
    before = explorer.pixels()
    explorer.slider(SEED).press("ArrowRight")
    expect(explorer.slider(SEED)).to_have_value("2")
    expect(explorer.box.locator("pre")).to_contain_text("seed = 2")
    check_numbers(explorer)
    assert explorer.pixels() != before


@pytest.mark.parametrize("how", ["keyboard", "mouse"])
def test_the_switch_ends_the_storm(explorer, how):
    before = explorer.pixels()
    switch = explorer.switch(SINGLE_FLIGHT)
    for on in (True, False):
        explorer.settle()
        if how == "keyboard":
            switch.press("Space")
        else:
            switch.click()
        expect(switch).to_be_checked(checked=on)
        check_numbers(explorer)
        assert (explorer.pixels() != before) is on


def test_reset_by_keyboard(explorer):
    before = explorer.pixels()
    explorer.slider(RATE).press("Home")
    explorer.slider(LOAD_TIME).press("End")
    explorer.switch(SINGLE_FLIGHT).press("Space")
    check_numbers(explorer)
    explorer.reset.press("Enter")
    for name, value in ((RATE, "100"), (LOAD_TIME, "0.5"), (SEED, "1")):
        expect(explorer.slider(name)).to_have_value(value)
    expect(explorer.switch(SINGLE_FLIGHT)).not_to_be_checked()
    check_numbers(explorer)
    assert explorer.pixels() == before


def test_nothing_moves_on_the_page(explorer):
    """Below the explorer everything stays where it is, whatever the controls say."""

    def place() -> list[dict[str, float]]:
        return [part.bounding_box() for part in (explorer.picture, explorer.scenario)]

    before = place()
    for name, key in ((RATE, "End"), (LOAD_TIME, "End"), (LOAD_TIME, "Home"), (RATE, "Home")):
        explorer.slider(name).press(key)
        check_numbers(explorer)
        assert place() == before
    explorer.switch(SINGLE_FLIGHT).press("Space")
    check_numbers(explorer)
    assert place() == before


def test_tab_goes_through_the_controls_in_order(explorer):
    explorer.slider(RATE).focus()
    for control in (explorer.slider(LOAD_TIME), explorer.switch(SINGLE_FLIGHT), explorer.slider(SEED), explorer.reset):
        explorer.page.keyboard.press("Tab")
        expect(control).to_be_focused()


def test_the_scenario_opens_and_can_be_copied(explorer):
    explorer.slider(RATE).press("End")
    check_numbers(explorer)
    text = explorer.box.locator("pre")
    expect(text).to_be_hidden()
    explorer.scenario.press("Enter")
    expect(text).to_be_visible()
    explorer.box.get_by_role("button", name="Copy").press("Enter")
    copied = explorer.page.evaluate("getSelection().toString()")
    scenario = cs.Scenario(**tomllib.loads(copied))
    assert scenario.arrivals == cs.arrivals.Poisson(rate=120)
    explorer.slider(RATE).press("Home")
    expect(text).to_contain_text("rate = 5.0")
    expect(text).to_be_visible()  # it stays open
    explorer.scenario.press("Enter")
    expect(text).to_be_hidden()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_looks(explorer, notebook, theme):
    """Pictures of it, for people to look at."""
    notebook.theme(theme)
    explorer.slider(RATE).press("ArrowRight")
    check_numbers(explorer)
    SHOTS.mkdir(exist_ok=True)
    explorer.box.scroll_into_view_if_needed()
    explorer.page.screenshot(path=SHOTS / f"page_{theme.lower()}.png")
    size = explorer.page.viewport_size
    explorer.page.set_viewport_size({"width": 1280, "height": 1500})  # room for all of it
    explorer.scenario.press("Enter")
    explorer.box.screenshot(path=SHOTS / f"explorer_{theme.lower()}.png")
    explorer.scenario.press("Enter")
    explorer.page.set_viewport_size(size)
    notebook.theme("Light")
