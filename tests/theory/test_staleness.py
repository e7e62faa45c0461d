"""What is served out of date in the simulator: as often as the closed form says, never for longer than its bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import assert_mean, one_key


@pytest.mark.parametrize("pattern", ["in-process", "cache-aside"])
def test_hits_are_stale_as_often_as_the_closed_form_says(pattern: str) -> None:
    """.213061 where writes pass the cache by; standard error .004."""
    scenario = one_key(cs.Pattern(pattern, ttl=5), rate=1, latency=0.0, duration=2000, **{"writes.behind": 0.1})
    runs = cs.replicate(scenario, n=20).frame
    assert_mean((runs.stale_reads / runs.hits).to_numpy(dtype=np.float64), theory.stale_hit_ratio(0.1, 5))


class Leaseless:
    """Cache-aside as it is often printed: whatever was loaded is stored, also after a delete."""

    def __init__(self, node: cs.Node) -> None:
        self.redis, self.database = node.redis, node.database

    async def get(self, key: str) -> Any:
        data = await self.redis.get(key)
        if data is not None:
            return orjson.loads(data)
        row = await self.database.read(key)
        await self.redis.set(key, orjson.dumps(row), px=2000)
        return row

    async def delete(self, key: str) -> None:
        await self.redis.delete(key)


def test_with_leases_no_load_that_a_write_overtook_is_kept() -> None:
    """A write overtakes 1 - e^(-mu d) = .0487706 of all loads; standard error .005.

    Round trips take no time, so with leases nothing stale is served at all.
    """
    rate, load_time, share = 4, 0.1, 0.125
    scenario = one_key(cs.Pattern("cache-aside", ttl=2), rate=rate, latency=load_time, writes=share, duration=2000)
    run = cs.simulate(scenario)
    writes = run.requests[run.requests.outcome == "write"]
    commits = np.sort((writes.time + writes.latency).to_numpy())
    overtaken = commits.searchsorted(run.loads.end.to_numpy()) > commits.searchsorted(run.loads.start.to_numpy())
    assert_mean(overtaken.astype(float), theory.stale_fill_ratio(rate * share, load_time))
    assert run.metrics["stale_reads"] == cs.simulate(scenario.replace(nodes=3)).metrics["stale_reads"] == 0
    assert cs.simulate(scenario, cache=Leaseless).metrics["stale_reads"] > 100


LOAD_TIME = 0.5
BOUNDS: dict[str, tuple[cs.Pattern, float]] = {
    "cache-aside": (cs.Pattern("cache-aside", ttl=3), 3),
    "jitter": (cs.Pattern("cache-aside", ttl=3, jitter=1), 3),
    "early-recompute": (cs.Pattern("early-recompute", ttl=3, beta=0.1), 3),
    "stale-while-revalidate": (cs.Pattern("stale-while-revalidate", fresh_for=1, stale_for=2), 3),
    "stale-while-revalidate, jitter": (
        cs.Pattern("stale-while-revalidate", fresh_for=1, stale_for=2, jitter=0.5),
        3,
    ),
    "layered, no message of these writes": (cs.Pattern("layered", ttl=3, l1_ttl=2), 3),
    "layered, lifetimes added up": (cs.Pattern("layered", ttl=2, l1_ttl=1, l1_cap=False), 3),
}


@pytest.mark.parametrize("round_trip", [0.0, 0.02])
@pytest.mark.parametrize("pattern", BOUNDS)
def test_staleness_never_exceeds_lifetime_and_load_time_and_comes_near(pattern: str, round_trip: float) -> None:
    """Writes pass the cache by. The SET is executed half a round trip after the load."""
    cache, lifetime = BOUNDS[pattern]
    scenario = one_key(cache, rate=3, latency=LOAD_TIME, nodes=2, duration=2000)
    run = cs.simulate(scenario.replace(**{"writes.behind": 0.3, "redis.round_trip": round_trip}), record="summary")
    bound = theory.staleness_bound(lifetime, LOAD_TIME + round_trip / 2)
    assert 0.7 * bound < run.metrics["staleness_max"] <= bound


@pytest.mark.parametrize("load_time", [0.0, 0.1])
@pytest.mark.parametrize("nodes", [2, 5])
def test_with_messages_staleness_never_exceeds_their_delay(nodes: int, load_time: float) -> None:
    """Three round trips from the commit to the last L1, mostly two: the delete, then the message to the server and on.

    The delete waits for a store that its own process began just before; that finds itself overtaken, and deletes too.
    """
    round_trip = 0.05
    cache = cs.Pattern("layered", ttl=60, l1_ttl=30, invalidation="pubsub")
    scenario = one_key(cache, rate=50, latency=load_time, nodes=nodes, duration=400, writes=0.02)
    run = cs.simulate(scenario.replace(**{"redis.round_trip": round_trip}))
    assert 1.9 * round_trip < run.metrics["staleness_max"] <= 3 * round_trip
    assert run.metrics["hit_ratio_l1"] > 0.3
