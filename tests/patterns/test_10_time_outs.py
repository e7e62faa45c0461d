"""Promise 10: `load_timeout` bounds a load; when it is over, a stale value is served if `stale_if_error` allows."""

import asyncio

import pytest

from cachesim.patterns import LoadTimeout
from tests.patterns.kit import OriginError, cancel, outcome, start, turns


async def test_a_load_that_takes_too_long_ends_in_a_load_timeout(make, origin, single_flight):
    cache = make(load_timeout=0.5, single_flight=single_flight)
    with pytest.raises(LoadTimeout, match=r"the load of 'k' took longer than 0\.5 s"):
        await cache.get_or_set("k", origin.load)
    assert origin.cancelled == 1
    assert asyncio.get_running_loop().time() == pytest.approx(0.5, abs=0.01)


async def test_a_load_in_time_is_no_time_out(make, origin, single_flight):
    cache = make(load_timeout=1.5, single_flight=single_flight)
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_all_who_wait_hear_of_it_once(world, make, origin):
    cache = make(load_timeout=0.5)
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(5)]
    assert all([isinstance(await outcome(caller), LoadTimeout) for caller in callers])
    assert origin.calls == 1
    assert [type(event.error) for event in world.events if event.kind == "error"] == [LoadTimeout]


async def test_the_next_one_loads_again(make, origin):
    cache = make(load_timeout=0.5)
    await outcome(cache.get_or_set("k", origin.load))
    origin.seconds = 0.1
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_the_time_counts_from_the_start_of_the_load_not_of_the_caller(make, origin):
    cache = make(load_timeout=1.5)
    leader = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.9)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    await leader


async def test_a_stale_value_is_served_if_allowed(make, origin):
    cache = make(ttl=1, load_timeout=0.5, stale_if_error=10)
    await cache.set("k", "old")
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "old"
    assert cache.stats.stale_hits == 1


async def test_a_time_out_of_the_loads_own_stays_what_it_is(make, origin, single_flight):
    cache = make(load_timeout=5, single_flight=single_flight)
    origin.error = TimeoutError("the database says")
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_a_load_that_fails_when_it_is_stopped_has_timed_out(make, single_flight):
    cache = make(load_timeout=0.5, single_flight=single_flight)

    async def load():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError as stop:
            raise OriginError("query interrupted") from stop

    error = await outcome(cache.get_or_set("k", load))
    assert isinstance(error, LoadTimeout)
    assert isinstance(error.__cause__, OriginError)


async def test_a_call_may_have_a_limit_of_its_own(make, origin):
    cache = make(load_timeout=0.5)
    assert await cache.get_or_set("k", origin.load, load_timeout=2) == "value 1"


async def test_storing_does_not_count(make_over_redis, origin, redis):
    cache = make_over_redis(load_timeout=1.5)
    gate = redis.hold("STORE")
    asyncio.get_running_loop().call_later(5, gate.set)
    assert await cache.get_or_set("k", origin.load) == "value 1"


@pytest.mark.parametrize("turn", range(6))
async def test_a_caller_who_leaves_at_the_instant_of_the_time_out_is_cancelled(make, origin, single_flight, turn):
    cache = make(load_timeout=0.5, single_flight=single_flight)
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await turns(turn)
    await cancel(caller) if not caller.done() else await outcome(caller)
    await asyncio.sleep(1)
    assert cache.stats.in_flight == 0
