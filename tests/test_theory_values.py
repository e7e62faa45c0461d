"""The closed forms give the figures they should: check values, limits, and an independent route to each that has one.

Monte Carlo oracles are written from the process itself, know no formula, and agree within 4 standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from cachesim import theory

ERRORS = 4

Sample = NDArray[np.float64]


def assert_mean(sample: Sample, expected: float) -> None:
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(len(sample))
    assert abs(mean - expected) <= ERRORS * error, f"{mean:.6g} +- {error:.2g} (1 s.e.), theory {expected:.6g}"


def zipf(n: int, alpha: float) -> list[float]:
    return [rank**-alpha for rank in range(1, n + 1)]


def lognormal(mean: float, cv: float) -> Callable[[float], float]:
    variance = math.log1p(cv * cv)
    cdf: Callable[[float], float] = stats.lognorm(math.sqrt(variance), scale=mean * math.exp(-variance / 2)).cdf
    return cdf


# ── Stampede without protection ───────────────────────────────────────────────────────────────────────────────────


def test_a_stampede_of_constant_loads_is_one_and_a_poisson_number():
    assert theory.stampede_size(100, 0.5) == 51
    assert theory.stampede_variance(100, 0.5) == 50
    assert_mean(1 + np.random.default_rng(1).poisson(50, 10_000).astype(np.float64), theory.stampede_size(100, 0.5))


def test_a_stampede_of_any_latency_has_its_check_values():
    assert theory.stampede_size_of(100, stats.gamma(2, scale=0.25).cdf) == pytest.approx(15.561685, abs=5e-7)
    assert theory.stampede_size_of(100, lognormal(0.5, 0.5)) == pytest.approx(26.5589, abs=5e-5)


@pytest.mark.parametrize("rate", [0.01, 1, 100, 10_000])
def test_a_stampede_of_any_latency_is_the_constant_one_for_a_constant_latency(rate):
    size = theory.stampede_size_of(rate, lambda time: float(time >= 0.5))
    assert size == pytest.approx(theory.stampede_size(rate, 0.5), rel=1e-8)


@pytest.mark.parametrize("rate", [0.01, 1, 10, 100, 10_000])
def test_a_stampede_of_any_latency_is_the_exponential_one_for_an_exponential_latency(rate):
    size = theory.stampede_size_of(rate, lambda time: -math.expm1(-time / 0.5))
    assert size == pytest.approx(theory.exponential_stampede_size(rate, 0.5), rel=1e-8)


def test_a_stampede_of_any_latency_agrees_with_its_integral_and_with_trials():
    """Standard error of the trials about .07 of 26.56."""
    rate, cdf = 100, lognormal(0.5, 0.5)
    times = np.linspace(0, 3, 3001)
    ended = np.array([cdf(time) for time in times])
    inner = integrate.cumulative_simpson(ended, x=times, initial=0)
    integral = 1 + rate * integrate.simpson((1 - ended) * np.exp(-rate * inner), x=times)
    assert theory.stampede_size_of(rate, cdf) == pytest.approx(integral, abs=1e-4)

    rng, variance = np.random.default_rng(2), math.log1p(0.25)
    starts = np.zeros((10_000, 120))
    starts[:, 1:] = rng.exponential(1 / rate, (10_000, 119)).cumsum(axis=1)
    ends = starts + rng.lognormal(math.log(0.5) - variance / 2, math.sqrt(variance), starts.shape)
    first_end = ends.min(axis=1)
    assert (first_end < starts[:, -1]).all()  # enough requests drawn
    assert_mean((starts < first_end[:, None]).sum(axis=1).astype(float), theory.stampede_size_of(rate, cdf))


def test_a_stampede_of_exponential_loads_is_the_series_and_about_a_square_root():
    assert theory.exponential_stampede_size(10, 0.5) == pytest.approx(3.188665, abs=5e-7)
    assert theory.exponential_stampede_size(100, 0.5) == pytest.approx(9.210977, abs=5e-7)
    for a in (0.1, 5.0, 50.0, 5000.0):
        factors = a / (a + np.arange(1, 2000))
        assert theory.exponential_stampede_size(a, 1) == pytest.approx(1 + factors.cumprod().sum(), rel=1e-12)
        if a >= 5:
            assert theory.exponential_stampede_size(a, 1) == pytest.approx(math.sqrt(math.pi * a / 2) + 1 / 3, rel=0.02)


def test_keys_that_expire_together_have_their_check_values():
    assert theory.group_stampede_size(1000, 2, 0.1) == pytest.approx(1200)
    assert theory.group_loads_in_flight(1000, 2, 0.1) == pytest.approx(181.27, abs=5e-3)
    assert theory.jittered_loads_in_flight(1000, 0.1, 30) == pytest.approx(3.333, abs=5e-4)


def test_jitter_flattens_the_wave_of_keys_that_expire_together():
    """In flight in the middle of the wave, single flight; the approximation is held to 5 %."""
    rng, keys = np.random.default_rng(3), 1000
    starts = rng.uniform(0, 30, (200, keys)) + rng.exponential(0.5, (200, keys))
    middle = np.linspace(5, 29, 97)
    in_flight = [((starts <= time) & (time < starts + 0.1)).sum(axis=1).mean() for time in middle]
    assert np.mean(in_flight) == pytest.approx(theory.jittered_loads_in_flight(keys, 0.1, 30), rel=0.05)


@pytest.mark.parametrize(("load_time", "expected"), [(0.1, 2.71828), (0.2, 7.38906)])
def test_a_stampede_on_a_shared_processor_grows_exponentially(load_time, expected):
    """By trials: with n loads in flight, work D is done at rate 1/n. Standard errors .02 and .07."""
    assert theory.processor_sharing_stampede_size(10, load_time) == pytest.approx(expected, abs=5e-6)
    rng, sizes = np.random.default_rng(4), []
    for _ in range(10_000):
        size, done = 1, rng.exponential(1 / 10) / 1  # work each load has when the next one comes
        while done < load_time:
            size += 1
            done += rng.exponential(1 / 10) / size
        sizes.append(float(size))
    assert_mean(np.array(sizes), expected)


# ── TTL caches ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_key_in_a_ttl_cache_has_its_check_values():
    assert theory.ttl_hit_ratio(2, 5) == pytest.approx(0.909091, abs=5e-7)
    assert theory.renewed_ttl_hit_ratio(0.5, 2) == pytest.approx(0.632121, abs=5e-7)
    assert theory.single_flight_shares(2, 0.5, 5) == pytest.approx((0.833333, 0.083333, 0.083333), abs=5e-7)
    assert theory.single_flight_wait(20, 0.25, 2) == pytest.approx(0.0190217, abs=5e-8)
    assert theory.unprotected_miss_ratio(2, 0.5, 5) == pytest.approx(0.161709, abs=5e-7)
    assert theory.unprotected_cycle(100, 0.5, 60) == pytest.approx(61.000, abs=5e-4)


def test_loads_that_take_no_time_leave_the_plain_ttl_formula():
    hit_ratio = theory.ttl_hit_ratio(2, 5)
    assert theory.single_flight_shares(2, 0, 5) == pytest.approx((hit_ratio, 0, 1 - hit_ratio))
    assert theory.unprotected_miss_ratio(2, 0, 5) == pytest.approx(1 - hit_ratio)
    assert theory.single_flight_wait(2, 0, 5) == 0


def test_many_keys_in_a_ttl_cache_have_their_check_values():
    weights = zipf(1000, 0.8)
    rates = [100 * weight / sum(weights) for weight in weights]
    cache = theory.ttl_cache(rates, 10)
    assert cache.hit_ratio == pytest.approx(0.631721, abs=5e-7)
    assert cache.entries == pytest.approx(368.28, abs=5e-3)
    assert cache.load_rate == pytest.approx(36.828, abs=5e-4)
    assert cache.hit_ratio == pytest.approx(sum(rate * theory.ttl_hit_ratio(rate, 10) for rate in rates) / 100)


def two_layers(rate: float, nodes: int, l1_ttl: float, l2_ttl: float, *, cap: bool, seed: int) -> tuple[float, float]:
    """Hit ratio of L1, and of L2 among what reaches it, of a million requests."""
    rng, requests = np.random.default_rng(seed), 1_000_000
    times = rng.exponential(1 / (rate * nodes), requests).cumsum().tolist()
    l1, l2, l1_hits, l2_hits = [-1.0] * nodes, -1.0, 0, 0
    for now, node in zip(times, rng.integers(nodes, size=requests).tolist(), strict=True):
        if now < l1[node]:
            l1_hits += 1
            continue
        if now < l2:
            l2_hits += 1
        else:
            l2 = now + l2_ttl
        l1[node] = min(now + l1_ttl, l2) if cap else now + l1_ttl
    return l1_hits / requests, l2_hits / (requests - l1_hits)


def test_two_layers_have_their_check_values_and_agree_with_trials():
    """Standard error of L1 about .00012; L2 is approximate, within .001."""
    ratios = theory.layered_hit_ratios(rate=5, nodes=10, l1_ttl=1, l2_ttl=10)
    assert ratios == pytest.approx((0.833333, 0.988142, 0.998024), abs=5e-7)
    l1, l2 = two_layers(5, 10, 1, 10, cap=False, seed=5)
    assert l1 == pytest.approx(ratios.l1, abs=ERRORS * 0.00012)
    assert l2 == pytest.approx(ratios.l2, abs=0.001)


@pytest.mark.parametrize(("l1_ttl", "l2_ttl"), [(1, 10), (0.3, 1), (2, 1)])
def test_two_capped_layers_agree_with_trials(l1_ttl, l2_ttl):
    """Standard errors, over twelve seeds, at most .0003 for L1 and .00004 for L2."""
    ratios = theory.capped_layered_hit_ratios(rate=5, nodes=10, l1_ttl=l1_ttl, l2_ttl=l2_ttl)
    l1, l2 = two_layers(5, 10, l1_ttl, l2_ttl, cap=True, seed=6)
    assert l1 == pytest.approx(ratios.l1, abs=ERRORS * 0.0003)
    assert l2 == pytest.approx(ratios.l2, abs=ERRORS * 0.00004)
    assert ratios.overall == pytest.approx(1 - (1 - ratios.l1) * (1 - ratios.l2))


def test_the_cap_costs_the_first_layer_what_is_noted():
    ratios = theory.capped_layered_hit_ratios(rate=5, nodes=10, l1_ttl=1, l2_ttl=10)
    assert ratios.l1 == pytest.approx(0.8264, abs=5e-5)


def test_one_capped_node_alone_is_a_ttl_cache_of_the_longer_lifetime():
    ratios = theory.capped_layered_hit_ratios(rate=2, nodes=1, l1_ttl=5, l2_ttl=5)
    assert ratios.l1 == pytest.approx(theory.ttl_hit_ratio(2, 5))
    assert ratios.l2 == pytest.approx(0, abs=1e-12)


def test_staleness_has_its_check_values():
    assert theory.stale_hit_ratio(0.1, 5) == pytest.approx(0.213061, abs=5e-7)
    assert theory.stale_fill_ratio(0.5, 0.1) == pytest.approx(0.0487706, abs=5e-8)
    assert theory.staleness_bound(10, 0.5) == 10.5


def test_the_stale_share_is_the_mean_over_ages_of_the_entry():
    mean, _ = integrate.quad(lambda age: theory.stale_fill_ratio(0.1, age) / 5, 0, 5)
    assert theory.stale_hit_ratio(0.1, 5) == pytest.approx(mean)


# ── Early recompute ───────────────────────────────────────────────────────────────────────────────────────────────


def first_recomputes(
    rate: float, load_time: float, recomputes: Callable[[Sample, Sample], NDArray[np.bool_]], *, early: float, seed: int
) -> tuple[Sample, Sample, Sample]:
    """Of 4,000 entries that expire at 0: when the first recompute starts, how many start in its time, and the last.

    Poisson reads from `early` seconds before the expiry on, each of which recomputes if the test `recomputes(now, u)`
    of its time and a uniform u in (0, 1] says so.
    """
    rng, rows = np.random.default_rng(seed), []
    until = 3 * load_time + 40 / rate
    for _ in range(4_000):
        reads = rng.uniform(-early, until, rng.poisson(rate * (early + until)))
        starts = np.sort(reads[recomputes(reads, 1 - rng.random(len(reads)))])
        started = starts[starts < starts[0] + load_time]
        rows.append((starts[0], len(started), started[-1]))
    first, size, last = np.array(rows, dtype=np.float64).T
    return first, size, last


EARLY = [
    # rate, load time, beta, stampede size
    (10, 0.1, 1, 1.74460),
    (10, 0.5, 1, 2.59333),
    (100, 0.5, 0.5, 7.33972),
    (100, 0.5, 1, 2.71828),
    (100, 0.5, 1.5, 1.94773),
    (100, 0.5, 2, 1.64872),
]


def test_early_recompute_has_its_check_values():
    assert theory.early_recompute_time_given_up(100, 0.5) == pytest.approx(2.244619, abs=5e-7)
    assert theory.early_recompute_time_given_up(10, 0.1) == pytest.approx(0.079660, abs=5e-7)
    assert theory.early_recompute_cycle(100, 0.5, 60) == pytest.approx(58.4864, abs=5e-5)
    assert theory.early_recompute_probability(0.5, 0.5) == pytest.approx(math.exp(-1))
    assert theory.no_early_recompute_probability(10, 0.1) == pytest.approx(math.exp(-1))


@pytest.mark.parametrize(("rate", "load_time", "beta", "expected"), EARLY)
def test_an_early_recompute_stampede_has_its_check_value_and_is_its_integral(rate, load_time, beta, expected):
    size = theory.early_recompute_stampede_size(rate, load_time, beta=beta)
    assert size == pytest.approx(expected, abs=5e-6)

    reads = rate * beta * load_time
    m = reads * math.exp(-1 / beta)
    crossing, _ = integrate.quad(
        lambda u: (reads - u + rate * load_time - reads * math.log(reads / u)) * math.exp(-u), m, reads
    )
    before = math.expm1(1 / beta) * (1 - (1 + m) * math.exp(-m))
    assert size == pytest.approx(1 + before + crossing + math.exp(-reads) * rate * load_time, rel=1e-8)


@pytest.mark.parametrize(("rate", "load_time", "beta", "_expected"), EARLY)
def test_early_recompute_agrees_with_trials_of_the_published_test(rate, load_time, beta, _expected):
    """Standard errors: of the stampede at most 1.5 %, of the time given up 3 %, of the cycle .022 s."""
    first, size, last = first_recomputes(
        rate,
        load_time,
        lambda now, u: now - load_time * beta * np.log(u) >= 0,
        early=20 * beta * load_time,
        seed=8,
    )
    assert_mean(size, theory.early_recompute_stampede_size(rate, load_time, beta=beta))
    assert_mean(np.maximum(-first, 0), theory.early_recompute_time_given_up(rate, load_time, beta=beta))
    if rate == 10:
        assert_mean((first > 0).astype(float), theory.no_early_recompute_probability(rate, load_time, beta=beta))
    else:  # the cycle is approximate for small m
        assert_mean(last + load_time + 60, theory.early_recompute_cycle(rate, load_time, 60, beta=beta))


def test_an_early_recompute_stampede_depends_on_beta_alone_when_m_is_large():
    for beta in (0.5, 1, 2):
        size = theory.early_recompute_stampede_size(1000, 5, beta=beta)
        assert size == pytest.approx(math.exp(1 / beta), rel=1e-9)


def test_an_early_recompute_stampede_is_the_unprotected_one_when_beta_is_small():
    assert theory.early_recompute_stampede_size(100, 0.5, beta=0.01) == pytest.approx(51, rel=0.02)


def test_an_early_recompute_stampede_of_few_reads_is_one_load():
    assert theory.early_recompute_stampede_size(1e-6, 0.5) == pytest.approx(1, abs=1e-5)


def test_without_the_logarithm_the_check_values_come_out():
    assert theory.no_logarithm_lateness(100, 0.5) == pytest.approx(0.0886, abs=5e-5)
    assert theory.no_logarithm_stampede_size(100, 0.5) == pytest.approx(33.862, abs=5e-4)


@pytest.mark.parametrize(("rate", "load_time", "beta"), [(100, 0.5, 1), (10, 0.1, 1), (100, 0.5, 0.5)])
def test_without_the_logarithm_trials_agree_and_nobody_is_early(rate, load_time, beta):
    """Standard errors about 1 % of the lateness and at most .8 % of the stampede."""
    first, size, _ = first_recomputes(
        rate, load_time, lambda now, u: now - load_time * beta * u >= 0, early=load_time, seed=9
    )
    assert (first > 0).all()
    assert_mean(first, theory.no_logarithm_lateness(rate, load_time, beta=beta))
    assert_mean(size, theory.no_logarithm_stampede_size(rate, load_time, beta=beta))


def test_without_the_logarithm_a_large_beta_is_refused():
    with pytest.raises(ValueError, match=r"beta = 1\.5 .* at most 1"):
        theory.no_logarithm_stampede_size(100, 0.5, beta=1.5)


# ── Delayed hits ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_waiting_of_one_miss_has_its_check_values():
    assert theory.waiting_per_miss(20, 0.25) == 0.875
    assert theory.waiting_per_miss(20, 0.25, cv=1) == 1.5
    assert theory.waiting_per_miss_variance(20, 0.25) == pytest.approx(20 * 0.25**3 / 3)


@pytest.mark.parametrize("cv", [0, 1])
def test_the_waiting_of_one_miss_agrees_with_trials(cv):
    """Standard errors about .002 and .01; the variance of constant loads within 4 of .0011."""
    rng = np.random.default_rng(10)
    loads = rng.exponential(0.25, 20_000) if cv else np.full(20_000, 0.25)
    waits = np.array([load + (load - rng.uniform(0, load, rng.poisson(20 * load))).sum() for load in loads])
    assert_mean(waits, theory.waiting_per_miss(20, 0.25, cv=cv))
    if cv == 0:
        assert_mean((waits - 0.875) ** 2, theory.waiting_per_miss_variance(20, 0.25))


# ── Queues ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_queues_have_their_check_values():
    assert theory.erlang_c_wait(0.8, 1, 1) == pytest.approx(4)
    assert theory.erlang_c_wait(2, 1, 3) == pytest.approx(0.4444444, abs=5e-8)
    assert theory.pollaczek_khinchine_wait(0.8, 1, cv=0) == pytest.approx(2)
    assert theory.pollaczek_khinchine_wait(0.8, 1, cv=1) == pytest.approx(4)
    assert theory.pollaczek_khinchine_wait(0.8, 1, cv=2) == pytest.approx(10)
    assert theory.littles_law(100, 0.5) == 50


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.99])
def test_one_exponential_server_is_one_queue_in_both_formulas(rate):
    assert theory.erlang_c_wait(rate, 1, 1) == pytest.approx(theory.pollaczek_khinchine_wait(rate, 1, cv=1))


def test_pollaczek_khinchine_refuses_a_queue_that_only_grows() -> None:
    with pytest.raises(ValueError, match="not below the number of servers"):
        theory.pollaczek_khinchine_wait(1, 1, cv=1)


# ── Which to evict ────────────────────────────────────────────────────────────────────────────────────────────────


def test_small_caches_have_their_exact_hit_ratios():
    assert theory.king_lru_hit_ratio(zipf(5, 1), 2) == pytest.approx(0.518885, abs=5e-7)
    assert theory.fifo_hit_ratio(zipf(5, 1), 2) == pytest.approx(0.503650, abs=5e-7)


@pytest.mark.parametrize(
    ("n", "alpha", "capacity", "lru", "fifo"),
    [
        (1000, 0.8, 100, 0.377790, 0.333680),
        (1000, 0.8, 500, 0.769715, 0.727395),
        (10_000, 1, 1000, 0.675602, 0.630906),
    ],
)
def test_the_characteristic_time_has_its_check_values_and_is_close_to_the_exact_ones(n, alpha, capacity, lru, fifo):
    popularity = zipf(n, alpha)
    assert theory.che_lru_hit_ratio(popularity, capacity) == pytest.approx(lru, abs=5e-7)
    assert theory.che_fifo_hit_ratio(popularity, capacity) == pytest.approx(fifo, abs=5e-7)
    assert theory.fifo_hit_ratio(popularity, capacity) == pytest.approx(fifo, abs=0.002)


@pytest.mark.parametrize("capacity", [1, 2, 3, 4])
def test_fifo_is_the_sum_over_all_sets_in_the_cache(capacity):
    popularity = zipf(5, 1)
    total = sum(popularity)
    sets = list(combinations([weight / total for weight in popularity], capacity))
    hits = sum(math.prod(held) * sum(held) for held in sets) / sum(map(math.prod, sets))
    assert theory.fifo_hit_ratio(popularity, capacity) == pytest.approx(hits)


@pytest.mark.parametrize("capacity", [1, 2, 3, 4])
def test_lru_is_exact_as_trials_of_the_last_different_keys_say(capacity):
    """100,000 independent draws of a full cache's content; standard errors at most .0006."""
    popularity = np.array(zipf(5, 1))
    shares = popularity / popularity.sum()
    # The time since each key was last asked is exponential; the cache holds the most recent.
    ages = np.random.default_rng(11).exponential(1 / shares, (100_000, 5))
    held = np.argsort(ages, axis=1)[:, :capacity]
    assert_mean(shares[held].sum(axis=1), theory.king_lru_hit_ratio(zipf(5, 1), capacity))


