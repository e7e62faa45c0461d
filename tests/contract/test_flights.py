"""Promises 3, 4, 5, 8 and 10: one load for all who wait, which nobody pays for, and which fails or lasts too long."""

import asyncio
from functools import partial

import pytest

from cachesim.patterns import LoadTimeout
from tests.contract.place import MINUTES, crowd, until, until_read
from tests.patterns.kit import OriginError, cancel, outcome, start


async def test_all_who_ask_meanwhile_wait_for_one_load(make, closed):
    callers = await crowd(make(), closed)
    closed.gate.set()
    assert {await caller for caller in callers} == {"value 1"}
    assert closed.calls == 1


async def test_without_single_flight_everybody_loads(make, closed):
    cache = make(single_flight="none")
    callers = [start(cache.get_or_set("k", closed.load)) for _ in range(5)]
    await until(lambda: closed.calls == 5)
    closed.gate.set()
    assert {await caller for caller in callers} == {f"value {n}" for n in range(1, 6)}


async def test_the_load_of_one_key_holds_up_no_other(make, closed):
    cache = make()
    slow = start(cache.get_or_set("slow", closed.load))
    await until(lambda: closed.calls == 1)
    assert await cache.get_or_set("quick", partial(asyncio.sleep, 0, "quick")) == "quick"
    closed.gate.set()
    assert await slow == "value 1"


async def test_a_leader_who_leaves_cancels_nobody_else(make, closed):
    leader, *followers = await crowd(make(), closed)
    await cancel(leader)
    closed.gate.set()
    assert {await follower for follower in followers} == {"value 1"}
    assert (closed.calls, closed.cancelled) == (1, 0)


async def test_a_follower_who_leaves_cancels_nobody_else(make, closed):
    *others, follower = await crowd(make(), closed)
    await cancel(follower)
    closed.gate.set()
    assert {await other for other in others} == {"value 1"}
    assert (closed.calls, closed.cancelled) == (1, 0)


async def test_a_load_that_nobody_waits_for_any_more_is_cancelled(make, closed):
    cache = make()
    await cancel(*await crowd(cache, closed))
    await until(lambda: closed.cancelled == 1 and cache.stats.in_flight == 0)
    closed.gate = None
    assert await cache.get_or_set("k", closed.load) == "value 2"
    assert await cache.get_or_set("k", closed.load) == "value 2"


async def test_a_failure_reaches_all_who_wait_once_and_is_not_kept(make, closed):
    cache = make()
    closed.error = OriginError("no row today")
    callers = await crowd(cache, closed)
    closed.gate.set()
    assert [await outcome(caller) for caller in callers] == [closed.error] * len(callers)
    assert closed.calls == 1
    closed.error = None
    assert await cache.get_or_set("k", closed.load) == "value 2"


async def test_a_failure_of_one_key_is_not_that_of_another(make, origin):
    cache = make()
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("bad", origin.load)) is origin.error
    assert await cache.get_or_set("good", partial(asyncio.sleep, 0, "good")) == "good"


async def test_a_load_that_takes_too_long_is_given_up(place, make, closed):
    cache = make(load_timeout=place.unit)
    failure = await outcome(cache.get_or_set("k", closed.load))
    assert isinstance(failure, LoadTimeout)
    assert closed.cancelled == 1
    closed.gate = None
    assert await cache.get_or_set("k", closed.load, load_timeout=MINUTES) == "value 2"


@pytest.mark.parametrize("fails", ["at once", "in too long"])
async def test_a_stale_value_is_served_when_its_load_fails(place, make, closed, fails):
    cache = make(ttl=place.unit, stale_if_error=MINUTES, load_timeout=place.unit)
    await cache.set("k", "old")
    if fails == "at once":
        closed.gate, closed.error = None, OriginError()
    while cache.stats.stale_hits < 2:
        assert await cache.get_or_set("k", closed.load) == "old"
        await asyncio.sleep(place.unit / 10)
    closed.gate = closed.error = None
    await until_read(partial(cache.get_or_set, "k", closed.load), f"value {closed.calls + 1}")


async def test_a_stale_value_is_not_served_for_ever(place, make, origin):
    cache = make(ttl=place.unit, stale_if_error=place.unit)
    await cache.set("k", "old")
    origin.error = OriginError()
    await until_read(lambda: outcome(cache.get_or_set("k", origin.load)), origin.error)


async def test_many_keys_leave_no_trace_once_loaded(make, origin):
    cache = make()
    callers = [start(cache.get_or_set(f"key {number % 50}", origin.load)) for number in range(100)]
    await cancel(*callers[::7])
    await asyncio.gather(*callers, return_exceptions=True)
    await until(lambda: cache.stats.in_flight == 0)


async def test_closing_waits_for_a_write_whose_caller_has_left(make_nodes, origin):
    cache = make_nodes()
    write = start(cache.set("k", "set"))
    await asyncio.sleep(0)
    await cancel(write)
    await cache.aclose()
    assert await make_nodes().get_or_set("k", origin.load) == "set"
