"""A run as text: what is drawn is what was counted, and it fits on the page."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings

import cachesim as cs
from cachesim.scenario import bundled
from cachesim.timelines import largest_stampede, timeline
from tests.worlds import scenarios


def run(**changes: object) -> cs.Result:
    return cs.simulate(cs.load(bundled()["hot-key"]).replace(duration=25, **changes))


def panel(text: str, number: int) -> dict[str, tuple[int, str]]:
    """The rows of a panel: label -> the number beside it, and its first line of blocks."""
    rows = {}
    for line in text.split("\n\n")[number].splitlines()[1:]:
        match = re.match(r"(\S.{14}) +([\d,]+)(?: (.*))?$", line)
        if match:
            rows[match[1].rstrip()] = int(match[2].replace(",", "")), match[3] or ""
    return rows


def test_the_storm_is_seen() -> None:
    result = run()
    text = timeline(result)
    whole, close = panel(text, 0), panel(text, 1)
    assert list(whole) == list(close) == ["requests", "hits", "misses", "loads in flight"]
    assert whole["loads in flight"][0] == result.metrics["peak_concurrent_loads"]
    assert close["loads in flight"][0] == result.metrics["largest_stampede"]
    stampede = largest_stampede(result.loads)
    assert stampede is not None
    assert f"The largest stampede, {stampede.size} loads of the key '0', 25 ms a column" in text
    quiet, storming = close["hits"][1].rstrip(), close["misses"][1]
    gap = re.search(" {15,}", quiet)
    assert gap is not None
    assert storming[gap.start() : gap.end()].strip()
    assert not storming[: gap.start() - 2].strip()


def test_no_stampede_no_second_picture() -> None:
    text = timeline(run(**{"cache.single_flight": "process"}))
    assert "stampede" not in text
    assert panel(text, 0)["loads in flight"][0] == 1
    assert "\n\n" not in text


def test_a_run_without_requests_or_loads_has_its_rows() -> None:
    text = timeline(run(**{"arrivals.rate": 0.001}))
    assert [(label, most) for label, (most, _) in panel(text, 0).items()] == [("requests", 0), ("loads in flight", 0)]


def test_the_highest_column_is_counted_and_what_is_little_is_seen() -> None:
    result = run()
    columns = np.histogram(result.requests["time"], np.arange(0, 25.2, 0.5))[0]
    most, blocks = panel(timeline(result), 0)["requests"]
    assert most == columns.max()
    assert [place for place, block in enumerate(blocks) if block == "█"] == [
        place for place, count in enumerate(columns) if count > most * 7 / 8
    ]
    rare = panel(timeline(run(**{"cache.single_flight": "process"})), 0)["misses"]
    assert rare == (1, "▁" + " " * 20 + "▁" + " " * 20 + "▁")


def test_it_begins_after_the_warm_up() -> None:
    text = timeline(run(warmup=10))
    assert text.startswith("The run from 10 s to 25 s, 250 ms a column")
    assert "|10.00 s" in text


@settings(max_examples=25)
@given(scenarios())
def test_every_run_has_a_timeline_that_fits(scenario: cs.Scenario) -> None:
    result = cs.simulate(scenario)
    text = timeline(result)
    assert max(map(len, text.splitlines())) <= 100
    found = largest_stampede(result.loads)
    if scenario.database.latency.mean and not scenario.warmup:
        assert (0 if found is None else found.size) == result.metrics["largest_stampede"]
