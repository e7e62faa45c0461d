"""What a page of many keys waits for, and how often it asks the database, as simulated and as counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import assert_mean

ROUND_TRIP, LOAD_TIME, CONNECTIONS = 0.001, 0.01, 3


def page(cache: str) -> cs.Scenario:
    """Pages of 20 keys, a second apart; four in ten of the keys are new."""
    return cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.HotSet(n=30_000, hot=5, share=0.6),
        cache=cs.Pattern(cache, ttl=1e6),
        database=cs.Database(latency=cs.latency.Constant(LOAD_TIME), connections=CONNECTIONS),
        redis=cs.Redis(round_trip=ROUND_TRIP),
        batch=20,
        duration=110,
        warmup=10,
    )


def pages_of(run: cs.Result) -> Any:
    """Misses and latency of each page."""
    groups = run.requests.groupby("time")
    return list(
        zip(groups["outcome"].apply(lambda o: int((o == "miss").sum())), groups["latency"].first(), strict=True)
    )


def one_by_one(node: cs.Node) -> Any:
    from cachesim.lab.explorers.batch import OneByOne

    return OneByOne(node)


def test_each_page_waits_as_counted_given_its_misses() -> None:
    for misses, latency in pages_of(cs.simulate(page("batch"))):
        assert latency == pytest.approx(theory.batch_latency(misses, ROUND_TRIP, LOAD_TIME))
    for misses, latency in pages_of(cs.simulate(page("cache-aside"))):
        assert latency == pytest.approx(theory.gathered_latency(misses, ROUND_TRIP, LOAD_TIME, CONNECTIONS))
    for misses, latency in pages_of(cs.simulate(page("cache-aside"), cache=one_by_one)):
        assert latency == pytest.approx(theory.one_by_one_latency(20, misses, ROUND_TRIP, LOAD_TIME))


def test_misses_of_a_page_are_binomial_and_the_mean_wait_follows() -> None:
    counted = np.array(pages_of(cs.simulate(page("cache-aside"))))
    assert_mean(counted[:, 0], 20 * 0.4, "misses")

    def latency(misses: int) -> float:
        return theory.gathered_latency(misses, ROUND_TRIP, LOAD_TIME, CONNECTIONS)

    assert_mean(counted[:, 1], theory.over_misses(20, 0.6, latency).mean, "latency")


def test_a_page_that_has_everything_waits_for_one_round_trip() -> None:
    assert theory.batch_latency(0, ROUND_TRIP, LOAD_TIME) == ROUND_TRIP
    assert theory.gathered_latency(0, ROUND_TRIP, LOAD_TIME, 1) == ROUND_TRIP
    assert theory.one_by_one_latency(50, 0, ROUND_TRIP, LOAD_TIME) == 50 * ROUND_TRIP


@pytest.mark.parametrize(("keys", "hit_ratio"), [(1, 0.5), (50, 0.98), (80, 0.6), (5, 1.0), (5, 0.0)])
def test_the_distribution_of_misses_is_the_binomial_one(keys: int, hit_ratio: float) -> None:
    binomial = stats.binom(keys, 1 - hit_ratio)
    assert theory.miss_distribution(keys, hit_ratio) == pytest.approx(binomial.pmf(range(keys + 1)))
    moments = theory.over_misses(keys, hit_ratio, float)
    assert moments == pytest.approx((binomial.mean(), binomial.std()))
