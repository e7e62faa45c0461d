"""What every explorer does, shown with the first of them."""

from __future__ import annotations

from typing import Any

import pytest

import cachesim as cs
from cachesim.lab.explorer import Explorer
from cachesim.lab.hot_key import explore
from cachesim.lab.panel import Number, problem, table


class Runs:
    """`simulate`, which counts, and fails for some seeds."""

    def __init__(self, *failing: int) -> None:
        self.count, self.failing = 0, failing

    def __call__(self, scenario: cs.Scenario) -> cs.Result:
        self.count += 1
        if scenario.seed in self.failing:
            raise ZeroDivisionError("no luck with <this> seed")
        return cs.simulate(scenario)


def state(explorer: Explorer[Any]) -> tuple[object, ...]:
    """All that a reader sees but the controls."""
    parts = (explorer.picture.png, explorer.picture.alt, explorer.finding.html, explorer.numbers.html)
    return (*parts, explorer.listing.text)


def test_shows_a_result_at_once():
    assert all(state(explore()))


def test_a_result_is_kept():
    runs = Runs()
    explorer = explore(runs)
    before = state(explorer)
    explorer.controls["seed"].value = 2
    explorer.controls["seed"].value = 1
    explorer.controls["seed"].value = 2
    explorer.controls["seed"].value = 1
    assert state(explorer) == before
    assert runs.count == 2


def test_reset_puts_all_controls_back_and_simulates_nothing():
    runs = Runs()
    explorer = explore(runs)
    before, initial = state(explorer), {name: control.value for name, control in explorer.controls.items()}
    for name, value in {"rate": 5, "load_time": 0.05, "single_flight": True, "seed": 2}.items():
        explorer.controls[name].value = value
    assert state(explorer) != before
    ran = runs.count
    explorer.reset.value += 1
    assert {name: control.value for name, control in explorer.controls.items()} == initial
    assert state(explorer) == before
    assert runs.count == ran


def test_an_exception_is_shown_and_goes_away():
    explorer = explore(Runs(13))
    before = state(explorer)
    explorer.controls["seed"].value = 13
    assert "ZeroDivisionError: no luck with &lt;this&gt; seed" in explorer.problem.html
    assert "test_explorer.py" in explorer.problem.html  # the traceback
    assert state(explorer) == before
    explorer.controls["seed"].value = 12
    assert explorer.problem.html == ""
    assert state(explorer) != before


def test_an_exception_is_not_kept():
    runs = Runs(13)
    explorer = explore(runs)
    explorer.controls["seed"].value = 13
    runs.failing = ()
    explorer.controls["seed"].value = 1
    explorer.controls["seed"].value = 13
    assert explorer.problem.html == ""


def test_an_exception_at_first_is_raised():
    with pytest.raises(ZeroDivisionError):
        explore(Runs(1))


def test_an_interrupt_is_not_shown_but_passed_on():
    def interrupted(scenario):
        if scenario.seed == 2:
            raise KeyboardInterrupt
        return cs.simulate(scenario)

    explorer = explore(interrupted)
    with pytest.raises(KeyboardInterrupt):
        explorer.controls["seed"].value = 2


def test_two_explorers_do_not_share_anything():
    one, other = explore(), explore()
    before = state(other)
    one.controls["rate"].value = 5
    assert state(other) == before


def test_is_displayed_as_a_widget_with_all_its_parts():
    explorer = explore()
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    controls = [*explorer.controls.values(), explorer.reset]
    assert [part.label for part in controls] == [
        "Request rate λ",
        "Load time D",
        "Single flight",
        "Seed of chance",
        "Reset",
    ]


def test_text_from_outside_is_text():
    assert "<b>" not in table([Number("<b>", "<b>", "<b>")], "<b>")
    assert "<b>" not in problem(ValueError("<b>"))
