"""What the machinery of explorers does, shown with the first of them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from threading import Thread
from time import sleep
from typing import Any

import pytest

import cachesim as cs
from cachesim.lab.explorer import Explorer, link, simulated
from cachesim.lab.explorers.hot_key import HotKey, explore
from cachesim.lab.panel import Number, problem, table


class Runs:
    """`simulated`, which remembers what it was asked, and fails for some seeds."""

    def __init__(self, *failing: int, fails_at: int = 0) -> None:
        self.asked: list[tuple[HotKey, int]] = []
        self.failing, self.fails_at = failing, fails_at
        self.finished = 0

    def __call__(self, settings, requests, report):
        self.asked.append((settings, requests))
        if settings.seed in self.failing and requests >= self.fails_at:
            raise ZeroDivisionError("no luck with <this> seed")
        outcome = simulated(settings, requests, report)
        self.finished += 1
        return outcome


def state(explorer: Explorer[Any, Any]) -> tuple[object, ...]:
    """All that a reader sees but the controls."""
    parts = (explorer.picture.png, explorer.picture.alt, explorer.finding.html, explorer.numbers.html)
    return (*parts, explorer.listing.text)


def test_shows_a_long_run_at_once():
    runs = Runs()
    explorer = explore(runs)
    assert all(state(explorer))
    assert runs.asked == [(HotKey(), explorer.resting)]


def test_a_move_makes_a_short_run():
    runs = Runs()
    explorer = explore(runs)
    explorer.controls["rate"].value = 50
    assert runs.asked[1:] == [(HotKey(rate=50), explorer.moving)]
    explorer.rest()
    assert runs.asked[2:] == [(HotKey(rate=50), explorer.resting)]


def test_a_result_is_kept():
    runs = Runs()
    explorer = explore(runs)
    before = state(explorer)
    for seed in (2, 1, 2, 1):
        explorer.controls["seed"].value = seed
    assert state(explorer) == before
    assert [settings.seed for settings, _ in runs.asked] == [1, 2]


def test_reset_puts_all_controls_back_and_simulates_nothing():
    runs = Runs()
    explorer = explore(runs)
    before, initial = state(explorer), {name: control.value for name, control in explorer.controls.items()}
    for name, value in {"rate": 5, "load_time": 0.05, "single_flight": True, "seed": 2}.items():
        explorer.controls[name].value = value
    assert state(explorer) != before
    ran = len(runs.asked)
    explorer.reset.value += 1
    assert {name: control.value for name, control in explorer.controls.items()} == initial
    assert state(explorer) == before
    assert len(runs.asked) == ran


def test_an_exception_is_shown_and_goes_away():
    explorer = explore(Runs(13))
    before = state(explorer)
    explorer.controls["seed"].value = 13
    assert "ZeroDivisionError: no luck with &lt;this&gt; seed" in explorer.problem.html
    assert "test_explorer.py" in explorer.problem.html  # the traceback
    assert state(explorer) == before
    assert not explorer.finding.busy
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
    def interrupted(settings, requests, report):
        if settings.seed == 2:
            raise KeyboardInterrupt
        return simulated(settings, requests, report)

    explorer = explore(interrupted)
    with pytest.raises(KeyboardInterrupt):
        explorer.controls["seed"].value = 2


def in_kernel(runs: Any = simulated) -> Explorer[Any, Any]:
    explorer = explore(runs)
    explorer._in_kernel = True
    return explorer


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        sleep(0.01)
    pytest.fail("it did not happen within 30 s")


class TestAtRest:
    """In a kernel, a longer run follows the last move by itself."""

    def test_the_longer_run_follows(self):
        runs = Runs()
        explorer = in_kernel(runs)
        explorer.controls["rate"].value = 50
        short = state(explorer)
        assert explorer.finding.busy
        until(lambda: not explorer.finding.busy)
        assert state(explorer) != short
        assert runs.asked[1:] == [(HotKey(rate=50), explorer.moving), (HotKey(rate=50), explorer.resting)]
        fresh = explore()
        fresh.controls["rate"].value = 50
        fresh.rest()
        assert state(explorer) == state(fresh)
        assert explorer.problem.html == ""

    def test_only_the_last_position_is_run_at_length(self):
        runs = Runs()
        explorer = in_kernel(runs)
        for rate in range(5, 100, 5):
            explorer.controls["rate"].value = rate
        until(lambda: not explorer.finding.busy)
        assert [settings.rate for settings, requests in runs.asked if requests == explorer.resting] == [100, 95]
        assert cs.Scenario(**tomllib.loads(explorer.listing.text)).arrivals == cs.arrivals.Poisson(rate=95)

    def test_a_run_is_given_up_when_the_controls_move_on(self):
        runs = Runs()
        explorer = in_kernel(runs)
        explorer.controls["rate"].value = 120
        until(lambda: len(runs.asked) == 3)  # the longer run has begun
        explorer.controls["rate"].value = 50
        until(lambda: not explorer.finding.busy)
        assert len(runs.asked) == 5
        assert runs.finished == 4  # all but the one given up
        assert explorer.problem.html == ""

    def test_what_is_known_is_shown_at_length_at_once(self):
        explorer = in_kernel()
        before = state(explorer)
        explorer.controls["rate"].value = 50
        explorer.controls["rate"].value = 100
        assert state(explorer) == before
        assert not explorer.finding.busy

    def test_its_exception_is_shown(self):
        explorer = in_kernel(Runs(2, fails_at=10_000))
        explorer.controls["seed"].value = 2
        assert explorer.problem.html == ""
        until(lambda: not explorer.finding.busy)
        assert "ZeroDivisionError" in explorer.problem.html

    def test_shows_how_far_it_is_when_it_takes_long(self):
        def slow(settings, requests, report):
            outcome = simulated(settings, 100, lambda share: None)
            for step in range(10 if settings.seed == 2 and requests > 1000 else 0):
                report(step / 10)
                sleep(0.15)
            return outcome

        explorer = in_kernel(slow)
        shares: list[float | None] = []
        explorer.progress.observe(lambda change: shares.append(change.new), "share")
        explorer.controls["seed"].value = 2
        until(lambda: not explorer.finding.busy and explorer.progress.share is None)
        shown = [share for share in shares if share is not None]
        assert shown == sorted(shown)
        assert len(shown) > 1

    def test_controls_that_call_back_in_threads_of_their_own_leave_the_latest_position(self):
        explorer = in_kernel()

        def move(name: str, values: Iterable[float]) -> None:
            for value in values:
                explorer.controls[name].value = value

        ways = [("rate", range(5, 55, 5)), ("seed", range(2, 12)), ("load_time", [step / 20 for step in range(1, 11)])]
        threads = [Thread(target=move, args=way) for way in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: not explorer.finding.busy)
        assert explorer.settings == HotKey(rate=50, load_time=0.5, seed=11)
        fresh = explore()
        for name, values in ways:
            fresh.controls[name].value = values[-1]
        fresh.rest()
        assert state(explorer) == state(fresh)
        assert explorer.problem.html == ""


def test_two_explorers_do_not_share_anything():
    one, other = explore(), explore()
    before = state(other)
    one.controls["rate"].value = 5
    assert state(other) == before


def test_linked_explorers_move_together():
    one, other = explore(), explore()
    link(one, other)
    one.controls["rate"].value = 50
    other.controls["seed"].value = 3
    assert one.settings == other.settings == HotKey(rate=50, seed=3)
    assert state(one) == state(other)
    other.reset.value += 1
    assert one.settings == other.settings == HotKey()


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


def test_a_page_without_a_kernel_shows_what_it_found():
    explorer = explore()
    html = explorer._repr_mimebundle_()["text/html"]
    assert explorer.finding.html in html
    assert explorer.numbers.html in html
    assert f'alt="{explorer.picture.alt}"' in html
    assert html == explorer._repr_html_()  # the same bytes each time


def test_text_from_outside_is_text():
    assert "<b>" not in table([Number("<b>", 1, "<b>", expected=1)], "<b>")
    assert "<b>" not in problem(ValueError("<b>"))


@pytest.mark.parametrize(
    ("number", "agrees"),
    [
        (Number("loads", 51), True),
        (Number("loads", 51, expected=51), True),
        (Number("loads", 52, expected=51), False),
        (Number("loads", 54.9, expected=51, error=1), True),
        (Number("loads", 55.1, expected=51, error=1), False),
        (Number("loads", 52, expected=51, approximation=0.03), True),
        (Number("loads", 53, expected=51, approximation=0.03), False),
        (Number("loads", float("nan"), expected=51, error=1), False),
    ],
)
def test_a_number_agrees_within_four_standard_errors(number, agrees):
    assert number.agrees is agrees
