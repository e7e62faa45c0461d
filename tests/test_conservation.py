"""What every run must keep, whatever the scenario: nothing is lost, nothing comes from nowhere, nothing is too fast."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cachesim as cs
from cachesim.world.caches import CACHES
from cachesim.world.loop import SimulationError
from tests.worlds import DURATION, caches, scenarios

OUTCOMES = ("hits", "stale_hits", "delayed_hits", "misses", "earlies", "errors", "writes")


def run(scenario: cs.Scenario, **options: Any) -> cs.Result:
    result = cs.simulate(scenario, **options)
    broken = [failure for failure in result.failures if isinstance(failure, SimulationError)]
    assert broken == [], broken
    return result


@given(scenarios())
@settings(max_examples=300)
def test_requests_and_loads_are_conserved(scenario: cs.Scenario) -> None:
    result = run(scenario)
    metrics, requests, loads = result.metrics, result.requests, result.loads
    assert metrics["requests"] == sum(metrics[name] for name in OUTCOMES) == len(requests)
    assert metrics["reads"] + metrics["writes"] <= metrics["requests"]
    assert metrics["loads"] == len(loads) == metrics["loads_miss"] + metrics["loads_early"] + metrics["loads_refresh"]
    assert set(loads.status) <= {"finished", "failed", "cancelled", "in flight"}
    assert metrics["load_episodes"] + metrics["redundant_loads"] == metrics["loads"]
    assert metrics["largest_stampede"] <= metrics["loads"]
    ended = loads[loads.status != "in flight"]
    assert ended.end.notna().all()
    assert loads[loads.status == "in flight"].end.isna().all()
    assert (ended.end >= ended.start).all()
    served = ended[ended.status.isin(["finished", "failed"])]
    assert (served.service_start >= served.start).all()
    assert (served.end >= served.service_start).all()
    assert requests.time.between(scenario.warmup, DURATION, inclusive="left").all()
    assert (requests.latency >= 0).all()
    assert (requests.attempts <= 1 + scenario.clients.retries).all()
    if scenario.database.connections is None:
        assert np.isnan(metrics["database_utilization"])
    else:
        assert 0 <= metrics["database_utilization"] <= 1
    for name, value in metrics.items():
        if name.endswith("_ratio") or name.startswith("hit_ratio"):
            assert np.isnan(value) or 0 <= value <= 1, name
        assert np.isnan(value) or value >= 0 or name == "redundant_loads", name


@given(scenarios())
@settings(max_examples=150)
def test_a_run_is_repeatable_and_says_the_same_in_summary(scenario: cs.Scenario) -> None:
    tables, summary = run(scenario), run(scenario, record="summary")
    assert tables.digest == summary.digest
    for name, value in tables.metrics.items():
        close = 0.005 if name.startswith("latency_p") else 0
        assert summary.metrics[name] == pytest.approx(value, rel=close, abs=0, nan_ok=True), name


@given(scenario=scenarios())
@settings(max_examples=100)
def test_a_scenario_survives_its_file(scenario: cs.Scenario, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "scenario.toml"
    path.write_text(scenario.to_toml())
    assert cs.load(path) == scenario


class Watched:
    """A cache of the scenario's pattern that counts who is inside, and notes every value that comes out."""

    def __init__(self, node: cs.Node, watch: Watch) -> None:
        self._clock, self._watch = node.clock, watch
        write = node.database.write

        async def noted(key: str, value: Any) -> int:
            watch.written[key] += 1
            return await write(key, value)

        node.database.write = noted  # type: ignore[method-assign]
        self._inner = watch.factory(node)

    async def get(self, key: str) -> Any:
        watch = self._watch
        watch.moved(self._clock(), 1)
        try:
            value = await (getattr(self._inner, "get", None) or self._inner)(key)
        finally:
            watch.moved(self._clock(), -1)
        if isinstance(value, dict) and "version" in value:
            watch.served.append((key, value["version"], watch.written[key]))
        return value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Watch:
    """What the watched caches of one run tell."""

    def __init__(self, scenario: cs.Scenario) -> None:
        self.factory = CACHES[scenario.cache.pattern].factory(scenario.cache.options)
        self.written: dict[str, int] = defaultdict(int)
        self.served: list[tuple[str, int, int]] = []
        self._since, self._inside, self.area = 0.0, 0, 0.0

    def moved(self, now: float, change: int) -> None:
        self.area += self._inside * (now - self._since)
        self._since, self._inside = now, self._inside + change

    def __call__(self, node: cs.Node) -> Watched:
        return Watched(node, self)


