"""Curves in parts: how near they are to the exact ones, and that their intervals say so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cachesim as cs
from tests.curves.recorded import recorded


def zipf(alpha: float, keys: int, requests: int, seed: int) -> NDArray[np.int64]:
    shares = np.cumsum(np.arange(1, keys + 1) ** -alpha)
    return np.searchsorted(shares / shares[-1], np.random.default_rng(seed).random(requests))


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@cache
def streams() -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(5)
    base, scan = zipf(0.9, 20_000, 150_000, 2), np.arange(50_000) + 10**6
    looping = 10**6 + (np.arange(200_000) // 2) % 5000
    return {
        "zipf .9": zipf(0.9, 20_000, 200_000, 1),
        "zipf 1.2": zipf(1.2, 20_000, 200_000, 1),
        "zipf .6": zipf(0.6, 20_000, 200_000, 1),
        "alike": zipf(0.0, 20_000, 200_000, 1),
        "loop": np.tile(np.arange(5000), 40),
        "zipf and scan": np.insert(base, np.sort(rng.integers(0, len(base), 50_000)), scan),
        "zipf and loop": np.where(np.arange(200_000) % 2, zipf(0.9, 20_000, 200_000, 3), looping),
    }


def compared(keys: NDArray[np.int64], policy: str, parts: int, seeds: int, executor: Any) -> tuple[float, float]:
    """The mean error over twenty sizes and the seeds, and the share of (size, seed) that the intervals cover."""
    distinct = len(np.unique(keys))
    sizes = np.unique(np.geomspace(max(16, distinct / 200), distinct, 20).astype(int))
    exact = cs.hit_rate_curve(keys, policy, sizes).hit_ratios
    off, covered = [], []
    for seed in range(seeds):
        curve = cs.hit_rate_curve(keys, policy, sizes, parts=parts, seed=seed, executor=executor)
        assert curve.half_widths is not None
        off.append(np.abs(curve.hit_ratios - exact))
        covered.append(off[-1] <= curve.half_widths + 1e-12)
    return float(np.mean(off)), float(np.mean(covered))


def test_a_curve_from_eight_parts_lies_within_its_stated_error_of_the_exact_one(threads):
    """At 95 % of the sizes, and more; five seeds."""
    keys = streams()["zipf .9"]
    exact = cs.hit_rate_curve(keys)
    for seed in range(5):
        curve = cs.hit_rate_curve(keys, parts=8, seed=seed, executor=threads)
        off = np.abs(curve.hit_ratios - [exact.at(size) for size in curve.sizes.tolist()])
        assert curve.half_widths is not None
        assert (off <= curve.half_widths).mean() > 0.95
        assert off.mean() < 0.001


@pytest.mark.parametrize("parts", [2, 8])
def test_a_loop_is_exact_in_parts(parts, threads):
    """Its hit ratio jumps from 0 to all at one size, and the shares of the parts jump there, too."""
    keys = streams()["loop"]
    curve = cs.hit_rate_curve(keys, "lru", [16, 2500, 4990, 5000, 5001], parts=parts, executor=threads)
    assert curve.misses.tolist() == [200_000, 200_000, 200_000, 5000, 5000]


SCALING = ("zipf .9", "zipf .6", "alike", "zipf and loop", "web07", "web12")


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 4, 8, 16])
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        *((name, "lru") for name in [*streams(), "web07", "web12", "orm-night"]),
        *((name, policy) for name in SCALING for policy in ("sieve", "s3-fifo")),
    ],
)
def test_intervals_cover_what_they_should(name, policy, parts, threads):
    """Of 95 % intervals; sizes of one seed hang together: twenty seeds have a standard error of .05; four of them."""
    keys = streams()[name] if name in streams() else recorded(name)
    _, covered = compared(keys, policy, parts, 20, threads)
    assert covered > 0.95 - 4 * 0.05


@pytest.mark.slow
def test_what_does_not_scale_is_no_secret(threads):
    """Small caches of SIEVE keep more of a stream that comes back in long rounds; the parts cannot tell."""
    keys = recorded("orm-night")
    exact = cs.hit_rate_curve(keys, "sieve", [432])
    curve = cs.hit_rate_curve(keys, "sieve", [432], parts=8, executor=threads)
    assert curve.half_widths is not None
    assert 0.04 < curve.hit_ratios[0] - exact.hit_ratios[0] < 0.08
    assert curve.half_widths[0] < 0.03
