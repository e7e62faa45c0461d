"""The shares, waits and standard errors of stale-while-revalidate, held against the simulator and against chance."""

from __future__ import annotations

import numpy as np
import pytest

import cachesim as cs
from cachesim import theory
from tests.theory.agreement import assert_agrees, assert_mean, one_key

CASES = [(10.0, 0.5, 2.0, 0.6), (0.8, 0.5, 2.0, 1.0), (2.0, 1.5, 1.0, 0.5), (3.0, 0.4, 1.0, 0.0), (0.4, 0.0, 2.0, 3.0)]
"""lambda, D, F, S: a hot key with hardly enough stale time, a rare one, loads longer than the stale time, no stale
time, loads that take no time."""

every_case = pytest.mark.parametrize(("rate", "load_time", "fresh_for", "stale_for"), CASES)


@every_case
def test_shares_and_wait_of_the_simulator(rate, load_time, fresh_for, stale_for):
    cache = cs.Pattern("stale-while-revalidate", fresh_for=fresh_for, stale_for=stale_for)
    runs = cs.replicate(one_key(cache, rate=rate, latency=load_time, duration=1000 / rate + 50, warmup=50), n=12)
    shares = theory.revalidation_shares(rate, load_time, fresh_for, stale_for)
    assert_agrees(runs, "hit_ratio", shares.hit + shares.stale_hit)
    assert_agrees(runs, "latency_mean", theory.revalidation_wait(rate, load_time, fresh_for, stale_for))
    if stale_for > 0:
        assert_agrees(runs, "stale_ratio", shares.stale_hit)


@every_case
def test_standard_errors_are_those_of_cycles_drawn_at_random(rate, load_time, fresh_for, stale_for):
    """20,000 cycles of the process that the formulas describe; a standard deviation of them is known to about 1 %."""
    rng, n = np.random.default_rng(1), 20_000
    late = rng.exponential(1 / rate, n)
    stale = late <= stale_for
    served = np.where(stale, np.minimum(load_time, stale_for - late), 0.0)
    hits = rng.poisson(rate * fresh_for, n)
    stale_hits = stale + rng.poisson(rate * served)
    waiting = ~stale + rng.poisson(rate * (load_time - served))
    requests = hits + stale_hits + waiting
    shares = theory.revalidation_shares(rate, load_time, fresh_for, stale_for)
    errors = theory.revalidation_share_errors(rate, load_time, fresh_for, stale_for, cycles=n)
    for counts, share, error in zip((hits, stale_hits, waiting), shares, errors, strict=True):
        assert_mean(counts - share * requests, 0.0)
        found = float((counts - share * requests).std()) / n**0.5 / (1 + rate * (fresh_for + load_time))
        assert error == pytest.approx(found, rel=0.05, abs=1e-9)


def test_without_stale_time_it_is_single_flight():
    shares, plain = theory.revalidation_shares(2, 0.5, 5, 0), theory.single_flight_shares(2, 0.5, 5)
    assert shares.hit == pytest.approx(plain.hit)
    assert shares.waiting == pytest.approx(plain.delayed_hit + plain.miss)
    assert theory.revalidation_wait(2, 0.5, 5, 0) == pytest.approx(theory.single_flight_wait(2, 0.5, 5))
    errors = theory.revalidation_share_errors(2, 0.5, 5, 0, cycles=100)
    assert errors.hit == pytest.approx(theory.single_flight_share_errors(2, 0.5, 5, cycles=100).hit)
