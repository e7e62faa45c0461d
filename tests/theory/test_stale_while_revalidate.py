"""Stale-while-revalidate in the simulator: its cycle, its shares, and how old what it serves becomes."""

from __future__ import annotations

from math import exp, expm1

import numpy as np
import pytest

import cachesim as cs
from tests.theory.agreement import assert_agrees, assert_mean, episodes, one_key

FRESH, STALE = 2.0, 3.0


def revalidating(single_flight: str) -> cs.Pattern:
    return cs.Pattern("stale-while-revalidate", fresh_for=FRESH, stale_for=STALE, single_flight=single_flight)


@pytest.mark.parametrize(("single_flight", "nodes"), [("none", 1), ("process", 1), ("cluster", 3)])
def test_one_refreshes_in_each_cycle_and_nobody_waits_but_at_first(single_flight: str, nodes: int) -> None:
    """Cycle = fresh_for + 1/lambda + D, with 1 + lambda D stale hits; standard errors .006 s and .13.

    A value is stored when its load ends, and is fresh for `fresh_for`; the next request, 1/lambda later on average,
    starts a load of D. It and the lambda D requests that come during the load are served stale. That nobody comes
    during `stale_for` has probability e^-30.
    """
    run = cs.simulate(one_key(revalidating(single_flight), rate=10, latency=0.5, nodes=nodes, duration=900))
    found, requests, metrics = episodes(run.loads).first(320), run.requests, run.metrics
    assert_mean(found.cycles, FRESH + 1 / 10 + 0.5, "cycle")
    stale, _ = np.histogram(requests.time[requests.outcome == "stale_hit"], bins=found.starts[1:])
    assert_mean(stale.astype(float), 1 + 10 * 0.5, "stale hits")
    assert (found.sizes[1:] == 1).all()
    assert single_flight == "none" or metrics["largest_stampede"] == 1
    assert metrics["loads_refresh"] == metrics["loads"] - found.sizes[0]
    later = requests[requests.time > found.ends[0]]
    assert set(later.outcome) == {"hit", "stale_hit"}
    assert later.latency.max() == 0


def test_with_single_flight_in_each_of_k_nodes_at_most_k_refresh() -> None:
    """E[N] = 1 + (k-1)(1 - e^(-lambda D/k)), as in a stampede; standard error .06 of 3.5."""
    scenario = one_key(revalidating("process"), rate=10, latency=0.5, nodes=5, duration=900)
    run = cs.simulate(scenario)
    assert_mean(episodes(run.loads).first(290).sizes, 1 - 4 * expm1(-10 * 0.5 / 5))
    assert run.metrics["largest_stampede"] == 5


def test_over_round_trips_still_one_refreshes_in_the_cluster() -> None:
    scenario = one_key(revalidating("cluster"), rate=40, latency=0.5, nodes=4, duration=200)
    metrics = cs.simulate(scenario.replace(**{"redis.round_trip": cs.latency.Exponential(0.005)})).metrics
    assert metrics["largest_stampede"] == 1
    assert metrics["loads_refresh"] == metrics["loads"] - 1 > 60


def test_rare_requests_are_hits_stale_hits_and_misses_as_often_as_the_lifetimes_say() -> None:
    """lambda F : 1 - e^(-lambda S) : e^(-lambda S) over 1 + lambda F, loads that take no time; standard errors .005.

    The first request past the fresh time F ends the cycle: stale if it comes within S of it, else a miss.
    """
    rate = 0.4
    runs = cs.replicate(one_key(revalidating("process"), rate=rate, latency=0.0, duration=2100, warmup=100), n=20)
    requests, late = 1 + rate * FRESH, exp(-rate * STALE)
    for metric, share in {
        "hit_ratio": (requests - late) / requests,
        "stale_ratio": (1 - late) / requests,
        "miss_ratio": late / requests,
    }.items():
        assert_agrees(runs, metric, share)


@pytest.mark.parametrize("load_time", [0.0, 0.5, 4.0])
def test_nothing_is_served_fresh_or_stale_past_its_time(load_time: float) -> None:
    """The age of what is served counts from the end of its load; also where refreshes end after the stale time."""
    run = cs.simulate(one_key(revalidating("process"), rate=0.8, latency=load_time, duration=5000))
    ends = np.sort(run.loads.end.to_numpy())
    served = run.requests[run.requests.outcome.isin(["hit", "stale_hit"])]
    ages = served.time.to_numpy() - ends[ends.searchsorted(served.time.to_numpy()) - 1]
    stale = (served.outcome == "stale_hit").to_numpy()
    assert FRESH * 0.9 < ages[~stale].max() <= FRESH
    assert ages[stale].min() > FRESH
    assert (FRESH + STALE) * 0.9 < ages[stale].max() <= FRESH + STALE
    assert run.metrics["misses"] > 50
