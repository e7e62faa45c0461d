"""02: cache-aside."""

from __future__ import annotations

import asyncio
import json

import pandas as pd
import pytest
from matplotlib.patches import Rectangle

import cachesim as cs
from cachesim import patterns, pitfalls, plots, theory
from cachesim.lab import live
from cachesim.lab.demonstrations import absent_rows, late_fills, write_race
from cachesim.lab.exercises import cache_aside as exercises
from cachesim.lab.explorer import simulated as simulate_all
from cachesim.lab.explorers.cache_aside import CacheAside, explore
from tests.lab.reading import rows


async def _truth(redis, key, load):
    if (data := await redis.get(key)) and (value := json.loads(data)):
        return value
    value = await load()
    await redis.set(key, json.dumps(value), ex=10)
    return value


async def _for_ever(redis, key, load):
    if (data := await redis.get(key)) is not None:
        return json.loads(data)
    value = await load()
    await redis.set(key, json.dumps(value))
    return value


async def _bytes(redis, key, load):
    if (data := await redis.get(key)) is not None:
        return data
    value = await load()
    await redis.set(key, json.dumps(value), ex=10)
    return value


async def _no_json(redis, key, load):
    value = await load()
    await redis.set(key, value, ex=10)
    return value


WRONG = {"hits": 1 / 3, "late_fills": 0.05, "absent_rows": _truth}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_truth, "loads in 35 s; 20 are enough"),
        (_for_ever, "longer than 10 s"),
        (_bytes, "a reader was given b'"),
        (_no_json, "It raises: {'DataError'"),
    ],
)
def test_each_mistake_with_absent_rows_has_its_words(answer, told):
    assert told in exercises.absent_rows.check(answer).text


def test_the_question_has_these_answers():
    rates = [100 * share for share in cs.keys.Zipf(n=1000, alpha=0.8).probabilities()]
    says = theory.ttl_cache(rates, 10)
    assert (says.hit_ratio, says.load_rate) == pytest.approx((0.631721, 36.828), rel=1e-4)


# ── The explorer ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_caches_meet_the_same_requests():
    leased, printed = simulate_all(CacheAside(), 800, lambda share: None).values()
    times = [sorted(zip(run.requests["time"], run.requests["key"], strict=True)) for run in (leased, printed)]
    assert times[0] == times[1]


@pytest.mark.parametrize("requests", [800, 20_000])
@pytest.mark.parametrize("ttl", [1.0, 7.0, 11.0, 12.0])
def test_measures_whole_lifetimes_after_more_than_one(ttl, requests):
    for scenario in CacheAside(ttl=ttl).scenarios(requests).values():
        assert scenario.duration is not None
        measured = (scenario.duration - scenario.warmup) / ttl
        assert measured == pytest.approx(round(measured))
        assert measured >= 2
        assert scenario.warmup >= ttl


def test_only_the_printed_code_serves_old_rows():
    explorer = explore()
    explorer.controls["writes"].value, explorer.controls["load_time"].value = 0.5, 1.0
    found = rows(explorer.numbers.html)
    assert float(found["Stale reads, printed code"][0].rstrip(" %")) > 2
    assert found["Stale reads, with leases"] == ("0.00 %", "0.00 %")
    assert "none with leases" in explorer.finding.html


def test_without_writes_nothing_is_stale():
    explorer = explore()
    explorer.controls["writes"].value = 0.0
    assert rows(explorer.numbers.html)["Stale reads, printed code"] == ("0.00 %", "0.00 %")
    assert "nothing is written, and nothing stale" in explorer.finding.html


def test_a_few_late_fills_are_not_held_against_theory():
    explorer = explore()
    explorer.controls["load_time"].value = 0.05
    assert rows(explorer.numbers.html)["Stale reads, printed code"][1] == ""
    explorer.controls["load_time"].value = 0.5
    explorer.rest()
    assert rows(explorer.numbers.html)["Stale reads, printed code"][1] != ""


# ── What the notebook shows ───────────────────────────────────────────────────────────────────────────────────────


def test_the_printed_code_asks_for_empty_lists_every_time():
    shop = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.Zipf(n=100, alpha=0.8),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.0)),
        duration=30,
    )
    caches = (
        lambda node: pitfalls.CacheAside(node.redis, ttl=10),
        lambda node: patterns.CacheAside(node.redis, ttl=10),
    )
    printed, pattern = (cs.simulate(shop, cache=absent_rows.reviews(cache, without=4)) for cache in caches)
    empty = pd.to_numeric(printed.requests["key"]) % 4 == 0
    assert (pd.to_numeric(printed.loads["key"]) % 4 == 0).sum() == empty.sum()
    assert printed.metrics["loads"] > 3 * pattern.metrics["loads"]
    axes = plots.load_rates({"printed code": printed.series(), "pattern": pattern.series()})
    assert "loads/s (printed code)" in axes.get_title(loc="left")


WRITES = cs.Scenario(
    arrivals=cs.arrivals.Poisson(rate=250),
    keys=cs.keys.Uniform(n=50),
    cache=cs.Pattern("pitfall:cache-aside", ttl=5, single_flight="process"),
    database=cs.Database(latency=cs.latency.Constant(0.25)),
    writes=0.1,
    duration=20,
)


def test_a_late_fill_is_found_and_drawn():
    printed = cs.simulate(WRITES)
    leased = cs.simulate(WRITES.replace(cache=cs.Pattern("cache-aside", ttl=5)))
    key, stored = late_fills.worst(printed)
    axes = late_fills.show(printed, key, stored - 1, stored + 4)
    hatched = [bar for bar in axes.patches if isinstance(bar, Rectangle) and bar.get_hatch()]
    assert hatched[0].get_x() == pytest.approx(stored)
    stale, of = map(int, axes.get_title(loc="left").replace(" reads are stale", "").split(" of "))
    assert 10 <= stale <= of
    axes = late_fills.show(leased, key, stored - 1, stored + 4)
    assert axes.get_title(loc="left") == f"0 of {of} reads are stale"
    assert not any(bar.get_hatch() for bar in axes.patches)


def test_live_the_printed_code_leaves_the_old_price():
    async def both():
        makes = (pitfalls.CacheAside, patterns.CacheAside)
        return [await write_race.race(make(live.redis_client(), ttl=10)) for make in makes]

    printed, pattern = asyncio.run(both())
    assert printed == (10, 12, 10)
    assert pattern == (10, 12, 12)
