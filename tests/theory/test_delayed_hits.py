"""Delayed hits in the simulator: what one miss costs with all who wait for the same load, and how long they stay."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import Sample, assert_agrees, assert_mean, episodes, one_key

# ── One key ───────────────────────────────────────────────────────────────────────────────────────────────────────


def waiting(pattern: str, latency: float | cs.latency.Latency, *, n: int) -> Sample:
    """The time that each of the first `n` misses and its delayed hits wait (s), all together, at 20 requests/s."""
    run = cs.simulate(one_key(cs.Pattern(pattern, ttl=0.1), rate=20, latency=latency, duration=0.45 * n))
    found, requests = episodes(run.loads).first(n), run.requests
    assert (found.sizes == 1).all()
    waited = requests[(requests.latency > 0) & (requests.time < found.ends[-1])]
    assert set(waited.outcome) == {"miss", "delayed_hit"}
    load = found.starts.searchsorted(waited.time.to_numpy(), side="right") - 1
    return np.bincount(load, waited.latency.to_numpy(), n).astype(np.float64)


@pytest.mark.parametrize("pattern", ["in-process", "cache-aside"])
def test_a_miss_of_a_constant_load_costs_its_mean_and_variance(pattern: str) -> None:
    """.875 s and .104167 s^2; standard errors of 1,500 loads .008 and .004."""
    waits = waiting(pattern, 0.25, n=1500)
    assert_mean(waits, theory.waiting_per_miss(20, 0.25))
    assert_mean((waits - 0.875) ** 2, theory.waiting_per_miss_variance(20, 0.25), "variance")


@pytest.mark.parametrize("pattern", ["in-process", "cache-aside"])
def test_a_miss_of_an_exponential_load_costs_more(pattern: str) -> None:
    """1.5 s; standard error of 3,000 loads .06."""
    waits = waiting(pattern, cs.latency.Exponential(0.25), n=3000)
    assert_mean(waits, theory.waiting_per_miss(20, 0.25, cv=1))


def test_the_mean_wait_of_all_requests_is_that_of_a_cycle() -> None:
    """.0190217 s at 20 requests/s, T = 2 s, D = .25 s; standard error .0002."""
    scenario = one_key(cs.Pattern("cache-aside", ttl=2), rate=20, latency=0.25, duration=230, warmup=10)
    assert_agrees(cs.replicate(scenario, n=10), "latency_mean", theory.single_flight_wait(20, 0.25, 2))


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0])
def test_a_load_that_does_not_end_is_kept_under_way_until_nobody_has_come_for_a_time_out(rate: float) -> None:
    """Then the next one starts: mean gap 1/lambda + (e^(lambda t) - 1)/lambda; standard errors at most 3 %."""
    cache = cs.Pattern("in-process", ttl=60)
    cycle = 1 / rate + theory.flight_time(rate, 1)
    scenario = one_key(cache, rate=rate, latency=1e9, duration=1100 * cycle, **{"clients.timeout": 1.0})
    assert_mean(gaps(cs.simulate(scenario))[:900], cycle)


def gaps(run: cs.Result) -> Sample:
    """From the start of each load of one key to that of the next; the loads themselves never end."""
    assert run.metrics["errors"] == run.metrics["requests"]
    return np.diff(np.sort(run.loads.start.to_numpy()))


# ── A recorded stream ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif("CACHESIM_TRACES" not in os.environ, reason="recorded requests lie beside the checkout in CI")
@pytest.mark.parametrize(("z", "total"), [(1, 2879), (5, 15_757), (20, 71_355)])
def test_a_recorded_stream_waits_as_long_as_its_ticks_say(z: int, total: int, tmp_path: Path) -> None:
    """One request a tick, LRU of 12 entries. A miss at tick c pays z; one at tick t during its fetch, c + z - t.

    A fetch ends between tick c + z - 1 and the next arrival: here half way, so that who waits until then pays a whole
    tick for the last half.
    """
    lines = (Path(os.environ["CACHESIM_TRACES"]) / "delayed-hits.csv").read_text().split()  # tick;key
    ticks, keys = zip(*(line.split(";") for line in lines), strict=True)
    assert list(map(int, ticks)) == list(range(5000))
    recorded = tmp_path / "keys.txt"
    recorded.write_text("\n".join(keys))
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.Recorded(path=str(recorded)),
        cache=cs.Pattern("in-process", ttl=1e6, size=12, policy="lru"),
        database=cs.Database(latency=cs.latency.Constant(z - 0.5)),
    )
    requests = cs.simulate(scenario).requests
    assert len(requests) == 5000
    assert np.ceil(requests.latency).sum() == total
    assert (requests.outcome == "delayed_hit").any() == (z > 1)
