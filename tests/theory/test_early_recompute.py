"""Early recompute in the simulator: how early, how many at once and how often, as the closed forms say.

T is ten times beta D: a read just after the fill recomputes with probability e^-10, so that T is long enough.
"""

from __future__ import annotations

from itertools import pairwise
from math import e
from typing import Any

import numpy as np
import pytest

import cachesim as cs
from cachesim import plots, theory
from tests.theory.agreement import ERRORS, Episodes, Sample, assert_mean, episodes, one_key


def recomputing(*, rate: float, load_time: float, beta: float, cycles: int, **options: Any) -> cs.Scenario:
    """One key that is recomputed early, for a little longer than so many cycles."""
    ttl = 10 * beta * load_time
    cache = cs.Pattern("early-recompute", ttl=ttl, beta=beta, **options)
    return one_key(cache, rate=rate, latency=load_time, duration=(cycles + 20) * (ttl + 2 * load_time))


def lifetime_left(found: Episodes, ttl: float) -> Sample:
    """Lifetime left at the first load of each episode but the first, in seconds; negative past the expiry.

    The lifetime counts from the last load of the episode before.
    """
    return found.ends[:-1] + ttl - found.starts[1:]


PAPER = [  # rate, load time, beta, cycles
    (10, 0.1, 1, 2500),
    (10, 0.5, 1, 1000),
    (100, 0.5, 0.5, 200),
    (100, 0.5, 1, 150),
    (100, 0.5, 1.5, 110),
    (100, 0.5, 2, 80),
]


@pytest.mark.parametrize(("rate", "load_time", "beta", "cycles"), PAPER)
def test_in_the_foreground_without_single_flight_it_is_the_paper_s(
    rate: float, load_time: float, beta: float, cycles: int
) -> None:
    """Standard errors: stampede size at most 8 %, time given up and cycle 3 %. The cycle is exact for large m."""
    scenario = recomputing(rate=rate, load_time=load_time, beta=beta, cycles=cycles, single_flight="none")
    ttl = 10 * beta * load_time
    found = episodes(cs.simulate(scenario).loads).first(cycles)
    assert_mean(found.sizes[1:], theory.early_recompute_stampede_size(rate, load_time, beta=beta), "size")
    given_up = np.maximum(lifetime_left(found, ttl), 0)
    assert_mean(given_up, theory.early_recompute_time_given_up(rate, load_time, beta=beta), "time given up")
    for sample, variance in (
        (found.sizes[1:], theory.early_recompute_stampede_variance(rate, load_time, beta=beta)),
        (given_up, theory.early_recompute_time_given_up_variance(rate, load_time, beta=beta)),
    ):
        assert_mean((sample - sample.mean()) ** 2, variance, "variance")
    if rate == 100:
        assert_mean(found.cycles[1:], theory.early_recompute_cycle(rate, load_time, ttl, beta=beta), "cycle")


def test_the_refresh_cycle_of_a_minute_is_58_and_a_half_seconds() -> None:
    """58.4864 s, where without protection it is 61; standard error .2 s."""
    cache = cs.Pattern("early-recompute", ttl=60, single_flight="none")
    found = episodes(cs.simulate(one_key(cache, rate=100, latency=0.5, duration=1350)).loads).first(22)
    assert_mean(found.cycles[1:], theory.early_recompute_cycle(100, 0.5, 60))


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_nobody_is_early_as_often_as_the_closed_form_says(beta: float) -> None:
    """e^-L for L = .5, 1 and 2; standard errors at most .013."""
    scenario = recomputing(rate=10, load_time=0.1, beta=beta, cycles=1500, single_flight="none")
    left = lifetime_left(episodes(cs.simulate(scenario).loads).first(1500), ttl=beta)
    assert_mean((left < 0).astype(float), theory.no_early_recompute_probability(10, 0.1, beta=beta))


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_a_read_is_early_as_often_as_the_lifetime_left_says(beta: float) -> None:
    """e^(-s / (beta D)) with s left: where it is below 1/4, between and above 3/4, as many as the chances add up to.

    Of each lifetime the reads up to the first early one: each draws once. Standard errors at most 10 % of a part.
    """
    scenario = recomputing(rate=10, load_time=0.1, beta=beta, cycles=1500, single_flight="process", background=True)
    run = cs.simulate(scenario)
    found, times = episodes(run.loads).first(1500), run.requests.time.to_numpy()
    expiries, starts = found.ends[:-1] + 10 * beta * 0.1, found.starts[1:]
    reads = times[(times >= found.ends[0]) & (times <= starts[-1])]
    after = found.ends.searchsorted(reads, side="right") - 1  # the episode whose value they find
    reads, after = reads[reads <= starts[after]], after[reads <= starts[after]]
    chances = np.array(
        [theory.early_recompute_probability(max(0.0, left), 0.1, beta=beta) for left in expiries[after] - reads]
    )
    early = reads == starts[after]
    for low, high in ((0, 0.25), (0.25, 0.75), (0.75, 1)):
        part = (chances >= low) & (chances < high)
        expected, error = chances[part].sum(), np.sqrt((chances[part] * (1 - chances[part])).sum())
        assert error < 0.1 * expected
        assert abs(early[part].sum() - expected) <= ERRORS * error


