"""Cache-aside with writes: the simulator hits, loads and serves old rows as the closed forms say."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

import cachesim as cs
from cachesim import theory
from cachesim.theory import Shares
from tests.theory.agreement import ERRORS, assert_agrees, assert_mean, one_key

TTL = 5.0
CASES = [(2.0, 0.5, 0.05), (10.0, 0.5, 0.1), (2.0, 1.0, 0.5)]  # requests/s, load time in s, share of writes


def runs(rate: float, load_time: float, writes: float, cache: str, n: int = 24) -> cs.Replications:
    options = {"single_flight": "process"}
    scenario = one_key(cs.Pattern(cache, ttl=TTL, **options), rate=rate, latency=load_time, writes=writes)
    return cs.replicate(scenario.replace(duration=260, warmup=20), n=n)


@pytest.mark.parametrize(("rate", "load_time", "writes"), CASES)
def test_with_leases(rate: float, load_time: float, writes: float) -> None:
    where = rate * (1 - writes), load_time, TTL, rate * writes
    found, shares = runs(rate, load_time, writes, "cache-aside"), theory.leased_shares(*where)
    assert_agrees(found, "hit_ratio", shares.hit)
    assert_agrees(found, "delayed_hit_ratio", shares.delayed_hit)
    assert_agrees(found, "miss_ratio", shares.miss)
    assert found.frame["stale_reads"].max() == 0
    allowed = ERRORS / sqrt(2 * 24)
    loads = sqrt(theory.leased_load_variance(*where, seconds=240)) / 240
    assert found.frame["load_rate"].std() == pytest.approx(loads, rel=allowed)
    weights = Shares(1 - shares.hit, -shares.hit, -shares.hit)
    hits = sqrt(theory.leased_variance(*where, weights) / 240) / where[0]
    assert found.frame["hit_ratio"].std() == pytest.approx(hits, rel=allowed)


@pytest.mark.parametrize(("rate", "load_time", "writes"), CASES)
def test_with_late_fills(rate: float, load_time: float, writes: float) -> None:
    where = rate * (1 - writes), load_time, TTL, rate * writes
    found, shares = runs(rate, load_time, writes, "pitfall:cache-aside"), theory.late_fill_shares(*where)
    assert_agrees(found, "hit_ratio", shares.hit)
    assert_agrees(found, "delayed_hit_ratio", shares.delayed_hit)
    stale = (found.frame["stale_reads"] / found.frame["reads"]).to_numpy(dtype=np.float64)
    ratio = theory.late_fill_stale_ratio(*where)
    assert_mean(stale, ratio)
    error = sqrt(theory.late_fill_stale_variance(*where, ratio=ratio) / 240) / where[0]
    assert stale.std(ddof=1) == pytest.approx(error, rel=ERRORS / sqrt(2 * 24))


def test_without_writes_both_are_single_flight() -> None:
    single_flight = theory.single_flight_shares(2, 0.5, TTL)
    assert theory.leased_shares(2, 0.5, TTL, 0) == pytest.approx(single_flight)
    assert theory.late_fill_shares(2, 0.5, TTL, 0) == pytest.approx(single_flight)
    assert theory.late_fill_stale_ratio(2, 0.5, TTL, 0) == 0
    assert theory.late_fill_stale_variance(2, 0.5, TTL, 0, ratio=0) == 0


def test_rare_writes_are_nearly_none() -> None:
    assert theory.leased_shares(2, 0.5, TTL, 1e-9) == pytest.approx(theory.leased_shares(2, 0.5, TTL, 0))
    few, none = (theory.leased_variance(2, 0.5, TTL, rate, Shares(0, 0, 1)) for rate in (1e-8, 0))
    assert few == pytest.approx(none, rel=1e-4)


def test_the_variances_by_drawing_cycles() -> None:
    """A ratio that is not the key's own, as in a shop of many keys; 3000 runs, variances known to 2.6 %."""
    rate, load_time, writes, seconds = 2.0, 0.5, 0.3, 600.0
    rng = np.random.default_rng(3)
    reads, stale = np.zeros((2, 3000))
    now = rng.exponential(1 / rate, 3000)
    while (open_ := now < seconds).any():
        write, life = rng.exponential(1 / writes, 3000), np.minimum(TTL, rng.exponential(1 / writes, 3000))
        left, late = np.maximum(load_time - write, 0), write < load_time
        old = rng.poisson(rate * left) + late * (hits := rng.poisson(rate * life))
        reads += open_ * (1 + hits + rng.poisson(rate * (load_time - left)) + old - late * hits)
        stale += open_ * old
        now += load_time + life + rng.exponential(1 / rate, 3000)
    for ratio in (0.02, theory.late_fill_stale_ratio(rate, load_time, TTL, writes)):
        expected = theory.late_fill_stale_variance(rate, load_time, TTL, writes, ratio) * seconds
        assert (stale - ratio * reads).var() == pytest.approx(expected, rel=0.12)
