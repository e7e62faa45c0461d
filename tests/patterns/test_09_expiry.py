"""Promise 9: a value may expire or go at any moment; no check comes before a get (cachetools 29)."""

import asyncio
import random
from itertools import count

import cachetools
import pytest

from tests.patterns.kit import start


def ticking():
    """A clock that moves on by a second whenever somebody looks at it."""
    ticks = count()
    return lambda: float(next(ticks))


async def test_a_value_that_expires_between_two_looks_at_the_clock_raises_no_key_error(make_in_process, origin):
    cache = make_in_process(ttl=1.5, clock=ticking())
    origin.seconds = 0
    for _ in range(50):
        assert str(await cache.get_or_set("k", origin.load)).startswith("value")


def test_that_clock_breaks_what_tutorials_print():
    cache = cachetools.TTLCache[str, str](10, ttl=1.5, timer=ticking())
    cache["k"] = "value"
    assert "k" in cache
    with pytest.raises(KeyError):
        cache["k"]


async def test_an_in_process_value_is_usable_before_its_deadline_and_not_at_it(make_in_process, origin):
    cache = make_in_process(ttl=10)
    await cache.set("k", "set")
    await asyncio.sleep(9.999)
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(0.001)
    assert await cache.get_or_set("k", origin.load) == "value 1"


@pytest.mark.parametrize("stale_if_error", [None, 60])
async def test_a_value_in_redis_is_usable_up_to_and_including_its_deadline(world, origin, redis, stale_if_error):
    world.server.trips = iter(lambda: 0.0, None)
    cache = world.make("cache-aside", ttl=10, stale_if_error=stale_if_error)
    await cache.set("k", "set")
    await asyncio.sleep(10)
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(0.001)
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_a_hit_asks_redis_once(make_over_redis, origin, redis):
    cache = make_over_redis()
    await cache.set("k", "set")
    redis.log.clear()
    await cache.get_or_set("k", origin.load)
    assert redis.log == ["LOOK"]


async def test_a_miss_asks_redis_twice(make_over_redis, origin, redis):
    cache = make_over_redis()
    await cache.get_or_set("k", origin.load)
    assert redis.log == ["LOOK", "STORE"]


async def test_a_value_that_expires_while_it_is_asked_for_is_loaded(make_over_redis, origin):
    cache = make_over_redis(ttl=10)
    await cache.set("k", "set")  # it arrives after half a round trip, 1 ms, and the answer takes another
    await asyncio.sleep(9.9985)
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_those_who_find_a_value_expired_share_one_load(make, origin):
    cache = make(ttl=10)
    await cache.set("k", "set")
    await asyncio.sleep(11)
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(20)]
    assert {await caller for caller in callers} == {"value 1"}


# Lifetimes


async def lifetime(cache, key, origin):
    """How long a value lives, to 10 ms."""
    loop = asyncio.get_running_loop()
    await cache.set(key, "set")
    stored = loop.time()
    while await cache.get_or_set(key, origin.load) == "set":
        await asyncio.sleep(0.01)
    return loop.time() - stored


async def test_jitter_shortens_a_lifetime_and_never_prolongs_it(world, make, kind, origin):
    cache = make(ttl=1, jitter=0.5, rng=random.Random(7))
    origin.seconds = 0
    lifetimes = [await lifetime(cache, f"key {n}", origin) for n in range(50)]
    assert all(0.49 <= seconds <= 1.03 for seconds in lifetimes)
    assert min(lifetimes) < 0.6
    assert max(lifetimes) > 0.9


async def test_the_same_seed_draws_the_same_jitter(world, make_in_process):
    for _ in range(2):
        cache = make_in_process(jitter=5, rng=random.Random(7))
        for n in range(5):
            await cache.set(f"key {n}", n)
    expiries = [event.expires for event in world.events if event.kind == "stored"]
    assert expiries[:5] == expiries[5:]
    assert len(set(expiries[:5])) == 5


async def test_a_call_may_have_a_lifetime_of_its_own(make, origin):
    cache = make(ttl=10)
    await cache.set("set", "set", ttl=2)
    await cache.get_or_set("loaded", origin.load, ttl=2)
    await asyncio.sleep(2.1)
    assert await cache.get_or_set("set", origin.load) == "value 2"
    assert await cache.get_or_set("loaded", origin.load) == "value 3"


@pytest.mark.parametrize(
    ("ttl", "milliseconds"),
    [(0.001, 1), (0.0019, 1), (1.001, 1001), (1.1, 1100), (1e9, 1e12), (1e18, 1e15), (1e300, 1e15)],
)
async def test_redis_accepts_every_lifetime(world, make_aside, redis, ttl, milliseconds):
    world.server.trips = iter(lambda: 0.0, None)
    cache = make_aside(ttl=ttl)
    await cache.set("k", "set")
    assert await redis.pttl("cache:v1:k") == milliseconds
    assert cache.stats.errors == 0
