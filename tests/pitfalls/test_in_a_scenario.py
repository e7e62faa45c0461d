"""Pitfalls by name in a scenario: what they break shows in the metrics, beside the pattern under the same requests."""

from __future__ import annotations

import inspect
from math import sqrt
from typing import Any

import numpy as np
import pytest

import cachesim as cs
from cachesim import theory
from cachesim.patterns import PATTERNS
from cachesim.pitfalls import PITFALLS, remembered
from cachesim.settings import InvalidSetting

OPTIONS: dict[str, dict[str, Any]] = {name: {"ttl": 10} for name in PATTERNS} | {
    "stale-while-revalidate": {"fresh_for": 5, "stale_for": 5},
    "layered": {"ttl": 10, "l1_ttl": 2},
}


def scenario(name: str, **changes: Any) -> cs.Scenario:
    """One key, 50 requests/s to two nodes, loads of half a second, a Redis 2 ms away."""
    base = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern(name, **OPTIONS[name.removeprefix("pitfall:")]),
        database=cs.Database(latency=cs.latency.Constant(0.5)),
        redis=cs.Redis(round_trip=0.002),
        nodes=2,
        duration=60,
    )
    return base.replace(**changes)


def beside(name: str, **changes: Any) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics of a pattern and of its pitfall."""
    ours, tutorial = (cs.simulate(scenario(prefix + name, **changes)).metrics for prefix in ("", "pitfall:"))
    return ours, tutorial


@pytest.mark.parametrize("name", PITFALLS)
def test_each_runs_by_its_name_and_is_a_cache(name: str) -> None:
    run = cs.simulate(scenario(f"pitfall:{name}"))
    assert run.metrics["hit_ratio"] + run.metrics["stale_ratio"] > 0.7
    assert (run.metrics["errors"], run.failures) == (0, [])


@pytest.mark.parametrize("name", PITFALLS)
def test_the_same_seed_gives_the_same_digest(name: str) -> None:
    assert len({cs.simulate(scenario(f"pitfall:{name}", duration=20, writes=0.1)).digest for _ in range(2)}) == 1


@pytest.mark.parametrize("name", PITFALLS)
def test_its_options_are_the_arguments_of_its_class_and_those_of_the_pattern(name: str) -> None:
    arguments = inspect.signature(PITFALLS[name]).parameters.values()
    tools = ("redis", "store", "clock", "rng", "observe")
    options = {argument.name: argument.default for argument in arguments if argument.name not in tools}
    fields = PITFALLS[name].options_type.model_fields
    assert options.keys() == fields.keys() <= PATTERNS[name].options_type.model_fields.keys()
    for option, field in fields.items():
        assert options[option] == (inspect.Parameter.empty if field.is_required() else field.default)


@pytest.mark.parametrize("name", PITFALLS)
def test_an_option_that_it_has_not_is_refused_with_those_it_has(name: str) -> None:
    with pytest.raises(InvalidSetting, match=r"stale_if_error: unknown field; known: \w+"):
        cs.Pattern(f"pitfall:{name}", **OPTIONS[name], stale_if_error=5)


def test_without_single_flight_that_holds_an_expiry_is_a_stampede() -> None:
    ours, tutorial = beside("cache-aside")
    assert ours["largest_stampede"] <= 2  # one at each node
    assert tutorial["largest_stampede"] > 10


def test_a_late_fill_brings_an_old_version_back() -> None:
    ours, tutorial = beside("cache-aside", writes=0.01)
    assert ours["stale_reads"] == 0
    assert tutorial["stale_reads"] > 100


def test_writes_without_order_leave_an_old_version_there() -> None:
    """Redis is up to a second away, so that the first to commit is often the last to arrive."""
    ours, tutorial = beside("write-through", writes=0.1, redis=cs.Redis(round_trip=cs.latency.Uniform(low=0, high=1)))
    assert ours["staleness_max"] <= 0.5  # while a write is on its way, half a round trip
    assert tutorial["staleness_max"] > 1.0


def test_each_stale_hit_starts_a_refresh() -> None:
    ours, tutorial = beside("stale-while-revalidate")
    assert ours["loads_refresh"] <= 2 * 60 / 5
    assert tutorial["loads_refresh"] > 10 * ours["loads_refresh"]
    assert tutorial["stale_hits"] == tutorial["loads_refresh"]


def test_a_fill_under_way_keeps_an_old_version_in_l1() -> None:
    ours, tutorial = beside("layered", writes=0.01)
    assert ours["staleness_max"] < 0.01  # until the message arrives
    assert tutorial["staleness_max"] > 1
    assert 0.7 < tutorial["hit_ratio_l1"] < 1


def test_a_coroutine_function_in_an_lru_cache_serves_one_caller() -> None:
    run = cs.simulate(scenario("cache-aside", nodes=1), cache=lambda node: remembered(node.database.read))
    assert (run.metrics["misses"], run.metrics["loads"]) == (1, 1)
    assert run.metrics["errors"] == run.metrics["requests"] - 1


def test_early_recompute_without_the_logarithm_is_late_and_a_stampede_as_computed() -> None:
    """Some 500 episodes at 100 requests/s and loads of .5 s; the standard errors are those of the sample."""
    ttl, load_time, rate = 5.0, 0.5, 100.0
    late, sizes = [], []
    for seed in range(1, 9):
        run = cs.simulate(
            scenario(
                "pitfall:early-recompute",
                cache=cs.Pattern("pitfall:early-recompute", ttl=ttl),
                arrivals=cs.arrivals.Poisson(rate=rate),
                redis=cs.Redis(),
                nodes=1,
                duration=360,
                seed=seed,
            )
        )
        assert run.metrics["earlies"] == run.metrics["loads_early"] == 0
        starts = np.sort(run.loads.start.to_numpy())
        firsts = starts[1:][np.diff(starts) > ttl / 2]  # of each episode but the first, when there was no value at all
        expiries = np.sort(run.entries.stored.to_numpy()) + ttl
        late += list(firsts - expiries[np.searchsorted(expiries, firsts) - 1])
        sizes += [int(((starts >= first) & (starts < first + load_time)).sum()) for first in firsts]
    assert min(late) >= 0
    for sample, expected in (
        (late, theory.no_logarithm_lateness(rate, load_time)),
        (sizes, theory.no_logarithm_stampede_size(rate, load_time)),
    ):
        assert abs(np.mean(sample) - expected) <= 4 * np.std(sample) / sqrt(len(sample))
