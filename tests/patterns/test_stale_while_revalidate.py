"""What stale-while-revalidate promises besides: fresh, then stale with one refresh, then gone."""

import asyncio
import gc
import random
from functools import partial

import pytest
from redis import exceptions

from cachesim.patterns import LoadTimeout
from tests.patterns.kit import ROUND_TRIP, OriginError, cancel, outcome, start

FRESH_FOR, STALE_FOR = 10, 20
OPTIONS = {"ttl": FRESH_FOR, "stale_for": STALE_FOR}


@pytest.fixture
def make(world):
    """A cache whose values are fresh for 10 s and then stale for 20 s."""
    return partial(world.make, "stale-while-revalidate", **OPTIONS)


def now():
    return asyncio.get_running_loop().time()


# Fresh, stale, gone


async def test_a_fresh_value_is_served_and_not_refreshed(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR - 0.01)
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(5)
    assert origin.calls == 0


@pytest.mark.parametrize("seconds", [FRESH_FOR + 0.01, FRESH_FOR + STALE_FOR - 0.01])
async def test_a_stale_value_is_served_at_once_and_refreshed_meanwhile(world, make, origin, seconds):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(seconds)
    before = now()
    assert await cache.get_or_set("k", origin.load) == "set"
    assert now() - before == pytest.approx(ROUND_TRIP)
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert (world.kinds("stale"), world.kinds("refresh"), cache.stats.stale_hits) == (["k"], ["k"], 1)


async def test_a_value_that_is_gone_is_waited_for(world, make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + STALE_FOR + 0.01)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert (world.kinds("stale"), cache.stats.misses) == ([], 1)


async def test_redis_keeps_a_value_for_as_long_as_it_may_be_served(world, make, redis):
    world.server.trips = iter(lambda: 0.0, None)
    await make().set("k", "set")
    assert await redis.pttl("cache:v1:k") == (FRESH_FOR + STALE_FOR) * 1000


