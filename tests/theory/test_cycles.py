"""Ratios over whole cycles stray in the simulator as the standard errors say."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import ERRORS, assert_mean, episodes, one_key

CYCLES, BLOCKS = 20, 200


def blocks(rate: float, load_time: float, ttl: float, single_flight: str) -> NDArray[np.float64]:
    """Shares of hits, delayed hits and misses, and the mean wait, of so many blocks of so many cycles each."""
    seconds = 1.1 * CYCLES * BLOCKS * (1 / rate + 2 * load_time + ttl)
    pattern = cs.Pattern("in-process", ttl=ttl, single_flight=single_flight)
    run = cs.simulate(one_key(pattern, rate=rate, latency=load_time, duration=seconds))
    starts = episodes(run.loads).first(CYCLES * BLOCKS + 1).starts[::CYCLES]
    requests = run.requests.sort_values("time")
    cut = np.searchsorted(requests["time"], starts)
    outcome = requests["outcome"].to_numpy()
    columns = [*(outcome == name for name in ("hit", "delayed_hit", "miss")), requests["latency"].to_numpy()]
    sums = np.stack([np.add.reduceat(column.astype(np.float64), cut)[:BLOCKS] for column in columns], axis=1)
    return sums / np.diff(cut)[:, None]


def assert_strays(sample: NDArray[np.float64], expected: float, error: float) -> None:
    """Mean and spread; the spread of n normal numbers is known to 1 / sqrt(2 n)."""
    assert_mean(sample, expected)
    assert sample.std(ddof=1) == pytest.approx(error, rel=ERRORS / sqrt(2 * len(sample)))


@pytest.mark.parametrize(("rate", "load_time", "ttl"), [(2, 0.5, 5), (10, 1.0, 2), (1, 0.1, 1)])
def test_with_single_flight(rate: float, load_time: float, ttl: float) -> None:
    sample = blocks(rate, load_time, ttl, "process")
    shares = theory.single_flight_shares(rate, load_time, ttl)
    errors = theory.single_flight_share_errors(rate, load_time, ttl, CYCLES)
    for column, (share, error) in enumerate(zip(shares, errors, strict=True)):
        assert_strays(sample[:, column], share, error)
    wait = theory.single_flight_wait(rate, load_time, ttl)
    assert_strays(sample[:, 3], wait, theory.single_flight_wait_error(rate, load_time, ttl, CYCLES))


@pytest.mark.parametrize(("rate", "load_time", "ttl"), [(2, 0.5, 5), (10, 1.0, 2), (1, 0.1, 1)])
def test_without(rate: float, load_time: float, ttl: float) -> None:
    miss = theory.unprotected_miss_ratio(rate, load_time, ttl)
    error = theory.unprotected_miss_ratio_error(rate, load_time, ttl, CYCLES)
    assert_strays(blocks(rate, load_time, ttl, "none")[:, 2], miss, error)


def test_four_times_the_cycles_halve_the_errors() -> None:
    few, many = (theory.single_flight_share_errors(2, 0.5, 5, cycles) for cycles in (10, 40))
    assert [2 * error for error in many] == pytest.approx(few)