@given(scenarios(clients=st.just(cs.Clients()), batch=st.just(1), warmup=st.just(0.0), faults=st.just([])))
@settings(max_examples=100)
def test_littles_law_and_no_value_newer_than_its_write(scenario: cs.Scenario) -> None:
    """How many are inside, counted at the door and integrated over time, is the sum of the times they stay."""
    watch = Watch(scenario)
    result = run(scenario, cache=watch)
    reads = result.requests[result.requests.outcome != "write"]
    if not result.metrics["errors"]:
        assert watch.area == pytest.approx(reads.latency.sum(), rel=1e-9, abs=1e-9)
    if not isinstance(scenario.writes, cs.Writes):
        assert all(version <= written for _, version, written in watch.served)


OVER_REDIS = ("cache-aside", "write-through", "early-recompute", "stale-while-revalidate", "batch")


@given(
    scenarios(
        cache=caches(*OVER_REDIS),
        redis=st.just(cs.Redis(round_trip=0.125)),
        database=st.just(cs.Database(latency=cs.latency.Uniform(0.25, high=0.5), connections=2)),
        clients=st.just(cs.Clients()),
        faults=st.just([]),
        batch=st.just(1),
    )
)
@settings(max_examples=100)
def test_no_request_is_faster_than_its_round_trips_and_its_load(scenario: cs.Scenario) -> None:
    """A hit takes a round trip at least, a miss one more than its service; a write its service and its delete."""
    requests = run(scenario).requests
    least = {"hit": 0.125, "stale_hit": 0.125, "miss": 0.125 + 0.25, "early": 0.125 + 0.25, "write": 0.125 + 0.25}
    for outcome, seconds in least.items():
        chosen = requests[requests.outcome == outcome]
        assert (chosen.latency >= seconds - 1e-9).all(), outcome


# ── The unit of time ──────────────────────────────────────────────────────────────────────────────────────────────

TIMES = {
    "rate": -1, "low": -1, "high": -1, "base": -1, "peak": -1, "mean_low": 1, "mean_high": 1, "period": 1, "at": 1,
    "duration": 1, "start": 1, "every": 1, "value": 1, "mean": 1, "values": 1, "think": 1, "round_trip": 1,
    "timeout": 1, "backoff": 1, "added": 1, "ttl": 1, "fresh_for": 1, "stale_for": 1, "l1_ttl": 1, "jitter": 1,
    "stale_if_error": 1,    "load_timeout": 1, "behind": -1, "warmup": 1,
}  # fmt: skip
"""Every number of a scenario that has a unit: 1 in seconds, -1 in so many a second."""


def scaled(table: Any, factor: float, kind: str = "") -> Any:
    """A scenario's table in another unit of time."""
    found = {}
    for name, value in table.items():
        power = TIMES.get(name, 0)
        if (kind, name) in (("uniform", "low"), ("uniform", "high")):
            power = 1
        if (kind, name) in (("diurnal", "mean"), ("drift", "every")):
            power = {"diurnal": -1, "drift": 0}[kind]
        if isinstance(value, dict):
            found[name] = scaled(value, factor, value.get("type", ""))
        elif isinstance(value, list | tuple):
            found[name] = [
                scaled(v, factor, v.get("type", "")) if isinstance(v, dict) else v * factor**power for v in value
            ]
        elif isinstance(value, float | int) and not isinstance(value, bool) and power:
            found[name] = value * factor**power
        else:
            found[name] = value
    return found


TIMED = ("hits", "stale_hits", "delayed_hits", "misses", "earlies", "errors", "writes", "loads", "queries")
FREE_OF_UNITS = ("none", "in-process", "cache-aside", "write-through", "stale-while-revalidate")


def without_jitter(cache: cs.Pattern) -> cs.Pattern:
    return cs.Pattern(cache.pattern, **{name: value for name, value in cache.options.items() if name != "jitter"})


@given(
    scenarios(
        cache=caches(*FREE_OF_UNITS).map(without_jitter),
        redis=st.just(cs.Redis(round_trip=0.01)),
        faults=st.just([cs.faults.DatabaseSlow(start=1, duration=1, factor=3), cs.faults.Flush(at=2)]),
    ),
    st.sampled_from([2.0, 0.5, 8.0]),
)
@settings(max_examples=150)
def test_the_unit_of_time_does_not_matter(scenario: cs.Scenario, factor: float) -> None:
    """Everything takes `factor` times as long: the same counts. (Powers of two, so that no float is rounded anew.)

    Patterns have constants of their own: Redis keeps whole milliseconds (hence no jitter), a breaker pauses for a
    second, a value of early-recompute lingers (so it is not here), and a lease of 10 s is renewed as long as its load
    takes, by commands that would draw round trips (so those are constant).
    """
    table = scenario.table() | {"duration": scenario.duration}
    other = cs.Scenario(**scaled(table, factor))
    here, there = run(scenario), run(other)
    assert {name: here.metrics[name] for name in TIMED} == {name: there.metrics[name] for name in TIMED}
    assert np.allclose(there.requests.latency, factor * here.requests.latency, rtol=1e-9, atol=1e-12)
