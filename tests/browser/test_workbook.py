"""Every notebook in JupyterLab: it runs, each control moves picture and numbers, and the page does not complain."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.jupyter import ExplorerPage, explorers

SHOTS = Path(__file__).parent / "shots"
NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_and_every_control_of_its_explorers_works(open_notebook, name):
    notebook = open_notebook(name)
    notebook.run_all()
    assert notebook.errors() == []
    count = explorers(notebook.page, notebook.panel).count()
    assert count >= 1
    for index in range(count):
        explorer = ExplorerPage(notebook.page, notebook.panel, index)
        check(explorer)
        SHOTS.mkdir(exist_ok=True)
        explorer.box.screenshot(path=SHOTS / f"{name.removesuffix('.ipynb')}_{index}.png")
    assert notebook.errors() == []
    assert notebook.complaints == []
    notebook.close()


def check(explorer: ExplorerPage) -> None:
    """Each control by keyboard, sliders by mouse too, and back to the start."""
    start = explorer.pixels()
    sliders, switches = explorer.box.get_by_role("slider"), explorer.box.get_by_role("checkbox")
    choices = explorer.box.get_by_role("combobox")
    for slider in sliders.all():
        check_name(slider)
        move(explorer, partial(slider.press, "ArrowLeft" if in_upper_half(slider) else "ArrowRight"))
        move(explorer, partial(explorer.drag, slider, to=0.1 if in_upper_half(slider) else 0.9))
    for switch in switches.all():
        check_name(switch)
        move(explorer, partial(switch.press, "Space"))
    for choice in choices.all():
        check_name(choice)
        move(explorer, partial(choice.press, "ArrowDown"))
    explorer.settle()
    assert explorer.problem.text_content() == ""
    explorer.reset.press("Enter")
    until(explorer, lambda: explorer.pixels() == start)
    expect(explorer.picture).to_have_count(1)


def in_upper_half(slider: Locator) -> bool:
    return bool(slider.evaluate("input => input.value - input.min > (input.max - input.min) / 2"))


def check_name(control: Locator) -> None:
    """A screen reader can say what it is."""
    assert control.evaluate("element => element.labels[0].innerText.trim()")


def move(explorer: ExplorerPage, how: Callable[[], None]) -> None:
    """Picture or numbers change, and theory allows what is shown."""

    def seen() -> str:
        return explorer.pixels() + explorer.box.get_by_role("table").inner_html()

    before = seen()
    how()
    until(explorer, lambda: seen() != before)
    expect(explorer.box.locator('[data-agrees="false"]')).to_have_count(0)
    assert explorer.problem.text_content() == ""


def until(explorer: ExplorerPage, true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        explorer.page.wait_for_timeout(50)
    pytest.fail(f"the page does not show it within 10 s: {explorer.box.inner_text()}")