EVICTION = [theory.king_lru_hit_ratio, theory.fifo_hit_ratio, theory.che_lru_hit_ratio, theory.che_fifo_hit_ratio]


@pytest.mark.parametrize("hit_ratio", EVICTION)
def test_equally_popular_keys_hit_as_often_as_the_cache_has_room(hit_ratio):
    assert hit_ratio([7.0] * 6, 2) == pytest.approx(1 / 3)


@pytest.mark.parametrize("hit_ratio", EVICTION)
def test_a_cache_with_room_for_all_hits_always(hit_ratio):
    assert hit_ratio(zipf(5, 1), 5) == hit_ratio(zipf(5, 1), 9) == 1


# ── Metastable failure ────────────────────────────────────────────────────────────────────────────────────────────


def test_metastable_failures_have_their_check_values():
    assert theory.stuck_query_rate(280, retries=1) == 560
    assert theory.healing_request_rate(300, retries=1) == 150
    assert theory.stuck_query_rate(theory.healing_request_rate(300, retries=3), retries=3) == 300
    assert theory.refill_time(1000, 300) == pytest.approx(3.33, abs=0.005)
    for keys, ttl in ((1000, 5), (3000, 15)):
        assert theory.look_aside_query_rate(3000, keys, ttl) == pytest.approx(3000 * (1 - 15 / 16))


def test_a_look_aside_cache_lets_through_what_a_ttl_cache_of_equal_keys_loads():
    cache = theory.ttl_cache([3000 / 1000] * 1000, 5)
    assert theory.look_aside_query_rate(3000, 1000, 5) == pytest.approx(cache.load_rate)
    assert cache.hit_ratio == pytest.approx(15 / 16)


def test_callers_keep_a_load_under_way_long_enough_for_a_thousand_keys_and_not_for_three_thousand():
    assert theory.flight_time(3, 1) > theory.refill_time(1000, 300)
    assert theory.flight_time(1, 1) < theory.refill_time(3000, 300)


@pytest.mark.parametrize("rate", [0.5, 1, 3])
def test_the_time_of_a_flight_agrees_with_trials(rate):
    """From the first caller until nobody has come for a second; standard errors about 1 %."""
    rng, times = np.random.default_rng(12), []
    for _ in range(10_000):
        time = 1.0
        while (gap := rng.exponential(1 / rate)) < 1:
            time += gap
        times.append(time)
    assert_mean(np.array(times), theory.flight_time(rate, 1))
