"""Every notebook in JupyterLab: it runs, each control moves picture and numbers, and the page does not complain."""

from __future__ import annotations

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
        at_end = slider.input_value() == slider.get_attribute("max")
        move(explorer, lambda slider=slider, at_end=at_end: slider.press("ArrowLeft" if at_end else "ArrowRight"))
        move(explorer, lambda slider=slider: explorer.drag(slider, to=0.3))
    for switch in switches.all():
        check_name(switch)
        move(explorer, lambda switch=switch: switch.press("Space"))
    for choice in choices.all():
        check_name(choice)
        move(explorer, lambda choice=choice: choice.press("ArrowDown"))
    explorer.settle()
    assert explorer.problem.text_content() == ""
    explorer.reset.press("Enter")
    explorer.settle()
    assert explorer.pixels() == start
    expect(explorer.picture).to_have_count(1)


def check_name(control: Locator) -> None:
    """A screen reader can say what it is."""
    assert control.evaluate("element => element.labels[0].innerText.trim()")


def move(explorer: ExplorerPage, how: object) -> None:
    """Picture or numbers change, and theory allows what is shown."""
    before = explorer.pixels() + explorer.box.get_by_role("table").inner_html()
    how()  # type: ignore[operator]
    explorer.page.wait_for_timeout(50)  # the message is on its way
    for _ in range(100):
        if explorer.pixels() + explorer.box.get_by_role("table").inner_html() != before:
            break
        explorer.page.wait_for_timeout(50)
    else:
        pytest.fail("neither picture nor numbers changed")
    expect(explorer.box.locator('[data-agrees="false"]')).to_have_count(0)
    assert explorer.problem.text_content() == ""
