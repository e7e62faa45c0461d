"""The same scenario through the real patterns and through hand-written simpy: equal, request by request."""

from __future__ import annotations

from typing import Any

import pytest

import cachesim as cs
from benchmarks.bare import bare

LATENCIES: dict[str, cs.latency.Latency] = {
    "constant": cs.latency.Constant(0.3),
    "exponential": cs.latency.Exponential(0.05),
    "log-normal": cs.latency.LogNormal(0.05, cv=2),
}
KEYS: dict[str, Any] = {"one-key": cs.keys.OneKey(), "zipf": cs.keys.Zipf(n=1000, alpha=0.9)}


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("connections", [None, 3, 20])
@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("single_flight", ["none", "process"])
@pytest.mark.parametrize(("pattern", "round_trip"), [("in-process", 0.0), ("cache-aside", 0.0), ("cache-aside", 0.001)])
def test_outcomes_and_latencies_equal_those_of_bare_simpy(
    pattern: str, round_trip: float, single_flight: str, latency: str, connections: int | None, keys: str
) -> None:
    """Float for float, in the same order of completion. An overloaded run is cut off at twice its length."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=300),
        keys=KEYS[keys],
        cache=cs.Pattern(pattern, ttl=2, single_flight=single_flight),
        database=cs.Database(latency=LATENCIES[latency], connections=connections),
        redis=cs.Redis(round_trip=round_trip),
        duration=5,
    )
    result = cs.simulate(scenario)
    done = result.requests[result.requests.outcome != "error"]
    assert list(zip(done.time, done.key, done.outcome, done.latency, strict=True)) == bare(scenario)
    assert len(done) > 100
