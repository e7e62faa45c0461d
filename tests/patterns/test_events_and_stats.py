"""What a cache tells its observer, and what it counts."""

import asyncio
import random
from dataclasses import FrozenInstanceError
from functools import partial

import pytest

from cachesim.patterns import Event, InProcess, Stats
from tests.patterns.kit import KINDS, OriginError, outcome, start

HELD = ("stored", "expired", "deleted", "evicted")


@pytest.fixture(params=[kind for kind in KINDS if kind != "layered"])  # both of whose layers tell
def kind(request):
    return request.param


async def test_the_observer_hears_what_happens_in_order(world, make, origin):
    cache = make(ttl=10, stale_if_error=10)
    leader = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    follower = start(cache.get_or_set("k", origin.load))
    await asyncio.gather(leader, follower)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(11)
    origin.error = OriginError()
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(0.01)  # a lease is given up without waiting for it
    told = [(event.kind, event.key) for event in world.events if event.kind not in HELD]
    expected = ["miss", "load", "miss", "join", "loaded", "hit", "miss", "load", "error", "stale"]
    assert told == [(kind, "k") for kind in expected]
    assert world.events[-2].error is origin.error
    assert [event.seconds for event in world.events if event.kind == "loaded"] == [1.0]
    assert cache.stats == Stats(hits=1, stale_hits=1, misses=3, loads=2, joins=1, errors=1, in_flight=0)


async def test_one_who_misses_is_counted_once(make, origin):
    cache = make()
    await cache.get_or_set("k", origin.load)
    assert cache.stats == Stats(misses=1, loads=1)


async def test_loads_alone_join_nothing(make, origin):
    cache = make(single_flight="none")
    await asyncio.gather(*(cache.get_or_set("k", origin.load) for _ in range(3)))
    assert cache.stats == Stats(misses=3, loads=3)


async def test_stats_are_a_snapshot(make, origin):
    cache = make()
    before = cache.stats
    await cache.get_or_set("k", origin.load)
    assert before == Stats()
    with pytest.raises(FrozenInstanceError):
        before.hits = 5


async def test_an_observer_may_hear_only_what_it_asks_for(world, origin):
    class Stored:
        kinds = frozenset({"stored"})

        def __init__(self):
            self.told = []

        def __call__(self, event):
            self.told.append(event)

    observer = Stored()
    cache = world.make("in-process", observe=observer)
    for _ in range(2):
        await cache.get_or_set("k", origin.load)
    assert observer.told == [Event("stored", "k", expires=11)]


async def test_nobody_needs_to_observe(make, origin):
    cache = make(observe=None)
    for _ in range(2):
        await cache.get_or_set("k", origin.load)
    assert cache.stats.hits == 1


# Time and chance are arguments


class Clock:
    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now


async def test_the_clock_is_an_argument(origin):
    clock = Clock()
    cache = InProcess(ttl=10, clock=clock)
    await cache.set("k", "set")
    await asyncio.sleep(100)
    assert await cache.get_or_set("k", origin.load) == "set"
    clock.now += 10
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_the_clock_decides_how_long_a_value_in_redis_is_fresh(make_aside, origin):
    clock = Clock()
    cache = make_aside(ttl=10, stale_if_error=1000, clock=clock)
    await cache.set("k", "set")
    clock.now += 10.001
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_without_a_clock_it_is_the_time_of_the_world(origin):
    cache = InProcess(ttl=10)
    await cache.set("k", "set")
    await asyncio.sleep(10)
    assert await cache.get_or_set("k", origin.load) == "value 1"


@pytest.mark.parametrize("options", [{"jitter": 5}, {"policy": "random", "size": 2}], ids=["jitter", "random eviction"])
async def test_chance_is_an_argument(origin, options):
    def survivors(seed):
        cache = InProcess(ttl=10, rng=random.Random(seed), **options)
        return fill_and_count(cache)

    async def fill_and_count(cache):
        for n in range(20):
            await cache.set(str(n), n)
        await asyncio.sleep(7)
        await asyncio.gather(*(outcome(cache.get_or_set(str(n), partial(asyncio.sleep, 0))) for n in range(20)))
        return cache.stats

    state = random.getstate()
    assert await survivors(7) == await survivors(7)
    assert random.getstate() == state
