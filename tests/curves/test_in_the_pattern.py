"""What a curve predicts is what the pattern in-process does in the simulated world, request for request."""

from __future__ import annotations

import numpy as np
import pytest

import cachesim as cs
from cachesim.policies import POLICIES


@pytest.mark.parametrize("ttl", [3.0, 1000.0])
@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "random"])  # whose seed is the pattern's own
def test_the_hits_are_those_of_the_pattern(policy, ttl, tmp_path):
    keys = np.random.default_rng(7).zipf(1.2, 2000) % 200
    trace = tmp_path / "keys.txt"
    trace.write_text("\n".join(map(str, keys)))
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=20),
        keys=cs.keys.Recorded(path=str(trace)),
        cache=cs.Pattern("in-process", ttl=ttl, size=25, policy=policy),
        database=cs.Database(latency=cs.latency.Constant(0)),
        duration=100,
    )
    simulated = cs.simulate(scenario)
    times = simulated.requests["time"].to_numpy()
    curve = cs.hit_rate_curve(map(str, keys), policy, [25], times=iter(times), ttl=ttl)
    assert curve.requests == simulated.metrics["requests"] == 2000
    assert curve.requests - curve.misses[0] == simulated.metrics["hits"]
