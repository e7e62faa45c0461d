"""One hot key, asked 100 times a second, kept for 10 s and loaded in 0.2 s: what theory says is what libraries do."""

import math
from typing import Any

import pytest

import cachesim as cs
from cachesim.adapters import library_cache
from tests.adapters.kit import LOADING, scenario

RATE, TTL = 100, 10


def storm(duration: float) -> cs.Scenario:
    return scenario(arrivals=cs.arrivals.Poisson(rate=RATE), duration=duration)


def left_open(node: cs.Node) -> Any:
    """A cache whose background task still runs at the end."""
    return library_cache("cashews:lock", ttl=TTL)(node).get


def test_without_single_flight_there_is_a_load_for_each_request_until_the_first_ends():
    """1 + λD = 21 loads an expiry: the first, and as many as arrive in 0.2 s, of variance λD = 20."""
    result = cs.simulate(storm(duration=1000), cache=library_cache("aiocache:cached", ttl=TTL))
    episodes = result.metrics["load_episodes"]
    error = math.sqrt(RATE * LOADING / episodes)  # the standard error: 0.46 for the 96 episodes or so
    assert episodes > 90
    assert abs(result.metrics["episode_size_mean"] - (1 + RATE * LOADING)) < 4 * error
    assert result.metrics["errors"] == 0
    assert result.failures == []


SINGLE_FLIGHT = ["aiocache:stampede", "async-lru:ttl", "cashews:lock"]
FACTORIES = {"left open": left_open, **{name: library_cache(name, ttl=TTL) for name in SINGLE_FLIGHT}}


@pytest.mark.parametrize("name", FACTORIES)
def test_with_single_flight_there_is_one_load_an_expiry(name):
    """A cycle is the load, 10 s, and the wait for the next request: 10.21 s on average."""
    duration = 150
    result = cs.simulate(storm(duration), cache=FACTORIES[name])
    assert result.metrics["largest_stampede"] == 1
    assert abs(result.metrics["loads"] - duration / (LOADING + TTL + 1 / RATE)) < 1
    assert result.metrics["latency_max"] == pytest.approx(LOADING)
    assert result.metrics["errors"] == 0
    assert result.failures == []
