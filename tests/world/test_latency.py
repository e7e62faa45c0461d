"""How long something takes: each latency has the distribution that it names."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cachesim.world.latency import (
    Constant,
    Empirical,
    Erlang,
    Exponential,
    Latency,
    LogNormal,
    Uniform,
    as_latency,
    seconds_or_latency,
)
from tests.theory.agreement import ERRORS, assert_mean

CHANCE = 2 * float(stats.norm.sf(ERRORS))
"""How rarely a sound sampler may fail a test of fit: as rarely as a mean is 4 standard errors off."""

SIGMA = math.sqrt(math.log(1 + 0.8**2))
CONTINUOUS: list[tuple[Latency, Any]] = [
    (Exponential(0.5), stats.expon(scale=0.5)),
    (Erlang(0.5, k=1), stats.expon(scale=0.5)),
    (Erlang(0.5, k=4), stats.gamma(4, scale=0.125)),
    (LogNormal(0.5, cv=0.8), stats.lognorm(SIGMA, scale=0.5 / math.sqrt(1 + 0.8**2))),
    (Uniform(0.2, high=0.8), stats.uniform(0.2, 0.6)),
]
NAMES = [str(latency) for latency, _ in CONTINUOUS]


def drawn(latency: Latency, count: int = 50_000) -> NDArray[np.float64]:
    return np.fromiter(latency.draws(np.random.default_rng(1)), np.float64, count)


@pytest.mark.parametrize(("latency", "distribution"), CONTINUOUS, ids=NAMES)
def test_times_have_the_distribution_and_owe_nothing_to_one_another(latency: Latency, distribution: Any) -> None:
    times = drawn(latency)
    assert stats.kstest(times, distribution.cdf).pvalue > CHANCE
    serial = np.corrcoef(times[:-1], times[1:])[0, 1]
    assert abs(serial) <= ERRORS / math.sqrt(len(times))


@pytest.mark.parametrize(("latency", "distribution"), CONTINUOUS, ids=NAMES)
def test_the_mean_is_that_of_the_times(latency: Latency, distribution: Any) -> None:
    assert latency.mean == pytest.approx(distribution.mean(), rel=1e-12)
    assert_mean(drawn(latency), latency.mean)


def test_erlang_and_log_normal_have_their_coefficient_of_variation() -> None:
    """The mean of the squared deviations from the true mean has the variance as its own mean."""
    for latency, cv in [(Erlang(0.5, k=4), 1 / math.sqrt(4)), (LogNormal(0.5, cv=0.8), 0.8)]:
        assert_mean((drawn(latency) / 0.5 - 1) ** 2, cv**2, f"squared cv of {latency}")


def test_measured_times_are_drawn_as_they_are_each_as_likely() -> None:
    latency = Empirical([0.1, 0.2, 0.2, 0.7])
    values, counts = np.unique(drawn(latency), return_counts=True)
    assert values.tolist() == [0.1, 0.2, 0.7]
    assert stats.chisquare(counts, np.array([0.25, 0.5, 0.25]) * 50_000).pvalue > CHANCE
    assert latency.mean == pytest.approx(0.3, rel=1e-12)


def test_a_constant_is_always_the_same_and_seconds_are_one() -> None:
    assert set(islice(Constant(0.5).draws(np.random.default_rng(1)), 3000)) == {0.5}
    assert as_latency(seconds_or_latency(2)) == Constant(2.0)
    assert Constant(0.5).mean == 0.5
