"""The simulator agrees with the closed forms, within 4 standard errors over independent replications (fixed seeds)."""

from __future__ import annotations

import pytest

import cachesim as cs
from cachesim import theory

ERRORS = 4


def one_key(*, rate: float, load_time: float, ttl: float, single_flight: str, duration: float) -> cs.Scenario:
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=rate),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=ttl, single_flight=single_flight),
        database=cs.Database(latency=cs.latency.Constant(load_time)),
        duration=duration,
        warmup=10 * ttl,
        seed=7,
    )


def assert_agrees(runs: cs.Replications, metric: str, expected: float) -> None:
    mean, error = runs.mean(metric), runs.standard_error(metric)
    assert abs(mean - expected) <= ERRORS * error, (
        f"{metric}: {mean:.6g} +- {error:.2g} (1 s.e.), theory {expected:.6g}"
    )


def test_stampede_of_one_hot_key_is_1_plus_lambda_d() -> None:
    """Standard errors: episode size about .45 of 51, miss ratio about .0004 of .046."""
    scenario = one_key(rate=100, load_time=0.5, ttl=10, single_flight="none", duration=400)
    runs = cs.replicate(scenario, n=10)
    assert theory.stampede_size(100, 0.5) == 51
    assert_agrees(runs, "episode_size_mean", 51)
    assert_agrees(runs, "miss_ratio", theory.unprotected_miss_ratio(100, 0.5, 10))


def test_single_flight_loads_exactly_once_per_expiry() -> None:
    scenario = one_key(rate=100, load_time=0.5, ttl=10, single_flight="process", duration=400)
    runs = cs.replicate(scenario, n=5)
    assert (runs.frame["episode_size_mean"] == 1).all()
    assert (runs.frame["largest_stampede"] == 1).all()


def test_unprotected_miss_ratio_at_low_rate() -> None:
    """Standard error about .001 of .1617."""
    runs = cs.replicate(one_key(rate=2, load_time=0.5, ttl=5, single_flight="none", duration=2000), n=20)
    assert_agrees(runs, "miss_ratio", 0.161709)


def test_single_flight_shares_of_hits_delayed_hits_and_misses() -> None:
    """Standard errors about .001."""
    runs = cs.replicate(one_key(rate=2, load_time=0.5, ttl=5, single_flight="process", duration=2000), n=20)
    for metric, expected in zip(
        ("hit_ratio", "delayed_hit_ratio", "miss_ratio"), (10 / 12, 1 / 12, 1 / 12), strict=True
    ):
        assert_agrees(runs, metric, expected)
    mean_wait = (0.5 + 2 * 0.5**2 / 2) / 12
    assert_agrees(runs, "latency_mean", mean_wait)


@pytest.mark.parametrize(("rate", "servers"), [(2.0, 3), (0.8, 1)])
def test_database_is_an_m_m_c_queue(rate: float, servers: int) -> None:
    """Wq = .4444 for M/M/3 at rate 2 and 4 for M/M/1 at rate .8; standard errors about .01 and .2."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=rate),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Exponential(1.0), connections=servers),
        duration=6000,
        warmup=1000,
        seed=11,
    )
    runs = cs.replicate(scenario, n=20)
    assert_agrees(runs, "database_wait_mean", theory.erlang_c_wait(rate, 1.0, servers))
    assert_agrees(runs, "database_utilization", rate / servers)


def test_in_process_values_expire_as_the_ttl_formula_says() -> None:
    """Loads that take no time: h = lambda T / (1 + lambda T); standard error about .001."""
    scenario = one_key(rate=2, load_time=0.0, ttl=5, single_flight="process", duration=2000)
    scenario = scenario.replace(cache=cs.Pattern("in-process", ttl=5))
    assert_agrees(cs.replicate(scenario, n=20), "hit_ratio", theory.ttl_hit_ratio(2, 5))


def test_erlang_c_refuses_a_queue_that_only_grows() -> None:
    with pytest.raises(ValueError, match="not below the number of servers"):
        theory.erlang_c_wait(3, 1, 3)
