"""What writes leave in a cache: late fills, lost messages and writers who overtake each other."""

from __future__ import annotations

from collections import defaultdict
from math import exp
from typing import Any

import numpy as np
import orjson
import pytest
from scipy.integrate import quad

import cachesim as cs
from cachesim import theory
from cachesim.world.caches import CACHES
from cachesim.world.redis import SimRedis
from tests.theory.agreement import assert_mean, one_key

# ── A late fill over a delete ─────────────────────────────────────────────────────────────────────────────────────

MU, LOAD_TIME = 0.5, 0.1


def late_fills() -> cs.Scenario:
    """Reads and writes of one key, mu = .5 writes/s, loads of .1 s; Redis answers at once."""
    cache = cs.Pattern("pitfall:cache-aside", ttl=2)
    return one_key(cache, rate=10, latency=LOAD_TIME, writes=MU / 10, duration=6000)


def test_a_pitfall_stores_what_a_write_has_overtaken_as_often_as_the_closed_form_says() -> None:
    """1 - e^(-mu d) = .0487706 of all fills; standard error .003. Each SET is held against what is committed then."""
    fills: list[bool] = []

    def factory(node: cs.Node) -> Any:
        committed: dict[str, int] = defaultdict(int)
        write, set_ = node.database.write, node.redis.set

        async def noted_write(key: str, value: Any) -> int:
            committed[key] = await write(key, value)
            return committed[key]

        async def noted_set(name: str, value: bytes, **options: Any) -> Any:
            row = orjson.loads(value)
            fills.append(row["version"] < committed[row["key"]])
            return await set_(name, value, **options)

        node.database.write, node.redis.set = noted_write, noted_set  # type: ignore[method-assign]
        return CACHES["pitfall:cache-aside"].factory({"ttl": 2.0})(node)

    run = cs.simulate(late_fills(), cache=factory, record="summary")
    assert len(fills) > 5000
    assert_mean(np.array(fills, float), theory.stale_fill_ratio(MU, LOAD_TIME))
    assert run.metrics["staleness_max"] == pytest.approx(2, abs=0.2)  # a whole lifetime, unless a write ends it


@pytest.mark.parametrize("nodes", [1, 4])
@pytest.mark.parametrize("single_flight", ["none", "process", "cluster"])
def test_with_leases_none_is_stored(single_flight: str, nodes: int) -> None:
    cache = cs.Pattern("cache-aside", ttl=2, single_flight=single_flight)
    run = cs.simulate(late_fills().replace(cache=cache, nodes=nodes, duration=1000), record="summary")
    assert run.metrics["stale_reads"] == 0


# ── Lost messages ─────────────────────────────────────────────────────────────────────────────────────────────────

ROUND_TRIP = 0.01


def layers(invalidation: str, lost: float) -> cs.Scenario:
    cache = cs.Pattern("layered", ttl=60, l1_ttl=5, invalidation=invalidation)
    scenario = one_key(cache, rate=100, latency=0.02, nodes=4, writes=0.005, duration=1000)
    loss = cs.faults.MessageLoss(share=lost)
    return scenario.replace(faults=(loss,), **{"redis.round_trip": ROUND_TRIP})


def test_a_lost_message_leaves_a_node_stale_until_its_first_layer_expires() -> None:
    run = cs.simulate(layers("pubsub", lost=0.3), record="summary").metrics
    whole = cs.simulate(layers("pubsub", lost=0.0), record="summary").metrics
    assert whole["staleness_max"] <= 3 * ROUND_TRIP
    assert 4 < run["staleness_max"] <= theory.staleness_bound(5, 0.02 + 2 * ROUND_TRIP)
    assert run["stale_reads"] > 10 * whole["stale_reads"]


def test_of_a_stream_nothing_is_lost() -> None:
    stream = cs.simulate(layers("stream", lost=0.3))
    assert stream.digest == cs.simulate(layers("stream", lost=0.0)).digest
    assert stream.metrics["staleness_max"] <= 3 * ROUND_TRIP


# ── The order of writes ───────────────────────────────────────────────────────────────────────────────────────────


def overtaken_share(rate: float, mean: float) -> float:
    """How many of Poisson writes reach the cache after a later one has, with exponential ways of that mean.

    A way of h is overtaken by none with probability exp(-rate * the integral of F from 0 to h): later writes that
    arrive before h is over are a Poisson number.
    """

    def not_overtaken(h: float) -> float:
        return exp(-rate * (h - mean * (1 - exp(-h / mean)))) * exp(-h / mean) / mean

    return 1 - float(quad(not_overtaken, 0, 60 * mean)[0])


def writers(name: str) -> cs.Scenario:
    scenario = one_key(cs.Pattern(name, ttl=60), rate=20, latency=0.02, nodes=3, writes=0.25, duration=2000)
    return scenario.replace(redis=cs.Redis(round_trip=cs.latency.Exponential(0.1)))


def test_writers_overtake_each_other_and_the_pitfall_keeps_the_older_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """5 writes/s, half a round trip of .05 s on average to Redis: .0864 of them arrive late; standard error .003."""
    arrived: list[int] = []
    set_now = SimRedis._set_now

    def noted(self: SimRedis, key: bytes, data: bytes, px: int | None) -> bool:
        value = orjson.loads(data)
        if "write" in value:
            arrived.append(value["write"])
        return set_now(self, key, data, px)

    monkeypatch.setattr(SimRedis, "_set_now", noted)
    cs.simulate(writers("pitfall:write-through"), record="summary")
    order = np.array(arrived)
    late = order < np.maximum.accumulate(order)
    assert_mean(late.astype(float), overtaken_share(5, 0.05))


def test_in_the_order_of_versions_the_cache_is_stale_only_while_a_write_is_under_way() -> None:
    """At most .1 s, the longest way to Redis; what a pitfall keeps stays until the next write."""
    ways = cs.Redis(round_trip=cs.latency.Uniform(0, high=0.2))
    ours = cs.simulate(writers("write-through").replace(redis=ways), record="summary").metrics
    pitfall = cs.simulate(writers("pitfall:write-through").replace(redis=ways), record="summary").metrics
    assert 0.09 < ours["staleness_max"] <= 0.1 < 0.5 < pitfall["staleness_max"]


@pytest.mark.parametrize("pattern", ["write-through", "cache-aside"])
def test_where_every_way_is_as_long_nothing_is_stale_once_a_write_is_acknowledged(pattern: str) -> None:
    """Judged from the commit on, no longer than the half round trip that the news takes to Redis."""
    scenario = writers(pattern).replace(**{"redis.round_trip": 0.1, "duration": 1000})
    assert cs.simulate(scenario, record="summary").metrics["staleness_max"] <= 0.05 + 1e-9
