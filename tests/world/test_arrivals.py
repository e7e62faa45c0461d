"""When requests arrive: in what numbers, how far apart, and what the settings refuse."""

from __future__ import annotations

import math
import tomllib
from itertools import islice, takewhile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

import cachesim as cs
from cachesim.world.arrivals import (
    Arrivals,
    Bursty,
    ClosedLoop,
    Constant,
    Diurnal,
    FlashCrowd,
    OpenLoop,
    Poisson,
    Recorded,
)
from tests.theory.agreement import ERRORS, assert_mean

CHANCE = 2 * float(stats.norm.sf(ERRORS))
"""How rarely a sound sampler may fail a test of fit: as rarely as a mean is 4 standard errors off."""

BURSTY = Bursty(low=10, high=100, mean_low=0.8, mean_high=0.2)
SILENCES = Bursty(low=0, high=10_000, mean_low=0.5, mean_high=0.2)
DIURNAL = Diurnal(mean=100, peak=180, period=60)
CROWD = FlashCrowd(base=20, peak=500, at=100, duration=50)


def until(arrivals: OpenLoop, end: float, seed: int = 1) -> NDArray[np.float64]:
    """The arrival times below `end`."""
    return np.array(list(takewhile(lambda time: time < end, arrivals.times(np.random.default_rng(seed)))))


def scenario(arrivals: Any) -> cs.Scenario:
    """With recorded keys, which bound what would be too many requests."""
    return cs.Scenario(
        arrivals=arrivals,
        keys=cs.keys.Recorded(path="keys.txt"),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
    )


def assert_count(found: int, expected: float) -> None:
    """The standard error of a Poisson count is the root of its mean."""
    assert abs(found - expected) <= ERRORS * math.sqrt(expected), (found, expected)


# ── Poisson processes, whose rate may move ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arrivals", [Poisson(rate=100), DIURNAL, CROWD], ids=lambda arrivals: type(arrivals).__name__)
def test_counted_in_expected_requests_the_gaps_are_independent_and_exponential(arrivals: OpenLoop) -> None:
    """A Poisson process of any rate is one of rate 1 on the clock that its expected count is."""
    gaps = np.diff([arrivals.expected(time) for time in until(arrivals, 300).tolist()], prepend=0.0)
    assert len(gaps) > 20_000
    assert stats.kstest(gaps, "expon").pvalue > CHANCE
    serial = np.corrcoef(gaps[:-1], gaps[1:])[0, 1]
    assert abs(serial) <= ERRORS / math.sqrt(len(gaps))


def test_a_day_has_its_rate_at_each_hour() -> None:
    days, hours = 20, 24
    found, edges = np.histogram(until(DIURNAL, days * 60) % 60, bins=hours, range=(0, 60))
    for count, start, end in zip(found.tolist(), edges[:-1], edges[1:], strict=True):
        rate, _ = integrate.quad(lambda time: 100 + 80 * math.sin(2 * math.pi * time / 60), start, end)
        assert_count(count, days * rate)


def test_a_crowd_comes_and_goes() -> None:
    found, _ = np.histogram(until(CROWD, 400), bins=[0, 100, 150, 400])
    for count, expected in zip(found.tolist(), [2000, 25_000, 5000], strict=True):
        assert_count(count, expected)


def test_a_crowd_may_be_there_from_the_start() -> None:
    assert_count(len(until(FlashCrowd(base=1, peak=1000, at=0, duration=5), 5)), 5000)


@pytest.mark.parametrize(
    ("arrivals", "duration", "expected"),
    [
        (Poisson(rate=3), 10, 30),
        (Constant(rate=3), 10, 30),
        (DIURNAL, 60, 6000),
        (DIURNAL, 30, 3000 + 80 * 60 / math.pi),
        (DIURNAL, 90, 9000 + 80 * 60 / math.pi),
        (CROWD, 100, 2000),
        (CROWD, 120, 2000 + 10_000),
        (CROWD, 400, 2000 + 25_000 + 5000),
        (BURSTY, 10, 280),
        (SILENCES, 7, 20_000),
        (Recorded(path="times.txt"), 10, 0),
        (ClosedLoop(users=5, think=0.5), 10, 105),
        (ClosedLoop(users=5, think=cs.latency.Uniform(0, high=1)), 10, 105),
        (ClosedLoop(users=5, think=0), 10, 5),
    ],
    ids=str,
)
def test_how_many_are_expected(arrivals: Arrivals, duration: float, expected: float) -> None:
    assert arrivals.expected(duration) == pytest.approx(expected, rel=1e-12)