async def test_a_refreshed_value_is_fresh_anew(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(1.1 + FRESH_FOR - 0.2)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    await asyncio.sleep(5)
    assert origin.calls == 1


async def test_who_reads_often_enough_never_waits(make, origin):
    cache = make()
    await cache.get_or_set("k", origin.load)
    for _ in range(50):
        await asyncio.sleep(7)
        before = now()
        await cache.get_or_set("k", origin.load)
        assert now() - before == pytest.approx(ROUND_TRIP)


async def test_jitter_shortens_freshness_and_never_prolongs_it(world, make, origin):
    cache = make(jitter=5, rng=random.Random(7))
    for n in range(50):
        await cache.set(str(n), "set")
    stored = now()
    await asyncio.sleep(FRESH_FOR - 2.5 - 0.1)
    for n in range(50):
        await cache.get_or_set(str(n), origin.load)
    assert 10 < len(world.kinds("stale")) < 40
    await asyncio.sleep(stored + FRESH_FOR + 0.01 - now())
    await asyncio.gather(*(cache.get_or_set(str(n), origin.load) for n in range(50)))
    assert cache.stats.hits == 50  # those refreshed by then


# One refresh


async def test_stale_hits_at_the_same_time_start_one_refresh(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    assert await asyncio.gather(*(cache.get_or_set("k", origin.load) for _ in range(20))) == ["set"] * 20
    await asyncio.sleep(2)
    assert (origin.calls, origin.most_at_once) == (1, 1)


async def test_stale_hits_during_a_refresh_start_no_other(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    for _ in range(9):
        assert await cache.get_or_set("k", origin.load) == "set"
        await asyncio.sleep(0.1)
    assert origin.calls == 1


@pytest.mark.parametrize(("single_flight", "loads"), [("process", 2), ("cluster", 1)])
async def test_two_nodes_refresh_once_each_or_once_in_all(make, origin, single_flight, loads):
    nodes = [make(single_flight=single_flight) for _ in range(2)]
    await nodes[0].set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    callers = [start(node.get_or_set("k", origin.load)) for node in nodes for _ in range(10)]
    assert [await caller for caller in callers] == ["set"] * 20
    await asyncio.sleep(2)
    assert origin.calls == loads


async def test_who_comes_when_the_value_is_gone_joins_the_refresh(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + STALE_FOR - 1)
    origin.seconds = 5
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert origin.calls == 1


# A refresh that fails


async def test_a_refresh_that_fails_prolongs_nothing(make, origin):
    cache = make()
    await cache.set("k", "set")
    origin.error = OriginError()
    for _ in range(9):
        await asyncio.sleep(3.3)
        assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(0.4)
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_a_refresh_that_fails_is_told_and_tried_again(world, make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    origin.error = OriginError()
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(2)
    assert [event.error for event in world.events if event.kind == "error"] == [origin.error]
    origin.error = None
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_a_refresh_is_bounded_by_the_load_timeout(world, make, origin):
    cache = make(load_timeout=0.5)
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(1)
    assert [type(event.error) for event in world.events if event.kind == "error"] == [LoadTimeout]
    assert origin.under_way == 0


@pytest.mark.parametrize("down", ["refuse", "hang"])
async def test_redis_may_go_away_during_a_refresh(make, origin, redis, down):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(0.5)
    redis.down = down
    await asyncio.sleep(3)
    redis.down = None
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_a_value_that_has_been_stale_too_long_may_still_be_served_if_the_load_fails(make, origin):
    cache = make(stale_if_error=60)
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + STALE_FOR + 5)
    origin.error = OriginError()
    before = now()
    assert await cache.get_or_set("k", origin.load) == "set"
    assert now() - before > 1  # only once the load has failed
    origin.error = None
    assert await cache.get_or_set("k", origin.load) == "value 2"


# In the background


async def test_a_refresh_is_held_on_to_and_awaited_by_aclose(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(0.5)
    gc.collect()
    await cache.aclose()
    assert cache.stats.in_flight == 0
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_a_refresh_outlives_the_caller_who_started_it(make, origin):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    caller = start(cache.get_or_set("k", origin.load))
    await caller
    await cancel(caller)
    await asyncio.sleep(2)
    assert (origin.cancelled, await cache.get_or_set("k", origin.load)) == (0, "value 1")


async def test_refreshes_are_bounded_in_number(make, origin):
    cache = make()
    for n in range(1200):
        await cache.set(str(n), "set", ttl=FRESH_FOR)
    await asyncio.sleep(FRESH_FOR + 1)
    callers = [start(cache.get_or_set(str(n), origin.load)) for n in range(1200)]
    assert {await caller for caller in callers} == {"set"}
    await asyncio.sleep(0.5)
    assert origin.most_at_once == 1000
    await asyncio.sleep(1)
    assert await asyncio.gather(*(cache.get_or_set(str(n), origin.load) for n in range(1100, 1200))) == ["set"] * 100
    await cache.aclose()
    assert origin.calls == 1100


# A write during a refresh


@pytest.mark.parametrize("write", ["set", "delete"])
async def test_a_write_during_a_refresh_is_not_overwritten(make, origin, write):
    cache = make()
    await cache.set("k", "old")
    await asyncio.sleep(FRESH_FOR + 1)
    origin.values = ["read before the write", "new"]
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(0.5)
    await (cache.set("k", "new") if write == "set" else cache.delete("k"))
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "new"


async def test_another_nodes_delete_during_a_refresh_is_not_undone(make, origin):
    here, there = make(), make()
    await here.set("k", "old")
    await asyncio.sleep(FRESH_FOR + 1)
    origin.values = ["read before the delete", "new"]
    await here.get_or_set("k", origin.load)
    await asyncio.sleep(0.5)
    await there.delete("k")
    await asyncio.sleep(2)
    assert await here.get_or_set("k", origin.load) == "new"


async def test_a_refresh_that_cannot_be_stored_leaves_the_old_value_its_time(make, origin, redis):
    cache = make()
    await cache.set("k", "set")
    await asyncio.sleep(FRESH_FOR + 1)
    redis.errors["STORE"] = exceptions.OutOfMemoryError("OOM command not allowed")
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(STALE_FOR - 1.1)
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) == "value 3"
