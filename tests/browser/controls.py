"""The explorers of a notebook, each control moved as a reader moves it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.jupyter import ExplorerPage, Notebook, explorers

SHOTS = Path(__file__).parent / "shots"


def check_explorers(notebook: Notebook) -> None:
    """Every control of every explorer works, and a picture of each is left for people to look at."""
    count = explorers(notebook.page, notebook.panel).count()
    assert count >= 1
    for index in range(count):
        explorer = ExplorerPage(notebook.page, notebook.panel, index)
        check(explorer)
        SHOTS.mkdir(exist_ok=True)
        explorer.box.screenshot(path=SHOTS / f"{notebook.name.removesuffix('.ipynb')}_{index}.png")


def check(explorer: ExplorerPage) -> None:
    """Each control by keyboard, sliders by mouse too, and back to the start."""
    start = explorer.seen()
    for slider in explorer.box.get_by_role("slider").all():
        check_name(slider)
        move(explorer, partial(slider.press, "ArrowLeft" if in_upper_half(slider) else "ArrowRight"))
        move(explorer, partial(explorer.drag, slider, to=0.1 if in_upper_half(slider) else 0.9))
    for switch in explorer.box.get_by_role("checkbox").all():
        check_name(switch)
        move(explorer, partial(switch.press, "Space"))
    for choice in explorer.box.get_by_role("combobox").all():
        check_name(choice)
        move(explorer, partial(choice.press, "ArrowDown"))
    explorer.settle()
    assert explorer.problem.text_content() == ""
    explorer.reset.press("Enter")
    explorer.await_that("now === seen", start)
    expect(explorer.picture).to_have_count(1)


def in_upper_half(slider: Locator) -> bool:
    return bool(slider.evaluate("input => input.value - input.min > (input.max - input.min) / 2"))


def check_name(control: Locator) -> None:
    """A screen reader can say what it is."""
    assert control.evaluate("element => element.labels[0].innerText.trim()")


def move(explorer: ExplorerPage, how: Callable[[], None]) -> None:
    """Picture or numbers change, and theory allows what is shown."""
    before = explorer.seen()
    how()
    explorer.await_that("now !== seen", before)
    expect(explorer.box.locator('[data-agrees="false"]')).to_have_count(0)
    assert explorer.problem.text_content() == ""
