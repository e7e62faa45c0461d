"""Hit ratios under independent references: King's exact values, and Che's approximation within .002.

What is averaged is the chance that the next request hits, the popularity of all that the cache holds: its mean is the
hit ratio, and it varies less than hits do. Standard errors are those of independent streams; 4 are allowed.
"""

import random
from itertools import accumulate
from math import sqrt
from statistics import mean, stdev

import pytest

from cachesim import theory
from cachesim.policies import POLICIES, Policy, Random
from cachesim.policies.replay import replay

STREAMS = 10


def hit_ratio(policy: str, popularity: list[float], size: int, *, requests: int, every: int) -> tuple[float, float]:
    """The mean over the second half of each stream, and its standard error."""
    total = sum(popularity)
    share = [weight / total for weight in popularity]
    cumulative = list(accumulate(share))
    means = []
    for seed in range(STREAMS):
        keys = random.Random(seed).choices(range(len(share)), cum_weights=cumulative, k=requests)
        cache: Policy[int, int] = Random(size, seed=seed) if policy == "random" else POLICIES[policy](size)
        looks = [
            sum(share[key] for key in cache)
            for n, _ in enumerate(replay(cache, keys))
            if n >= requests // 2 and n % every == 0
        ]
        means.append(mean(looks))
    return mean(means), stdev(means) / sqrt(STREAMS)


def zipf(n: int, alpha: float) -> list[float]:
    return [rank**-alpha for rank in range(1, n + 1)]


@pytest.mark.parametrize(("policy", "exact"), [("lru", 0.518885), ("fifo", 0.503650), ("random", 0.503650)])
def test_small_caches_have_kings_exact_hit_ratios(policy, exact):
    found, error = hit_ratio(policy, zipf(5, 1.0), 2, requests=20_000, every=1)
    assert error < 0.001
    assert abs(found - exact) <= 4 * error


@pytest.mark.parametrize(
    ("n", "alpha", "size", "lru", "fifo"),
    [
        (1000, 0.8, 100, 0.377790, 0.333680),
        (1000, 0.8, 500, 0.769715, 0.727395),
        (10_000, 1.0, 1000, 0.675602, 0.630906),
    ],
)
def test_lru_and_fifo_are_within_002_of_che(n, alpha, size, lru, fifo):
    for policy, known, formula in (("lru", lru, theory.che_lru_hit_ratio), ("fifo", fifo, theory.che_fifo_hit_ratio)):
        assert formula(zipf(n, alpha), size) == pytest.approx(known, abs=1e-6)
        found, error = hit_ratio(policy, zipf(n, alpha), size, requests=60_000, every=size // 4)
        assert error < 0.0005
        assert abs(found - known) <= 0.002 + 4 * error
