"""Replications: independent seeds, and what is said of their means."""

from __future__ import annotations

from math import isnan, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cachesim as cs
from cachesim.estimates import estimate
from cachesim.experiments import seeds_of


def scenario(**changes: Any) -> cs.Scenario:
    base = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=1),
        database=cs.Database(latency=cs.latency.Exponential(0.1)),
        duration=5,
    )
    return base.replace(**changes)


# Seeds


def test_seeds_are_distinct_and_those_of_fewer_runs_the_first_of_them() -> None:
    seeds = seeds_of(1, 2000)
    assert len(set(seeds)) == 2000
    assert seeds_of(1, 7) == seeds[:7]
    assert not set(seeds) & set(seeds_of(2, 2000))
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_runs_are_independent_of_each_other() -> None:
    """The counts of neighbouring runs are uncorrelated, within 4 standard errors of 1/√n."""
    counts = cs.replicate(scenario(cache=cs.Pattern("none"), duration=1), n=400).frame["requests"].to_numpy()
    assert abs(np.corrcoef(counts[:-1], counts[1:])[0, 1]) < 4 / sqrt(400)
    assert counts.var(ddof=1) == pytest.approx(50, abs=4 * 50 * sqrt(2 / 400))  # Poisson: as many as the mean


def test_a_scenario_replicated_twice_gives_the_same_runs() -> None:
    one, other = (cs.replicate(scenario(), n=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert one.advice == other.advice


def test_progress_is_told_each_run() -> None:
    told: list[int] = []
    cs.replicate(scenario(duration=1), n=3, progress=told.append)
    assert told == [1, 2, 3]


# Estimates


@pytest.mark.parametrize("n", [2, 3, 30])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_an_estimate_is_the_student_t_interval(n, confidence):
    sample = np.random.default_rng(n).normal(5, 2, n)
    interval = stats.t.interval(confidence, n - 1, sample.mean(), stats.sem(sample))
    assert estimate(sample, confidence).interval == pytest.approx(interval)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, nan])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidence: .* is not allowed; between 0 and 1"):
        estimate([1.0], confidence)


def test_a_single_run_has_a_mean_but_neither_error_nor_interval() -> None:
    runs = cs.replicate(scenario(), n=1)
    assert runs.mean("hit_ratio") == runs.frame["hit_ratio"][0]
    assert isnan(runs.standard_error("hit_ratio"))
    assert all(map(isnan, runs.interval("hit_ratio")))


def test_a_metric_that_is_missing_in_one_run_has_neither_mean_nor_interval() -> None:
    """The runs that have it are no fair sample of all."""
    runs = cs.replicate(scenario(arrivals=cs.arrivals.Poisson(rate=0.2)), n=8)
    missing = runs.frame["hit_ratio"].isna()
    assert 0 < missing.sum() < 8
    assert isnan(runs.mean("hit_ratio"))
    assert isnan(runs.standard_error("hit_ratio"))
    assert all(map(isnan, runs.interval("hit_ratio")))
    assert not isnan(runs.mean("requests"))


def test_runs_that_agree_have_an_interval_of_no_width() -> None:
    found = estimate([3.0, 3.0, 3.0])
    assert found.interval == (3.0, 3.0)
    assert found.excludes_zero
    assert not estimate([0.0, 0.0]).excludes_zero
    assert not estimate([3.0]).excludes_zero
    assert not estimate([-1.0, 3.0]).excludes_zero
    assert estimate([-3.0, -3.1, -3.2]).excludes_zero


def test_replications_carry_advice() -> None:
    assert any("The cold start" in sentence for sentence in cs.replicate(scenario(), n=2).advice)
    own = cs.replicate(scenario(), n=2, cache=lambda node: node.database.read)
    assert not any("The cold start" in sentence for sentence in own.advice)  # its lifetimes are not known