@pytest.mark.parametrize(("single_flight", "nodes"), [("process", 1), ("cluster", 3)])
@pytest.mark.parametrize("background", [False, True])
def test_with_single_flight_one_recomputes_and_is_as_early(single_flight: str, nodes: int, background: bool) -> None:
    """The first draw is the same, so E[G] is; the cycle is T + D - E[G]. Standard errors at most .1 s.

    In the foreground the one who recomputes waits, in the background nobody does: that an entry expires before it has
    been recomputed has probability e^-m, m = 18.
    """
    scenario = recomputing(
        rate=100, load_time=0.5, beta=1, cycles=60, single_flight=single_flight, background=background
    )
    run = cs.simulate(scenario.replace(nodes=nodes))
    found = episodes(run.loads).first(60)
    given_up = theory.early_recompute_time_given_up(100, 0.5)
    assert_mean(lifetime_left(found, ttl=5), given_up, "time given up")
    assert_mean(found.cycles[1:], 5 + 0.5 - given_up, "cycle")
    metrics = run.metrics
    assert metrics["largest_stampede"] == metrics["misses"] == 1
    assert metrics["loads_early"] == metrics["loads"] - 1
    later = run.requests[run.requests.time > found.ends[0]]
    assert metrics["earlies"] == (later.latency > 0).sum() == (0 if background else metrics["loads_early"])


@pytest.mark.parametrize("background", [False, True])
def test_over_round_trips_still_one_recomputes_in_the_cluster(background: bool) -> None:
    scenario = recomputing(
        rate=100, load_time=0.5, beta=1, cycles=40, single_flight="cluster", background=background
    ).replace(nodes=4, **{"redis.round_trip": cs.latency.Exponential(0.005)})
    metrics = cs.simulate(scenario).metrics
    assert metrics["largest_stampede"] == 1
    assert metrics["loads_early"] == metrics["loads"] - 1 > 35
    assert metrics["early_ratio"] == (0 if background else metrics["loads_early"] / metrics["reads"])


@pytest.mark.parametrize("beta", [0, 0.5, 1])
def test_loads_are_as_dense_before_and_after_the_expiry_as_the_closed_form_says(beta: float) -> None:
    """In windows around the expiry, as many loads a lifetime as its integral; standard errors at most .08 loads."""
    rate, load_time, ttl, lifetimes = 10.0, 0.5, 6.0, 500
    pattern = cs.Pattern("early-recompute", ttl=ttl, beta=beta, single_flight="none")
    run = cs.simulate(one_key(pattern, rate=rate, latency=load_time, duration=(lifetimes + 10) * (ttl + 2 * load_time)))
    found = plots.recomputes(run.loads, ttl=ttl)
    found = found[found["lifetime"] <= lifetimes]
    assert found["lifetime"].nunique() == lifetimes
    windows = [-0.5, 0, 0.25, 0.5, 0.9] if beta == 0 else [-2, -1, -0.5, -0.25, 0, 0.4]
    for low, high in pairwise(windows):
        middles = low + (high - low) * (np.arange(1000) + 0.5) / 1000
        density = theory.early_recompute_start_rate(-middles, rate, load_time, beta=beta)
        inside = found[(found["late"] >= low) & (found["late"] < high)]
        counts = inside.groupby("lifetime").size().reindex(range(1, lifetimes + 1), fill_value=0)
        sample: Sample = counts.to_numpy().astype(np.float64)
        assert_mean(sample, float(density.mean()) * (high - low), f"from {low} to {high} s")


@pytest.mark.parametrize(("rate", "load_time", "beta"), [(10, 0.1, 1), (100, 0.5, 0.5), (2, 0.1, 0.25), (20, 0.5, 1.5)])
def test_the_density_adds_up_to_the_stampede(rate: float, load_time: float, beta: float) -> None:
    times = np.linspace(-40 * beta * load_time, load_time + 30 / rate, 200_001)
    density = theory.early_recompute_start_rate(-times, rate, load_time, beta=beta)
    size = theory.early_recompute_stampede_size(rate, load_time, beta=beta)
    assert np.trapezoid(density, times) == pytest.approx(size, rel=1e-6)


def test_with_heavy_traffic_sizes_are_geometric_and_earliness_is_gumbel_s() -> None:
    c = e
    assert theory.early_recompute_stampede_variance(1000, 1) == pytest.approx(c * (c - 1))
    assert theory.early_recompute_time_given_up_variance(1000, 0.5, beta=2) == pytest.approx(np.pi**2 / 6)