# ── Bursts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def index_of_dispersion(arrivals: Bursty, time: float) -> float:
    """Variance over mean of the count in [0, time), from the stationary state (Heffes, Lucantoni 1986)."""
    leaves = 1 / arrivals.mean_low + 1 / arrivals.mean_high
    high = arrivals.mean_high / (arrivals.mean_low + arrivals.mean_high)
    mean = (1 - high) * arrivals.low + high * arrivals.high
    variance_of_rate = high * (1 - high) * (arrivals.high - arrivals.low) ** 2
    passed = leaves * time
    return 1 + 2 * variance_of_rate / (mean * leaves) * (1 + math.expm1(-passed) / passed)


@pytest.mark.parametrize("time", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("arrivals", [BURSTY, BURSTY.model_copy(update={"low": 0.0})], ids=["two rates", "on and off"])
def test_counts_of_bursts_have_their_mean_and_dispersion_from_the_first_second(arrivals: Bursty, time: float) -> None:
    """Each of 2,000 seeds gives one count from 0 on; the true mean is known, so the dispersion has no bias."""
    expected = arrivals.expected(time)
    counts = np.array([len(until(arrivals, time, seed)) for seed in range(2000)], dtype=np.float64)
    assert_mean(counts, expected)
    assert_mean((counts - expected) ** 2 / expected, index_of_dispersion(arrivals, time), "index of dispersion")


def test_bursts_and_silences_last_exponential_times() -> None:
    """At 10,000/s in bursts, a gap above 3 ms is a silence; shorter silences (0.6 %) are far below what is tested."""
    times = until(SILENCES, 500)
    gaps = np.diff(times)
    silent = np.flatnonzero(gaps > 0.003)
    silences, bursts = gaps[silent] - 0.003, times[silent[1:]] - times[silent[:-1] + 1]
    assert 500 < len(silences) < 1000
    assert stats.kstest(silences, "expon", args=(0, 0.5)).pvalue > CHANCE
    assert stats.kstest(bursts, "expon", args=(0, 0.2)).pvalue > CHANCE


def test_bursts_come_at_the_same_times_whatever_the_rates() -> None:
    """Also after some 4,000 changes of the rate, more than are drawn at once."""

    def counts(high: float) -> NDArray[np.int64]:
        times = until(Bursty(low=0, high=high, mean_low=0.05, mean_high=0.02), 200)
        return np.histogram(times, bins=5000, range=(150, 200))[0]

    assert np.corrcoef(counts(5000), counts(10_000))[0, 1] > 0.9


# ── A closed loop, and what is computed ───────────────────────────────────────────────────────────────────────────


def test_constant_arrivals_are_computed_not_accumulated() -> None:
    times = list(islice(Constant(rate=3).times(np.random.default_rng(1)), 100_000))
    assert times == [k / 3 for k in range(100_000)]


def test_users_think_for_seconds_or_for_times_of_a_latency() -> None:
    def thinks(think: Any) -> list[float]:
        return list(islice(ClosedLoop(users=2, think=think).thinks(np.random.default_rng(1)), 3000))

    assert thinks(2) == [2.0] * 3000
    exponential = cs.latency.Exponential(2)
    assert thinks(exponential) == list(islice(exponential.draws(np.random.default_rng(1)), 3000))


# ── As settings ───────────────────────────────────────────────────────────────────────────────────────────────────

ANY = st.floats(1e-300, 1e300)
USUAL = st.floats(0.1, 1e6)
FACTOR = st.floats(1, 2)
OPEN_LOOPS: st.SearchStrategy[OpenLoop] = st.one_of(
    st.builds(Poisson, rate=ANY),
    st.builds(Constant, rate=ANY),
    st.builds(
        lambda low, more, **means: Bursty(low=low, high=low + more, **means),
        st.just(0.0) | USUAL,
        USUAL,
        mean_low=USUAL,
        mean_high=USUAL,
    ),
    st.builds(lambda mean, factor, period: Diurnal(mean=mean, peak=mean * factor, period=period), ANY, FACTOR, ANY),
    st.builds(
        lambda base, factor, at, duration: FlashCrowd(base=base, peak=base * factor, at=at, duration=duration),
        ANY,
        FACTOR,
        st.just(0.0) | ANY,
        ANY,
    ),
)
CLOSED_LOOPS = st.builds(
    ClosedLoop,
    users=st.integers(1, 10**6),
    think=st.just(0.0) | ANY | st.builds(cs.latency.Erlang, mean=USUAL, k=st.integers(1, 9)),
)


@given(OPEN_LOOPS, st.integers(0))
def test_times_never_fall(arrivals: OpenLoop, seed: int) -> None:
    times = list(islice(arrivals.times(np.random.default_rng(seed)), 30))
    assert len(times) == 30
    assert times[0] >= 0
    assert times == sorted(times)


@given(OPEN_LOOPS | CLOSED_LOOPS, st.floats(1e-3, 1e6))
def test_a_longer_run_expects_no_fewer(arrivals: Arrivals, duration: float) -> None:
    assert 0 <= arrivals.expected(duration) <= arrivals.expected(duration * 2)


@given(OPEN_LOOPS | CLOSED_LOOPS)
def test_toml_and_back_without_loss(arrivals: Arrivals) -> None:
    before = scenario(arrivals)
    assert cs.Scenario(**tomllib.loads(before.to_toml())) == before


@pytest.mark.parametrize(
    ("arrivals", "first"),
    [
        (Poisson(rate=100), [0.010730290263725389, 0.013814821704978232, 0.0675691904310595]),
        (Constant(rate=10), [0.0, 0.1, 0.2]),
        (Bursty(low=10, high=100, mean_low=8, mean_high=1), [0.16979204344429766, 0.30676189631078765]),
        (Diurnal(mean=100, peak=150, period=10), [0.009209881136652154, 0.04504612695403967]),
        (FlashCrowd(base=10, peak=100, at=0.1, duration=5), [0.10308453144125285, 0.15683890016733412]),
    ],
    ids=str,
)
def test_a_seed_keeps_its_times(arrivals: OpenLoop, first: list[float]) -> None:
    assert list(islice(arrivals.times(np.random.default_rng(1)), len(first))) == first


KNOWN = "poisson, constant, bursty, diurnal, flash-crowd, recorded, closed-loop"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"type": "open-loop"}, f"type: 'open-loop' is unknown; known: {KNOWN}"),
        ({"rate": 5}, f"type: missing; known: {KNOWN}"),
        (
            {"type": "bursty", "low": 5, "high": 5, "mean_low": 1, "mean_high": 1},
            "high: 5.0 is not allowed; above low (5)",
        ),
        ({"type": "bursty", "low": -1, "high": 5, "mean_low": 1, "mean_high": 1}, "low: -1 is not allowed; 0 or more"),
        ({"type": "bursty", "low": 1, "high": 5, "mean_low": 0, "mean_high": 1}, "mean_low: 0 is not allowed; above 0"),
        (
            {"type": "diurnal", "mean": 2, "peak": 1, "period": 9},
            "peak: 1.0 is not allowed; from mean (2) to twice that",
        ),
        (
            {"type": "diurnal", "mean": 2, "peak": 5, "period": 9},
            "peak: 5.0 is not allowed; from mean (2) to twice that",
        ),
        ({"type": "diurnal", "mean": 2, "peak": 3}, "period: missing"),
        (
            {"type": "flash-crowd", "base": 2, "peak": 1, "at": 1, "duration": 1},
            "peak: 1.0 is not allowed; base (2) or more",
        ),
        ({"type": "flash-crowd", "base": 0, "peak": 1, "at": 1, "duration": 1}, "base: 0 is not allowed; above 0"),
        ({"type": "flash-crowd", "base": 1, "peak": 2, "at": -1, "duration": 1}, "at: -1 is not allowed; 0 or more"),
        ({"type": "closed-loop", "users": 0, "think": 1}, "users: 0 is not allowed; 1 or more"),
        ({"type": "closed-loop", "users": 1.5, "think": 1}, "users: 1.5 is not allowed; a whole number"),
        (
            {"type": "closed-loop", "users": 1, "think": -1},
            "think: -1 is not allowed; seconds (0 or more) or a latency",
        ),
        (
            {"type": "closed-loop", "users": 1, "think": True},
            "think: True is not allowed; seconds (0 or more) or a latency",
        ),
        (
            {"type": "closed-loop", "users": 1, "think": {"type": "exponential", "mean": 0}},
            "think.mean: 0 is not allowed; above 0",
        ),
        ({"type": "closed-loop", "users": 1}, "think: missing"),
    ],
)
def test_what_is_refused_and_in_which_words(table: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ScenarioError) as refused:
        scenario(table)
    assert str(refused.value) == f"arrivals.{message}"
