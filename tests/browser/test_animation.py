"""The animation, as a reader uses it: it moves only when asked, and tells what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

import cachesim as cs
from cachesim.plots import in_flight

SHOTS = Path(__file__).parent / "shots"

SCENARIO = """
import cachesim as cs

scenario = cs.Scenario(
    arrivals=cs.arrivals.Poisson(rate=100),
    keys=cs.keys.OneKey(),
    cache=cs.Pattern("cache-aside", ttl=2, single_flight="none"),
    database=cs.Database(latency=cs.latency.Constant(0.5)),
    duration=10,
)
"""

CELLS = [
    SCENARIO
    + """
from types import SimpleNamespace

from IPython.display import display

from cachesim.lab.animation import Animation
from cachesim.lab.controls import Button, Switch
from cachesim.lab.panel import Listing, Panel

Animation.of(cs.simulate(scenario))
""",
    """
explorer = SimpleNamespace(listing=Listing(text=scenario.to_toml()), finding=Panel())
switch, button = Switch(label="Single flight"), Button(label="Break")

def turned(change):
    how = "process" if switch.value else "none"
    explorer.listing.text = scenario.replace(**{"cache.single_flight": how}).to_toml()

def broken(change):
    explorer.listing.text = "<no> scenario"

switch.observe(turned, "value")
button.observe(broken, "value")
display(switch, button, Animation().follow(explorer))
""",
    "display(*['below'] * 60)",
]

COUNT_DRAWINGS = """() => {
    window.drawings = 0;
    const original = CanvasRenderingContext2D.prototype.setTransform;
    CanvasRenderingContext2D.prototype.setTransform = function (...numbers) {
        window.drawings++; // once each time that all is drawn
        return original.apply(this, numbers);
    };
}"""

COMES_TO_REST = """async () => {
    for (let attempt = 0; attempt < 10; attempt++) {
        const before = drawings;
        await new Promise(resolve => setTimeout(resolve, 300));
        if (drawings === before) return true;
    }
    return false;
}"""

CORNER = """canvas => Array.from(canvas.getContext("2d").getImageData(1, 1, 1, 1).data)"""


class AnimationOnPage:
    """An animation as a reader finds it: by roles and names."""

    def __init__(self, box: Locator) -> None:
        self.box = box
        self.canvas = box.get_by_role("img")
        self.slider = box.get_by_role("slider", name="time", exact=True)
        self.speed = box.get_by_role("combobox", name="speed")
        self.play = box.get_by_role("button", name="Play", exact=True)
        self.pause = box.get_by_role("button", name="Pause", exact=True)
        self.problem = box.get_by_role("alert")
        self.legend = box.get_by_role("list", name="What the marks are").get_by_role("listitem")

    @property
    def moment(self) -> float:
        return float(self.slider.input_value())

    def go_to(self, moment: float) -> None:
        self.slider.fill(str(moment))

    def pixels(self) -> str:
        return str(self.canvas.evaluate("canvas => canvas.toDataURL()"))


@pytest.fixture(scope="module")
def notebook(lab):
    """A notebook with two animations, in a page that has nothing against motion."""
    lab.write("animation.ipynb", *CELLS)
    with lab.open("animation.ipynb", motion="no-preference") as notebook:
        notebook.page.evaluate(COUNT_DRAWINGS)
        notebook.run_all()
        yield notebook


@pytest.fixture
def animation(notebook):
    """The first animation, at its start."""
    animation = AnimationOnPage(notebook.panel.locator(".cachesim-animation").first)
    animation.box.scroll_into_view_if_needed()
    animation.go_to(1)
    animation.go_to(0)
    yield animation
    animation.go_to(0)
    assert notebook.complaints == []
    assert notebook.errors() == []
    expect(animation.problem).to_be_empty()


@pytest.fixture
def following(notebook):
    """The second animation, which follows the switch and the button above it."""
    return AnimationOnPage(notebook.panel.locator(".cachesim-animation").last)


@pytest.fixture(scope="module")
def result() -> cs.Result:
    names: dict[str, cs.Scenario] = {}
    exec(SCENARIO, names)
    return cs.simulate(names["scenario"])


def test_stands_still_until_asked(animation, notebook):
    notebook.page.evaluate("drawings = 0")
    notebook.page.wait_for_timeout(400)
    assert notebook.page.evaluate("drawings") == 0
    expect(animation.play).to_be_visible()
    expect(animation.canvas).to_have_attribute("aria-label", re.compile(r"^At 0\.00 s: value gone; 0 loads"))


@pytest.mark.parametrize("how", ["keyboard", "mouse"])
def test_plays_and_pauses(animation, how):
    press = (lambda button: button.press("Space")) if how == "keyboard" else (lambda button: button.click())
    before = animation.pixels()
    press(animation.play)
    expect(animation.pause).to_be_visible()
    expect(animation.canvas).to_have_attribute("aria-label", re.compile("^Playing"))
    expect(animation.slider).to_have_value(re.compile(r"^0\.[3-9]"))
    press(animation.pause)
    expect(animation.play).to_be_visible()
    moment, pixels = animation.moment, animation.pixels()
    assert pixels != before
    expect(animation.canvas).to_have_attribute("aria-label", re.compile(r"^At \d"))
    animation.box.page.wait_for_timeout(300)
    assert (animation.moment, animation.pixels()) == (moment, pixels)


def test_plays_to_the_end_and_again(animation):
    animation.go_to(9.8)
    animation.speed.select_option("2 × real time")
    animation.play.press("Enter")
    expect(animation.slider).to_have_value("10")
    expect(animation.play).to_be_visible()
    animation.play.press("Enter")
    expect(animation.pause).to_be_visible()
    assert animation.moment < 9
    animation.pause.press("Enter")
    animation.speed.select_option("½ of real time")


def test_the_slider_follows_the_keyboard(animation):
    pixels = animation.pixels()
    for key, value in (
        ("ArrowRight", "0.02"),
        ("ArrowUp", "0.04"),
        ("ArrowLeft", "0.02"),
        ("End", "10"),
        ("Home", "0"),
    ):
        animation.slider.press(key)
        expect(animation.slider).to_have_value(value)
        label = animation.canvas.get_attribute("aria-label")
        assert label.startswith(f"At {float(value):.2f} s: ")
        assert animation.slider.get_attribute("aria-valuetext") == label
        assert (animation.pixels() == pixels) is (key == "Home")
    expect(animation.slider).to_be_focused()


def test_moving_the_slider_pauses(animation):
    animation.play.click()
    animation.slider.press("PageUp")
    expect(animation.play).to_be_visible()
    assert 0 < animation.moment < 10


@pytest.mark.parametrize("moment", [0.3, 0.56, 1.5, 3.3, 6.7, 10])
def test_tells_what_the_result_says(animation, result, moment):
    animation.go_to(moment)
    _, counts = in_flight(result.loads["start"], result.loads["end"], moment + 1e-9)
    requests, loads, entries = result.requests, result.loads, result.entries
    kept = ((entries["stored"] <= moment) & ~(entries["ended"] <= moment)).any()
    now, so_far = counts[-1], (loads["start"] <= moment).sum()
    expect(animation.canvas).to_have_attribute(
        "aria-label",
        f"At {moment:.2f} s: value {'kept' if kept else 'gone'}; {now} load{'' if now == 1 else 's'} in flight at the "
        f"database, 0 requests waiting at the cache; {(requests['time'] <= moment).sum()} requests and {so_far} loads "
        "so far.",
    )


def test_less_motion_means_still_frames(animation, notebook):
    """A quarter of a second each, at half the speed."""
    notebook.page.emulate_media(reduced_motion="reduce")
    expect(animation.play).to_be_visible()
    animation.slider.evaluate(
        """slider => {
            window.moments = [];
            const setter = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
            const getter = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").get;
            Object.defineProperty(slider, "value", {
                configurable: true,
                get() { return getter.call(this); },
                set(value) { moments.push(value); setter.call(this, value); },
            });
        }"""
    )
    animation.play.press("Space")
    notebook.page.wait_for_function("moments.length >= 4")
    animation.pause.press("Space")
    moments = notebook.page.evaluate("moments")
    animation.slider.evaluate("slider => { delete slider.value }")
    notebook.page.emulate_media(reduced_motion="no-preference")
    assert moments[:4] == [0.125, 0.25, 0.375, 0.5]


def test_costs_nothing_when_out_of_sight(animation, notebook):
    animation.play.click()
    notebook.panel.get_by_text("below").last.scroll_into_view_if_needed()
    assert notebook.page.evaluate(COMES_TO_REST)
    expect(animation.box.get_by_role("button")).to_have_text("Pause")
    away = animation.moment
    animation.box.scroll_into_view_if_needed()
    notebook.page.wait_for_function(
        "moment => document.querySelector('.cachesim-moment input').value > moment", arg=away
    )
    animation.pause.click()


def test_nothing_jumps_and_pixels_are_sharp(animation, notebook):
    size = notebook.page.viewport_size
    try:
        for width in (1280, 700):
            notebook.page.set_viewport_size({"width": width, "height": 1000})
            notebook.page.wait_for_function(
                """() => {
                    const canvas = document.querySelector(".cachesim-animation canvas");
                    return canvas.width === Math.round(canvas.clientWidth * devicePixelRatio);
                }"""
            )
            box = animation.canvas.bounding_box()
            assert box["width"] <= 768
            assert box["height"] == pytest.approx(box["width"] * 376 / 768, abs=1)
    finally:
        notebook.page.set_viewport_size(size)


def test_tab_goes_through_the_controls(animation):
    animation.slider.focus()
    for control in (animation.play, animation.speed):
        animation.box.page.keyboard.press("Tab")
        expect(control).to_be_focused()


def test_colours_follow_the_theme_and_paper_is_white(animation, notebook):
    notebook.theme("Dark")
    notebook.page.wait_for_function(f"({CORNER})(document.querySelector('.cachesim-animation canvas'))[0] < 50")
    notebook.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert animation.canvas.evaluate(CORNER) == [255] * 4
    notebook.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert animation.canvas.evaluate(CORNER)[0] < 50
    notebook.theme("Light")
    notebook.page.wait_for_function(f"({CORNER})(document.querySelector('.cachesim-animation canvas'))[0] > 200")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_looks(animation, notebook, theme):
    """Pictures of it, for people to look at: calm, the storm building, full, and the answer arriving."""
    notebook.theme(theme)
    SHOTS.mkdir(exist_ok=True)
    for name, moment in (("calm", 2.4), ("building", 3.2), ("full", 3.5), ("answer", 3.64)):
        animation.go_to(moment)
        animation.box.screenshot(path=SHOTS / f"animation_{name}_{theme.lower()}.png")
    notebook.theme("Light")


def test_follows_a_scenario_and_tells_what_goes_wrong(following, notebook):
    box = following.box
    box.scroll_into_view_if_needed()
    expect(following.legend).to_have_text(["hit", "miss: loads"])
    following.play.click()
    switch = notebook.panel.get_by_role("checkbox", name="Single flight")
    switch.click()
    expect(following.legend).to_have_text(["hit", "delayed hit: waits", "miss: loads"])
    expect(following.play).to_be_visible()
    expect(following.slider).to_have_value("0")
    following.go_to(0.46)
    expect(following.canvas).to_have_attribute("aria-label", re.compile("1 load in flight .* 43 requests waiting"))

    notebook.panel.get_by_role("button", name="Break").click()
    expect(following.problem).to_contain_text("TOMLDecodeError")
    expect(following.slider).to_have_value("0.46")  # what worked last
    notebook.page.screenshot(path=SHOTS / "animation_broken.png")
    switch.click()
    expect(following.problem).to_be_empty()
    expect(following.legend).to_have_text(["hit", "miss: loads"])
    assert notebook.panel.locator(".cachesim-animation").count() == 2
    assert notebook.complaints == []
