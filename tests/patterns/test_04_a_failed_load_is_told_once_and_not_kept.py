"""Promise 4: a failed load reaches all its waiters once, is not cached, and makes nobody try one after another.

With the lock that is often printed, each of N waiters in turn gets the lock, finds no value and loads again: one
failure becomes N loads in a row.
"""

import asyncio

import pytest

from tests.patterns.kit import OriginError, outcome, start


async def test_one_failure_reaches_all_who_wait_at_once(make, origin):
    cache = make()
    origin.error = OriginError("no such host")
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(20)]
    assert [await outcome(caller) for caller in callers] == [origin.error] * 20
    assert origin.calls == 1
    assert asyncio.get_running_loop().time() < 1.5  # not twenty loads in a row


async def test_alone_everybody_has_a_failure_of_their_own(make, origin):
    cache = make(single_flight="none")
    origin.error = OriginError()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    assert [await outcome(caller) for caller in callers] == [origin.error] * 3
    assert (origin.calls, origin.most_at_once) == (3, 3)


async def test_a_failure_is_not_kept(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error
    origin.error = None
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_those_who_come_back_after_a_failure_share_one_load(make, origin):
    cache = make()

    async def twice():
        await outcome(cache.get_or_set("k", origin.load))
        origin.error = None
        return await cache.get_or_set("k", origin.load)

    origin.error = OriginError()
    callers = [start(twice()) for _ in range(20)]
    assert {await caller for caller in callers} == {"value 2"}
    assert origin.calls == 2


async def test_a_load_that_fails_at_once_fails_as_well(make, single_flight):
    cache = make(single_flight=single_flight)

    async def fail():
        raise OriginError

    callers = [start(cache.get_or_set("k", fail)) for _ in range(3)]
    assert all([isinstance(await outcome(caller), OriginError) for caller in callers])


async def test_what_is_no_coroutine_function_may_fail_as_well(make, single_flight):
    cache = make(single_flight=single_flight)

    def fail():
        raise StopIteration  # which no future and no coroutine can hold

    callers = [start(cache.get_or_set("k", fail)) for _ in range(3)]
    assert all([isinstance(await outcome(caller), RuntimeError) for caller in callers])


async def test_the_observer_hears_of_a_failure_once(world, make, origin):
    cache = make()
    origin.error = OriginError()
    for caller in [start(cache.get_or_set("k", origin.load)) for _ in range(3)]:
        await outcome(caller)
    assert [event.error for event in world.events if event.kind == "error"] == [origin.error]
    assert cache.stats.errors == 1


async def test_a_failure_leaves_the_other_keys_alone(make, origin):
    cache = make()
    await cache.set("other", "there")
    origin.error = OriginError()
    await outcome(cache.get_or_set("k", origin.load))
    assert await cache.get_or_set("other", origin.load) == "there"


# stale_if_error


async def test_a_stale_value_is_served_when_asked_for(world, make, origin):
    cache = make(ttl=2, stale_if_error=5)
    await cache.set("k", "old")
    await asyncio.sleep(3)
    origin.error = OriginError()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    assert [await caller for caller in callers] == ["old"] * 3
    assert (origin.calls, cache.stats.stale_hits, world.kinds("stale")) == (1, 3, ["k"] * 3)


async def test_a_fresh_value_goes_before_a_stale_one(make, origin):
    cache = make(ttl=2, stale_if_error=5)
    await cache.set("k", "old")
    await asyncio.sleep(3)
    assert await cache.get_or_set("k", origin.load) == "value 1"


@pytest.mark.parametrize("seconds", [4.5, 7.5], ids=["at the start", "since the start"])
async def test_no_value_is_served_longer_than_allowed(make, origin, seconds):
    cache = make(ttl=2, stale_if_error=5)
    await cache.set("k", "old")
    await asyncio.sleep(seconds)
    origin.seconds, origin.error = 3.0, OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_a_call_may_ask_for_less_staleness_than_others(make, origin):
    cache = make(ttl=2, stale_if_error=60)
    await cache.set("k", "old")
    await asyncio.sleep(8)
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("k", origin.load, stale_if_error=None)) is origin.error
    assert await outcome(cache.get_or_set("k", origin.load, stale_if_error=5)) is origin.error
    assert await cache.get_or_set("k", origin.load) == "old"


async def test_an_expired_value_is_not_served_unless_asked_for(make, origin):
    cache = make(ttl=2)
    await cache.set("k", "old")
    await asyncio.sleep(3)
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_a_deleted_value_is_not_served_stale(make, origin):
    cache = make(ttl=2, stale_if_error=5)
    await cache.set("k", "old")
    await asyncio.sleep(3)
    await cache.delete("k")
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error
