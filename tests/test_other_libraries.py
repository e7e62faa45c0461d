"""Other people's cache libraries run unmodified: they take their time from the event loop and from the `time` module.

One hot key is asked 100 times a second, kept for 10 s and loaded in 0.2 s.
"""

import asyncio
import math
from typing import Any

import cashews
import pytest
from aiocache import cached, cached_stampede
from async_lru import alru_cache

import cachesim as cs

RATE, LOADING, TTL = 100, 0.2, 10


def aiocache_cached(node: cs.Node) -> Any:
    @cached(ttl=TTL)  # type: ignore[untyped-decorator]  # as all of aiocache
    async def get(key: str) -> Any:
        return await node.database.read(key)

    return get


def aiocache_cached_stampede(node: cs.Node) -> Any:
    @cached_stampede(ttl=TTL, lease=2)  # type: ignore[untyped-decorator]  # as all of aiocache
    async def get(key: str) -> Any:
        return await node.database.read(key)

    return get


class Cashews:
    """Each request goes through cashews, which keeps its values in memory and holds a lock while it loads."""

    def __init__(self, node: cs.Node) -> None:
        self.cache = cashews.Cache()
        self.cache.setup("mem://")

        @self.cache(ttl=TTL, lock=True)
        async def get(key: str) -> Any:
            return await node.database.read(key)

        self.get = get

    async def aclose(self) -> None:
        await self.cache.close()


def cashews_left_open(node: cs.Node) -> Any:
    """A cache whose background task still runs at the end."""
    return Cashews(node).get


def async_lru(node: cs.Node) -> Any:
    @alru_cache(ttl=TTL)
    async def get(key: str) -> Any:
        return await node.database.read(key)

    return get


def scenario(duration: float) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=RATE),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(LOADING)),
        duration=duration,
    )


SINGLE_FLIGHT = [Cashews, async_lru, aiocache_cached_stampede]


def test_aiocache_loads_once_for_each_request_until_the_first_load_ends():
    """1 + λD = 21 loads an expiry: the first, and as many as arrive in 0.2 s, of variance λD = 20."""
    result = cs.simulate(scenario(duration=1000), cache=aiocache_cached)
    episodes = result.metrics["load_episodes"]
    error = math.sqrt(RATE * LOADING / episodes)  # the standard error: 0.46 for the 96 episodes or so
    assert episodes > 90
    assert abs(result.metrics["episode_size_mean"] - (1 + RATE * LOADING)) < 4 * error
    assert result.metrics["errors"] == 0
    assert result.failures == []


@pytest.mark.parametrize("factory", SINGLE_FLIGHT)
def test_a_library_with_single_flight_loads_once_an_expiry(factory):
    """A cycle is the load, 10 s, and the wait for the next request: 10.21 s on average."""
    duration = 150
    result = cs.simulate(scenario(duration), cache=factory)
    assert result.metrics["largest_stampede"] == 1
    assert abs(result.metrics["loads"] - duration / (LOADING + TTL + 1 / RATE)) < 1
    assert result.metrics["latency_max"] == pytest.approx(LOADING)
    assert result.metrics["errors"] == 0
    assert result.failures == []


@pytest.mark.parametrize("factory", [aiocache_cached, cashews_left_open, *SINGLE_FLIGHT])
def test_a_library_gives_the_same_run_again_also_inside_a_running_loop(factory):
    async def inside() -> str:
        return cs.simulate(scenario(15), cache=factory).digest

    digest = cs.simulate(scenario(15), cache=factory).digest
    assert cs.simulate(scenario(15), cache=factory).digest == digest
    assert asyncio.run(inside()) == digest
