"""01: in-process caches and single flight."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import cachesim as cs
from cachesim import pitfalls, plots
from cachesim.lab.exercises import in_process as exercises
from cachesim.lab.explorer import simulated as simulate_all
from cachesim.lab.explorers.in_process import InProcess, explore
from cachesim.lab.live import Database
from tests.lab.reading import rows


async def _everybody_loads(flights, key, load):
    return await load()


async def _leader_pays(flights, key, load):
    if key not in flights:
        flights[key] = asyncio.ensure_future(load())
        flights[key].add_done_callback(lambda task: flights.pop(key))
    return await flights[key]


async def _grows(flights, key, load):
    if key not in flights:
        flights[key] = asyncio.ensure_future(load())
    return await asyncio.shield(flights[key])


async def _lock_per_key(flights, key, load):
    async with flights.setdefault(key, asyncio.Lock()):
        return await load()


async def _forgets_to_load(flights, key, load):
    raise LookupError(key)


WRONG = {"who_waits": 1 / 24, "lifetime": 9.6, "single_flight": _leader_pays}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_everybody_loads, "8 callers start 8 loads"),
        (_leader_pays, "the first caller leaves, 8 callers fail; 2 should"),
        (_grows, "still holds the key"),
        (_lock_per_key, "8 callers start 8 loads"),
        (_forgets_to_load, "nobody loads. Errors: {'LookupError'"),
    ],
)
def test_each_mistake_with_single_flight_has_its_words(answer, told):
    assert told in exercises.single_flight.check(answer).text


# ── The explorer ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_says_how_many_wait_and_load():
    explorer = explore()
    told = re.match(r"(\S+) % of reads wait, (\S+) % load; theory says 16.7 % and 8.33 %.", explorer.finding.html)
    assert told
    assert float(told[1]) == pytest.approx(16.7, abs=1)
    assert float(told[2]) == pytest.approx(8.33, abs=0.5)


def test_without_single_flight_all_who_wait_load():
    explorer = explore()
    explorer.controls["single_flight"].value = False
    assert "and every one of them loads" in explorer.finding.html
    assert rows(explorer.numbers.html)["Delayed hits"] == ("0.00 %", "0.00 %")


@pytest.mark.parametrize("single_flight", [True, False])
def test_counts_whole_cycles(single_flight):
    """No cycle is counted twice or in part, however few requests there are between two misses."""
    settings = InProcess(rate=1.0, ttl=1.0, load_time=0.1, single_flight=single_flight)
    (result,) = simulate_all(settings, 1000, lambda share: None).values()
    explorer = explore(lambda settings, requests, report: {"in-process": result})
    counted = re.search(r"over (\d+) whole cycles", explorer.numbers.html)
    assert counted
    assert int(counted[1]) == result.metrics["load_episodes"] - 1


def test_single_flight_meets_the_same_requests():
    on, off = (
        np.sort(simulate_all(InProcess(single_flight=on), 1000, lambda share: None)["in-process"].requests["time"])
        for on in (True, False)
    )
    assert (on == off).all()


# ── What the notebook shows ───────────────────────────────────────────────────────────────────────────────────────

CROWD = cs.Scenario(
    arrivals=cs.arrivals.FlashCrowd(base=0.001, peak=16, at=0, duration=0.5),
    keys=cs.keys.OneKey(),
    cache=cs.Pattern("pitfall:in-process", ttl=5),
    database=cs.Database(latency=cs.latency.Constant(0.5)),
    faults=[cs.faults.DatabaseErrors(share=1)],
    duration=6,
    seed=2,
)


def bars(axes: Axes) -> list[tuple[float, float, float]]:
    """Row, start and end of each bar."""
    found = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    return sorted((bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_x() + bar.get_width()) for bar in found)


def test_a_lock_per_key_turns_one_failure_into_a_staircase():
    run = cs.simulate(CROWD)
    axes = plots.waterfall(run.requests, run.loads, end=5)
    assert axes.get_title(loc="left") == "8 loads for 8 requests"
    loads = bars(axes)
    assert [row for row, _, _ in loads] == pytest.approx(range(8))
    for (_, _, end), (_, following, _) in pairwise(loads):
        assert following == pytest.approx(end)


def test_single_flight_tells_all_at_once():
    run = cs.simulate(CROWD.replace(cache=cs.Pattern("in-process", ttl=5)))
    axes = plots.waterfall(run.requests, run.loads, end=5)
    assert axes.get_title(loc="left") == "1 load for 8 requests"
    assert len(axes.patches) == 1
    assert len(set((run.requests["time"] + run.requests["latency"]).round(9))) == 1


def test_each_unprotected_load_is_drawn_in_the_row_of_its_request():
    run = cs.simulate(CROWD.replace(cache=cs.Pattern("none"), faults=[]))
    axes = plots.waterfall(run.requests, run.loads, end=2)
    for place, ((row, start, _), arrival) in enumerate(zip(bars(axes), sorted(run.requests["time"]), strict=True)):
        assert row == pytest.approx(place)
        assert start == arrival


def test_a_value_that_expires_between_two_looks_raises():
    async def read():
        cache = pitfalls.InProcess(ttl=2, clock=iter(range(100)).__next__)
        await cache.set("rates", 1.08)
        await cache.get_or_set("rates", lambda: Database(load_time=0.01).read("rates"))

    with pytest.raises(KeyError, match="rates"):
        asyncio.run(read())
