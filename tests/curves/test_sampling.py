"""Curves from a sample: how far off they are, and that their intervals say so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import cachesim as cs
from cachesim.curves.sampling import _drawn
from cachesim.curves.streams import pieces
from tests.curves.recorded import recorded


def zipf(alpha: float, keys: int, requests: int, seed: int) -> NDArray[np.int64]:
    shares = np.cumsum(np.arange(1, keys + 1) ** -alpha)
    return np.searchsorted(shares / shares[-1], np.random.default_rng(seed).random(requests))


@cache
def reference(seed: int = 0) -> NDArray[np.int64]:
    """The stream of theory.md: Zipf(.9), 1e5 keys, 1e6 requests."""
    return zipf(0.9, 100_000, 1_000_000, seed)


def errors(
    keys: NDArray[np.int64], policy: str, rate: float, seeds: int, sizes: int = 100
) -> tuple[float, float, float]:
    """Mean error over the sizes and seeds, its standard deviation between seeds, and the share that intervals cover."""
    distinct = len(np.unique(keys))
    at = np.unique(np.linspace(max(distinct / sizes, 1 / rate), distinct, sizes).astype(int))
    exact = cs.hit_rate_curve(keys, policy, at).hit_ratios
    means, covered = [], []
    for seed in range(seeds):
        sampled = cs.hit_rate_curve(keys, policy, at, sample_rate=rate, seed=seed)
        assert sampled.half_widths is not None
        off = np.abs(sampled.hit_ratios - exact)
        means.append(off.mean())
        covered.append((off <= sampled.half_widths + 1e-12).mean())
    return float(np.mean(means)), float(np.std(means, ddof=1)), float(np.mean(covered))


@pytest.mark.parametrize(("rate", "mean"), [(0.1, 0.0033), (0.01, 0.0097)])
def test_the_error_of_shards_with_the_count_correction_is_that_of_theory(rate, mean):
    """Five seeds, as there; four standard errors of the mean of five."""
    found, between_seeds, _ = errors(reference(), "lru", rate, seeds=5)
    assert found == pytest.approx(mean, abs=4 * between_seeds / 5**0.5)
    assert found < 2 * mean


@pytest.mark.parametrize("policy", ["lru", "sieve", "w-tinylfu"])
def test_miniature_simulation_is_within_a_percent_at_a_tenth_of_the_keys(policy):
    """Twenty seeds; sizes of one seed hang together, so the standard error of what is covered is .05; four of them."""
    found, _, covered = errors(zipf(0.9, 30_000, 300_000, 2), policy, 0.1, seeds=20, sizes=10)
    assert found < 0.01
    assert covered > 0.95 - 4 * 0.05


def test_the_count_correction_is_used_where_few_keys_are_hot_and_not_where_all_are_alike():
    """What the other estimate would give is .04 off on the first stream; on the second the correction is .017 off."""
    skewed, _, _ = errors(reference(), "lru", 0.1, seeds=5)
    alike, _, _ = errors(zipf(0.0, 20_000, 200_000, 3), "lru", 0.1, seeds=5)
    assert skewed < 0.006
    assert alike < 0.011


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["lru", "sieve"])
@pytest.mark.parametrize("rate", [0.1, 0.01])
@pytest.mark.parametrize("name", ["zipf .9", "zipf .6", "alike", "web07", "web12"])
def test_intervals_cover_what_they_should(name, rate, policy):
    """Of 95 % intervals; sixty seeds, a standard error of .03; four of them."""
    alphas = {"zipf .9": 0.9, "zipf .6": 0.6, "alike": 0.0}
    keys = zipf(alphas[name], 20_000, 200_000, 1) if name in alphas else recorded(name)
    _, _, covered = errors(keys, policy, rate, seeds=60, sizes=20)
    assert covered > 0.95 - 4 * 0.03


def test_the_sample_depends_on_the_seed_and_the_keys_alone():
    keys = zipf(0.9, 5000, 50_000, 4)
    one, same, other = (cs.hit_rate_curve(keys, sample_rate=0.1, seed=seed) for seed in (1, 1, 2))
    assert one.misses.tolist() == same.misses.tolist()
    assert one.misses.tolist() != other.misses.tolist()
    shuffled = cs.hit_rate_curve(np.sort(keys), sample_rate=0.1, seed=1)
    assert shuffled.distinct == one.distinct


def test_all_requests_of_a_key_are_in_the_sample_or_none():
    keys = zipf(0.9, 5000, 50_000, 4)
    chosen = np.asarray(_drawn(pieces(keys), 0.1, 0).piece.keys)
    numbers, counts = np.unique(chosen, return_counts=True)
    assert counts.tolist() == [int((keys == number).sum()) for number in numbers]
    assert len(numbers) / len(np.unique(keys)) == pytest.approx(0.1, abs=4 * (0.09 / 5000) ** 0.5)


def test_a_stream_too_large_for_memory_is_sampled_piece_by_piece():
    """Ten million requests, one key in ten thousand: what is held is the sample."""

    def stream() -> Iterator[NDArray[np.int64]]:
        rng = np.random.default_rng(6)
        for _ in range(20):
            yield rng.integers(0, 10**6, 500_000)

    sample = _drawn(pieces(stream()), 1e-4, 0)
    assert sample.requests == 10**7
    assert len(sample.piece.keys) == pytest.approx(1000, abs=4 * 1000 / 100**0.5)


def test_text_weights_and_lifetimes_can_be_sampled():
    keys = zipf(0.8, 3000, 60_000, 5)
    times, weights = np.arange(60_000) * 0.01, keys % 7 + 1
    exact = cs.hit_rate_curve(keys, "lru", [2000, 8000], times=times, ttl=[20, 200], weights=weights)
    sampled = cs.hit_rate_curve(
        [f"user:{key}" for key in keys],
        "lru",
        [2000, 8000],
        times=times,
        ttl=[20, 200],
        weights=weights,
        sample_rate=0.3,
    )
    assert sampled.half_widths is not None
    assert (np.abs(sampled.hit_ratios - exact.hit_ratios) < 1.5 * sampled.half_widths).all()


def test_what_a_sample_cannot_answer_is_told_in_one_line():
    keys = np.arange(10)
    with pytest.raises(ValueError, match="sample_rate: 1e-06 is not allowed; none of the keys is in the sample"):
        cs.hit_rate_curve(keys, sample_rate=1e-6)
    with pytest.raises(ValueError, match=r"sizes: 9 is not allowed with sample_rate 0.1; 10 or more"):
        cs.hit_rate_curve(np.arange(1000), "lru", [9, 100], sample_rate=0.1)
