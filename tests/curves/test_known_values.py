"""Curves held against what is known: miss counts of two independent implementations, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import cachesim as cs
from cachesim import theory
from tests.curves.recorded import recorded

SIZES = (75, 300, 1200)


@pytest.mark.parametrize(
    ("policy", "misses"),
    [
        ("lru", [52412, 44223, 36804]),
        ("fifo", [53930, 46430, 38785]),
        ("clock", [51859, 43738, 36281]),
        ("sieve", [49951, 41848, 34621]),
        ("lfu", [58731, 50193, 40641]),
        ("arc", [50018, 42162, 34784]),
        ("opt", [40692, 33582, 26913]),
    ],
)
def test_the_misses_on_web07_are_those_known(policy, misses):
    keys = recorded("web07")
    assert (len(keys), len(set(keys.tolist()))) == (76_118, 20_484)
    assert cs.hit_rate_curve(keys, policy, SIZES).misses.tolist() == misses
    assert [int(m) for m in cs.hit_rate_curve(map(str, keys), policy, SIZES).misses] == misses


def zipf_probabilities(keys: int, alpha: float) -> NDArray[np.float64]:
    weights = np.arange(1, keys + 1) ** -alpha
    shares: NDArray[np.float64] = (weights / weights.sum()).astype(np.float64)
    return shares


def steady(policy: str, probabilities: NDArray[np.float64], size: int, requests: int, seed: int) -> float:
    """The hit ratio once the cache is full: what ten times as many requests add to what the first tenth has."""
    cumulative = np.cumsum(probabilities)
    keys = np.searchsorted(cumulative / cumulative[-1], np.random.default_rng(seed).random(requests))
    warm, whole = (cs.hit_rate_curve(part, policy, [size]).misses[0] for part in (keys[: requests // 10], keys))
    return float(1 - (whole - warm) / (requests - requests // 10))


@pytest.mark.parametrize("policy", ["lru", "fifo", "random"])
def test_five_keys_and_two_places_are_kings_exact_values(policy):
    """Standard error about .0005 with a million requests that hang together a little; 4 of them."""
    exact = theory.king_lru_hit_ratio if policy == "lru" else theory.fifo_hit_ratio
    popularity = zipf_probabilities(5, 1.0)
    assert steady(policy, popularity, 2, 1_000_000, 1) == pytest.approx(exact(popularity.tolist(), 2), abs=0.002)


@pytest.mark.parametrize(
    ("keys", "alpha", "size"),
    [(1000, 0.8, 100), (1000, 0.8, 500), (10_000, 1.0, 1000)],
)
@pytest.mark.parametrize("policy", ["lru", "fifo", "random"])
def test_che_is_within_two_thousandths(policy, keys, alpha, size):
    """Two million requests: a standard error of about .0004. The values are in tests/test_theory_values.py."""
    che = theory.che_lru_hit_ratio if policy == "lru" else theory.che_fifo_hit_ratio
    popularity = zipf_probabilities(keys, alpha)
    assert steady(policy, popularity, size, 2_000_000, 2) == pytest.approx(che(popularity.tolist(), size), abs=0.002)
