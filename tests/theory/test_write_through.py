"""Writes that overtake each other: the closed forms against the process itself and the simulator, and their limits."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest
from scipy import integrate

import cachesim as cs
from cachesim import theory
from cachesim.plots import Writes
from tests.theory.agreement import ERRORS, assert_agrees, assert_mean

LOADS = [(3, 0.14), (1, 0.04), (5, 0.5)]


@pytest.fixture(scope="module", params=LOADS, ids=str)
def drawn(request):
    """200 runs of 500 writes drawn from the process: rate, mean way, the writes, and the end of each run."""
    rate, way = request.param
    rng = np.random.default_rng(1)
    committed = np.cumsum(rng.standard_exponential((200, 500)) / rate, axis=1)
    arrived = committed + way * rng.standard_exponential(committed.shape)
    return rate, way, [Writes.of(c, a, np.full(500, True)) for c, a in zip(committed, arrived, strict=True)]


def test_an_older_write_undoes_as_many_as_theory_says(drawn):
    rate, way, runs = drawn
    # The first writes of a run have none before them: they do not count.
    assert_mean(np.array([writes.undone[20:].mean() for writes in runs]), theory.undone_write_ratio(rate, way))


def test_the_next_write_overtakes_as_many_as_theory_says(drawn):
    rate, way, runs = drawn
    overtaken = np.array([(writes.arrived[:-1] > writes.arrived[1:]).mean() for writes in runs])
    assert_mean(overtaken, theory.overtaken_write_ratio(rate, way))


def test_the_cache_is_behind_for_as_long_as_theory_says(drawn):
    rate, way, runs = drawn
    behind, on_the_way = [], []
    for writes in runs:
        start, end = writes.committed[20], writes.committed[-1]
        times = writes.behind(start, end)
        shares = np.diff(times.edges) / (end - start)
        on_the_way.append(shares[times.on_the_way].sum())
        behind.append(on_the_way[-1] + shares[times.overwritten].sum())
    assert_mean(np.array(behind), theory.unordered_behind_ratio(rate, way))
    assert_mean(np.array(on_the_way), theory.ordered_behind_ratio(rate, way))


@pytest.mark.parametrize("load", [1e-6, 0.1, 0.42, 1, 5, 30])
def test_the_sum_is_the_integral(load):
    fresh, _ = integrate.quad(lambda v: 1 - exp(-load * (1 - v)), 0, 1, weight="alg", wvar=(load - 1, 0))
    assert theory.unordered_behind_ratio(load, 1) == pytest.approx(1 - fresh, abs=1e-9)


def test_few_writes_on_their_way_are_undone_half_as_often_as_they_are_on_their_way():
    load = 1e-4
    assert theory.undone_write_ratio(load, 1) == pytest.approx(load / 2, rel=1e-3)
    assert theory.overtaken_write_ratio(load, 1) == pytest.approx(load / 2, rel=1e-3)
    assert theory.unordered_behind_ratio(load, 1) == pytest.approx(1.5 * load, rel=1e-3)
    assert theory.ordered_behind_ratio(load, 1) == pytest.approx(load, rel=1e-3)


@pytest.mark.parametrize("load", [0.01, 0.42, 1, 10])
def test_order_never_hurts(load):
    assert theory.ordered_behind_ratio(load, 1) < theory.unordered_behind_ratio(load, 1) < 1
    assert theory.overtaken_write_ratio(load, 1) < theory.undone_write_ratio(load, 1) < 1


@pytest.mark.parametrize(("around", "ttl"), [(False, 1.0), (False, 0.3), (True, 1.0)])
def test_a_write_through_or_around_the_cache_leaves_as_many_hits_as_theory_says(around, ttl):
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=10),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("write-through", ttl=ttl, write_around=around),
        database=cs.Database(latency=cs.latency.Constant(0)),
        writes=0.2,
        duration=200,
        warmup=10,
    )
    through = theory.write_through_hit_ratio(rate=8, write_rate=2, ttl=ttl)
    expected = theory.leased_shares(8, 0, ttl, 2).hit if around else through
    runs = cs.replicate(scenario, n=8)
    assert_agrees(runs, "hit_ratio", expected)
    reads = 0.8 * 10 * 190
    assert runs.frame["hit_ratio"].std() < ERRORS * sqrt(1 / reads)  # the sample can tell the two apart


def test_a_write_through_the_cache_without_expiry_leaves_nothing_to_load():
    assert theory.write_through_hit_ratio(rate=8, write_rate=2, ttl=60) == pytest.approx(1, abs=1e-12)
