"""What single libraries do in their variants, where it hangs on simulated time or on the node's Redis."""

import asyncio
from typing import Any

import pytest

import cachesim as cs
from cachesim.adapters import library_cache
from tests.adapters.kit import LOADING, ROUND_TRIP, played


def test_early_of_cashews_renews_in_the_background_after_seven_tenths_of_a_lifetime():
    async def script(cache: Any, database: Any) -> Any:
        loads = []
        for seconds in (0, 6.9, 0.2, 1):
            await asyncio.sleep(seconds)
            loads.append((await cache.get("k"))["load"])
        return loads

    assert played(library_cache("cashews:early", ttl=10), script) == ([1, 1, 1, 2], 2)


def test_soft_of_cashews_keeps_a_value_for_twice_its_lifetime_while_loads_fail():
    async def script(cache: Any, database: Any) -> Any:
        loads = []
        for seconds in (0, 11, 8.5):
            await asyncio.sleep(seconds)
            loads.append((await cache.get("k"))["load"])
        await asyncio.sleep(2)
        with pytest.raises(cs.DatabaseError):
            await cache.get("k")
        return loads

    errors = cs.faults.DatabaseErrors(share=1, start=5)
    assert played(library_cache("cashews:soft", ttl=10), script, faults=[errors]) == ([1, 1, 1], 4)


def test_cashews_gives_redis_a_second_and_then_does_without():
    """A second for what it reads, and one for what it writes."""

    async def script(cache: Any, database: Any) -> Any:
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        await cache.get("k")
        return asyncio.get_running_loop().time() - before

    hangs = cs.faults.RedisDown(start=0.5, duration=30, mode="hang")
    seconds, _ = played(library_cache("cashews:redis", ttl=10), script, faults=[hangs])
    assert seconds == pytest.approx(2 + LOADING)


def test_cashews_has_ten_connections_to_redis():
    """The eleventh who asks waits for the round trip of another."""

    async def script(cache: Any, database: Any) -> Any:
        await asyncio.gather(*(cache.get(f"k{n}") for n in range(11)))
        return asyncio.get_running_loop().time()

    seconds, _ = played(library_cache("cashews:redis", ttl=10), script)
    assert seconds == pytest.approx(LOADING + 3 * ROUND_TRIP)


def test_lifetimes_in_the_redis_of_aiocache_are_not_cut_to_seconds():
    async def script(cache: Any, database: Any) -> Any:
        await asyncio.sleep(0.1)
        loads = [(await cache.get("k"))["load"]]
        for seconds in (0.8, 0.2):
            await asyncio.sleep(seconds)
            loads.append((await cache.get("k"))["load"])
        return loads

    assert played(library_cache("aiocache:redis", ttl=0.9), script) == ([1, 1, 2], 2)


def test_hishel_drops_what_is_past_its_simulated_lifetime():
    nodes = []

    def factory(node: cs.Node) -> Any:
        nodes.append(node)
        return library_cache("hishel:redis", ttl=5)(node)

    async def script(cache: Any, database: Any) -> Any:
        await cache.get("k")
        await asyncio.sleep(6)
        await cache.get("k")
        [index] = await nodes[0].redis.keys("hishel:idx:*")
        return await nodes[0].redis.zcard(index)

    assert played(factory, script) == (1, 2)
