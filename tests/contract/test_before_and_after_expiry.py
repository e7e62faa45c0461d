"""Early recompute and stale-while-revalidate: one load, before or after the expiry, that others need not wait for."""

import asyncio
from functools import partial

import pytest

from tests.contract.place import MINUTES, until, until_read
from tests.patterns.kit import OriginError, outcome, start

ALWAYS = 1e9
"""A beta with which every read of a value draws an early recompute, if its load took any time at all."""

# Early recompute


@pytest.fixture
def make_early(place, origin):
    """Makes caches that recompute early, and loads take some time."""
    origin.seconds = place.unit / 10
    return partial(place.make, "early-recompute")


async def test_a_huge_beta_recomputes_at_once(make_early, origin):
    cache = make_early(beta=ALWAYS)
    served = [await cache.get_or_set("k", origin.load) for _ in range(3)]
    assert served == ["value 1", "value 2", "value 3"]


async def test_a_beta_of_nothing_never_recomputes_early(make_early, origin):
    cache = make_early(beta=0)
    assert {await cache.get_or_set("k", origin.load) for _ in range(20)} == {"value 1"}


async def test_who_draws_it_while_one_recomputes_is_served_the_value_at_hand(make_early, origin):
    cache = make_early(beta=ALWAYS)
    await cache.get_or_set("k", origin.load)
    origin.gate = asyncio.Event()
    early = start(cache.get_or_set("k", origin.load))
    await until(lambda: origin.calls == 2)
    assert {await cache.get_or_set("k", origin.load) for _ in range(10)} == {"value 1"}
    origin.gate.set()
    assert await early == "value 2"
    assert origin.calls == 2


async def test_in_the_background_nobody_waits(make_early, origin):
    cache = make_early(beta=ALWAYS, background=True)
    await cache.get_or_set("k", origin.load)
    origin.gate = asyncio.Event()
    assert {await cache.get_or_set("k", origin.load) for _ in range(10)} == {"value 1"}
    await until(lambda: origin.calls == 2)
    origin.gate.set()
    await until_read(partial(cache.get_or_set, "k", origin.load, beta=0.0), "value 2")
    assert origin.calls == 2


async def test_an_early_recompute_that_fails_leaves_the_value_at_hand(make_early, origin):
    cache = make_early(beta=ALWAYS)
    await cache.get_or_set("k", origin.load)
    origin.error = OriginError()
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert origin.calls == 2


async def test_a_delete_during_an_early_recompute_counts(make_early, origin):
    cache, other = make_early(beta=ALWAYS), make_early()
    await cache.get_or_set("k", origin.load)
    origin.gate = asyncio.Event()
    early = start(cache.get_or_set("k", origin.load))
    await until(lambda: origin.calls == 2)
    await other.delete("k")
    origin.gate.set()
    await early
    assert await other.get_or_set("k", origin.load) == "value 3"


# Stale-while-revalidate


@pytest.fixture
def make_revalidated(place):
    """Makes caches whose values are soon stale, and served for minutes after that."""
    return partial(place.make, "stale-while-revalidate", ttl=place.unit, stale_for=MINUTES)


async def stale(cache, load):
    """Read until the value is past its freshness."""
    while cache.stats.stale_hits == 0:
        assert await cache.get_or_set("k", load) == "old"
        await asyncio.sleep(0.005)


async def test_a_stale_value_is_served_while_one_refresh_runs(make_revalidated, closed):
    cache = make_revalidated()
    await cache.set("k", "old")
    await stale(cache, closed.load)
    assert [await cache.get_or_set("k", closed.load) for _ in range(10)] == ["old"] * 10
    await until(lambda: closed.calls == 1)
    closed.gate.set()
    await until_read(partial(cache.get_or_set, "k", closed.load, ttl=MINUTES), "value 1")


async def test_in_the_cluster_one_node_refreshes(make_revalidated, closed):
    here, there = make_revalidated(single_flight="cluster"), make_revalidated(single_flight="cluster")
    await here.set("k", "old")
    for cache in (here, there):
        await stale(cache, closed.load)
        await until(lambda: closed.calls == 1)
    for cache in (here, there) * 5:
        assert await cache.get_or_set("k", closed.load) == "old"
    assert closed.calls == 1
    closed.gate.set()


async def test_a_refresh_runs_to_its_end_though_its_caller_has_left_and_closing_waits_for_it(make_revalidated, closed):
    cache = make_revalidated()
    await cache.set("k", "old")
    await stale(cache, closed.load)
    await until(lambda: closed.calls == 1)
    closing = start(cache.aclose())
    closed.gate.set()
    await closing
    assert await make_revalidated(ttl=MINUTES).get_or_set("k", closed.load) in ("value 1", "value 2")
    assert closed.cancelled == 0


async def test_a_refresh_that_fails_prolongs_nothing(place, make_revalidated, origin):
    cache = make_revalidated(stale_for=place.unit)
    await cache.set("k", "old")
    origin.error = OriginError()
    await until_read(lambda: outcome(cache.get_or_set("k", origin.load)), origin.error)
    origin.error = None
    assert (await cache.get_or_set("k", origin.load)).startswith("value")


async def test_a_delete_during_a_refresh_counts(make_revalidated, closed):
    here, there = make_revalidated(), make_revalidated()
    await here.set("k", "old")
    await stale(here, closed.load)
    await until(lambda: closed.calls == 1)
    closed.values = ["new"]
    await there.delete("k")
    gate, closed.gate = closed.gate, None
    gate.set()
    await here.aclose()
    assert await there.get_or_set("k", closed.load) == "new"
