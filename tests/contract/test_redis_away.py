"""Promise 7: with Redis refusing, reads load, with single flight; writes do not fail; and it comes back by itself."""

import asyncio
from functools import partial

from tests.contract.place import OVER_REDIS, crowd, until, until_read
from tests.patterns.kit import OriginError, outcome, start


async def test_reads_go_to_the_loader_with_single_flight(place, make_over_redis, closed):
    cache = make_over_redis()
    await place.lines[cache].cut()
    callers = await crowd(cache, closed)
    closed.gate.set()
    assert {await caller for caller in callers} == {"value 1"}
    assert closed.calls == 1


async def test_it_goes_away_during_a_load(place, make_over_redis, closed):
    cache = make_over_redis()
    callers = await crowd(cache, closed)
    await place.lines[cache].cut()
    closed.gate.set()
    assert {await caller for caller in callers} == {"value 1"}
    assert closed.calls == 1


async def test_it_goes_away_after_a_load(place, make_nodes, origin):
    cache = make_nodes()
    await cache.get_or_set("k", origin.load)
    await place.lines[cache].cut()
    assert await cache.get_or_set("k", origin.load) == "value 2"
    assert cache.stats.errors == 1


async def test_a_failing_loader_is_the_callers_error(place, make_over_redis, origin):
    cache = make_over_redis()
    await place.lines[cache].cut()
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_writes_do_not_fail(place, make_over_redis):
    cache = make_over_redis()
    await cache.set("k", "there")
    await place.lines[cache].cut()
    await cache.set("k", "set")
    await cache.delete("k")


async def test_a_node_that_is_cut_off_does_not_hurt_the_others(place, make_nodes, closed):
    here, there = make_nodes(), make_nodes()
    await place.lines[here].cut()
    caller = start(here.get_or_set("k", closed.load))
    await until(lambda: closed.calls == 1)
    await there.set("k", "set")
    closed.gate.set()
    assert await caller == "value 1"
    assert await there.get_or_set("k", closed.load) == "set"


async def test_it_comes_back_by_itself(place, origin):
    async def goes_and_comes_back(kind):
        cache = place.make(kind, namespace=kind)
        await cache.set("k", "there")
        await place.lines[cache].cut()
        assert await cache.get_or_set("k", origin.load) != "there"
        place.lines[cache].mend()
        await until_read(partial(cache.get_or_set, "k", origin.load), "there")

    await asyncio.gather(*(goes_and_comes_back(kind) for kind in OVER_REDIS))  # a breaker's pause is a real second


async def test_a_value_loaded_while_it_was_away_is_not_kept(place, closed):
    async def comes_back_during_a_load(kind):
        cache = place.make(kind, namespace=kind)
        await place.lines[cache].cut()
        caller = start(cache.get_or_set("k", closed.load))
        await until(lambda: cache.stats.loads == 1)
        place.lines[cache].mend()
        closed.gate.set()
        old = await caller  # nobody knows whether it was invalidated meanwhile
        assert await place.make(kind, namespace=kind).get_or_set("k", closed.load) != old

    await asyncio.gather(*(comes_back_during_a_load(kind) for kind in OVER_REDIS))
