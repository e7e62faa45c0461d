"""What layered promises besides: L1 over L2, which it never outlives, each counted for itself."""

import asyncio
from functools import partial

import pytest

from cachesim.patterns import Stats
from tests.patterns.kit import OriginError, listening, start

OPTIONS = {"ttl": 10, "l1_ttl": 5}


@pytest.fixture
def make(world):
    return partial(world.make, "layered", **OPTIONS)


async def test_a_hit_in_l1_asks_redis_nothing(make, origin, redis):
    cache = await listening(make())
    await cache.get_or_set("k", origin.load)
    redis.log.clear()
    before = asyncio.get_running_loop().time()
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert (redis.log, asyncio.get_running_loop().time()) == ([], before)


async def test_l1_is_filled_from_l2_without_a_load(make, origin, redis):
    here, there = await listening(make()), await listening(make())
    await here.get_or_set("k", origin.load)
    redis.log.clear()
    for _ in range(2):
        assert await there.get_or_set("k", origin.load) == "value 1"
    assert (origin.calls, redis.log) == (1, ["LOOK"])


async def test_an_l1_entry_never_outlives_its_l2_entry(make, origin):
    here, there = await listening(make()), await listening(make())
    await here.set("k", "set")
    await asyncio.sleep(9)
    assert await there.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(1.1)
    assert await there.get_or_set("k", origin.load) == "value 1"


async def test_without_the_cap_the_lifetimes_add_up(make, origin):
    here, there = await listening(make()), await listening(make(l1_cap=False))
    await here.set("k", "set")
    await asyncio.sleep(9)
    assert await there.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(4.9)
    assert await there.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(0.2)
    assert await there.get_or_set("k", origin.load) == "value 1"


async def test_an_l1_entry_ends_after_l1_ttl_and_l2_still_has_it(make, origin, redis):
    cache = await listening(make())
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(5.1)
    redis.log.clear()
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert (redis.log, origin.calls) == (["LOOK"], 1)


async def test_an_absent_row_is_kept_for_negative_ttl_in_both(make, origin):
    cache = await listening(make(negative_ttl=2))
    origin.values = [None, "created"]
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(1.9)
    assert await cache.get_or_set("k", origin.load) is None
    await asyncio.sleep(0.2)
    assert await cache.get_or_set("k", origin.load) == "created"


async def test_l1_is_bounded(make, origin):
    cache = await listening(make(l1_size=3))
    for n in range(10):
        await cache.get_or_set(str(n), origin.load)
    assert len(cache.l1) == 3


async def test_those_who_miss_l1_at_the_same_time_look_into_l2_once(make, origin, redis):
    cache = await listening(make())
    redis.log.clear()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(20)]
    assert {await caller for caller in callers} == {"value 1"}
    assert redis.log == ["LOOK", "STORE"]


async def test_with_single_flight_in_the_cluster_the_nodes_load_once_together(make, origin):
    nodes = [await listening(make(single_flight="cluster")) for _ in range(2)]
    callers = [start(node.get_or_set("k", origin.load)) for node in nodes for _ in range(5)]
    assert {await caller for caller in callers} == {"value 1"}
    assert origin.calls == 1


async def test_what_l2_serves_stale_is_not_kept_in_l1(make, origin):
    cache = await listening(make(stale_if_error=60))
    await cache.set("k", "old")
    await asyncio.sleep(15)
    origin.error = OriginError()
    assert await cache.get_or_set("k", origin.load) == "old"
    origin.error = None
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_hits_and_misses_are_counted_for_each_layer(world, make, origin):
    here, there = await listening(make()), await listening(make())
    layers = [(cache.l1.stats, cache.l2.stats) for cache in (here, there)]
    world.events.clear()
    await here.get_or_set("k", origin.load)  # in neither
    await here.get_or_set("k", origin.load)  # in L1
    await there.get_or_set("k", origin.load)  # in L2
    await there.get_or_set("k", origin.load)  # in L1
    met = [(event.layer, event.kind) for event in world.events if event.kind in ("hit", "miss")]
    assert met == [("l1", "miss"), ("l2", "miss"), ("l1", "hit"), ("l1", "miss"), ("l2", "hit"), ("l1", "hit")]
    added = [
        [(after.hits - before.hits, after.misses - before.misses) for before, after in zip(then, now, strict=True)]
        for then, now in zip(layers, [(cache.l1.stats, cache.l2.stats) for cache in (here, there)], strict=True)
    ]
    assert added == [[(1, 1), (0, 1)], [(1, 1), (1, 0)]]  # hits and misses: in L1 and L2, here and there


async def test_both_layers_together_count_each_caller_once(make, origin):
    cache = make(invalidation="none")
    for _ in range(3):
        await cache.get_or_set("k", origin.load)
    assert cache.stats == Stats(hits=2, misses=1, loads=1)
