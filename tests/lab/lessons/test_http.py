"""What 07 teaches: a 304 saves bytes and nothing else; the printed code gets eight cases wrong."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import cachesim as cs
from cachesim import patterns
from cachesim.lab.demonstrations import http_cases, serving
from cachesim.lab.explorers.conditional import Visited, changes_of, explore, simulated

WRONG = {
    "saved_share": 0.9,
    "status_of_a_late_write": 409,
    "decision": lambda header, tag: 304 if header == tag else 200,
}


def test_the_printed_code_is_wrong_in_every_case_and_the_package_in_none() -> None:
    table = asyncio.run(http_cases.compared())
    assert table["Conditional"] == table["right"]
    assert all(printed != right for printed, right in zip(table["printed code"], table["right"], strict=True))


@pytest.mark.parametrize("settings", [Visited(), Visited(browsers=5, visit_every=60), Visited(validators=False)])
def test_the_witness_sees_what_the_metrics_count(settings: Visited) -> None:
    outcome = simulated(settings, 300, lambda share: None)
    (scenario,) = settings.scenarios(300).values()
    assert outcome.result.metrics == pytest.approx(cs.simulate(scenario).metrics, nan_ok=True)
    assert outcome.kept.sum() == outcome.result.metrics["not_modified"]
    assert len(outcome.times) == outcome.result.metrics["reads"]
    assert outcome.browsers.max() < settings.browsers


def test_after_a_change_the_next_visit_of_each_browser_is_whole_and_the_others_are_not() -> None:
    """What the picture shows, visit by visit."""
    settings = Visited()
    outcome = simulated(settings, 2000, lambda share: None)
    version = changes_of(settings, outcome.result).searchsorted(outcome.times)
    for browser in range(settings.browsers):
        theirs = outcome.browsers == browser
        changed = np.diff(version[theirs]) > 0
        assert (outcome.kept[theirs][1:] == ~changed).all()


def test_the_explorer_says_what_is_saved() -> None:
    explorer = explore()
    assert explorer.finding.html.startswith("304s save ")
    assert explorer.finding.html.endswith(" % of the bytes; theory says 85.7 %.")
    assert explorer.picture.alt.startswith("Visits of 40 browsers during 80 s, in which the page changes ")
    explorer.controls["validators"].value = False
    assert explorer.finding.html == "Without tags, every visit brings the whole page; theory says 0.0 %."


def test_five_visits_by_hand() -> None:
    toy = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("conditional"),
        database=cs.Database(latency=cs.latency.Constant(0.005)),
        clients=cs.Clients(n=1, validators=True, body_bytes=20_000),
        writes=cs.Writes(behind=0.2),
        duration=5,
        seed=6,
    )
    metrics = cs.simulate(toy).metrics
    told = [metrics[name] for name in ("reads", "not_modified", "bytes_sent", "bytes_saved", "loads", "queries")]
    assert told == [5, 3, 40_000, 60_000, 5, 6]


class TestServing:
    def test_a_304_has_no_bytes_and_still_asks_the_application(self) -> None:
        async def visit_thrice() -> list[str]:
            page = serving.Page(size=20_000)
            async with serving.serving(patterns.Conditional(page)) as browser:
                first = await browser.get("/")
                kept = {"If-None-Match": first.headers["ETag"]}
                again = await browser.get("/", headers=kept)
                page.version += 1
                changed = await browser.get("/", headers=kept)
            assert page.asked == 3
            return [serving.told(answer).partition(", ETag")[0] for answer in (first, again, changed)]

        assert asyncio.run(visit_thrice()) == ["200, 20,000 bytes", "304, 0 bytes", "200, 20,000 bytes"]

    def test_a_shared_cache_answers_alone_then_stale_then_for_a_broken_page(self) -> None:
        control = "max-age=60, stale-while-revalidate=30, stale-if-error=600"

        async def visited() -> list[str]:
            page, clock = serving.Page(size=10, cache_control=control), serving.Clock()
            cache = patterns.HttpCache(patterns.Conditional(page), clock=clock)
            steps = [(0, False), (20, False), (50, False), (0, False), (300, True), (400, True)]
            async with serving.serving(cache) as browser:
                return [visit async for visit in serving.visits(browser, page, clock, steps)]

        lines = asyncio.run(visited())
        assert lines[0] == "  0 s later: 200, 10 bytes; made 1 times"
        assert lines[1] == " 20 s later: 200, 10 bytes, Age 20; made 1 times"
        assert lines[2].startswith(" 50 s later: 200, 10 bytes, Age 70; made ")
        assert lines[3] == "  0 s later: 200, 10 bytes, Age 0; made 2 times"
        assert lines[4] == "300 s later, page broken: 200, 10 bytes, Age 300; made 3 times"
        assert lines[5] == "400 s later, page broken: 503, 0 bytes; made 4 times"
