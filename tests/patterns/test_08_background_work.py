"""Promise 8: what goes on when its caller has left is held on to, told when it fails, and awaited by `aclose`."""

import asyncio
import gc

from redis import exceptions

from tests.patterns.kit import cancel, start


async def test_a_load_is_not_collected_in_mid_flight(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    gc.collect()
    assert await caller == "value 1"


async def test_aclose_waits_for_a_write_whose_caller_has_left(make_over_redis, redis):
    cache = make_over_redis()
    gate = redis.hold("PUT")
    caller = start(cache.set("k", "set"))
    await asyncio.sleep(0.5)
    await cancel(caller)
    gc.collect()
    asyncio.get_running_loop().call_later(5, gate.set)
    await cache.aclose()
    assert asyncio.get_running_loop().time() > 5
    assert cache.stats.in_flight == 0


async def test_aclose_waits_for_a_loaded_value_whose_callers_have_left(make_over_redis, origin, redis, single_flight):
    cache = make_over_redis(single_flight=single_flight)
    gate = redis.hold("STORE")
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(1.5)
    await cancel(caller)
    asyncio.get_running_loop().call_later(5, gate.set)
    await cache.aclose()
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert origin.calls == 1


async def test_aclose_of_a_cache_at_rest_takes_no_time(make, origin):
    cache = make()
    await cache.get_or_set("k", origin.load)
    before = asyncio.get_running_loop().time()
    await cache.aclose()
    assert asyncio.get_running_loop().time() == before


async def test_a_failure_is_told_though_the_caller_has_left(world, make_over_redis, redis):
    cache = make_over_redis()
    gate = redis.hold("PUT")
    caller = start(cache.set("k", "set"))
    await asyncio.sleep(0.5)
    await cancel(caller)
    redis.errors = dict.fromkeys(("DEL", "RELEASE"), exceptions.ConnectionError("gone"))
    deletion = start(cache.delete("k"))
    gate.set()
    await deletion
    assert world.kinds("error") == ["k", "k"]
    assert cache.stats.errors == 2
