"""Streams of keys for the lesson on eviction, and what caches that are already full make of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from cachetools import Cache
from numpy.typing import NDArray

from cachesim.curves.measuring import hit_rate_curve
from cachesim.policies.replay import replay
from cachesim.world.keys import Documentation, Zipf

__all__ = ["NightlyJob", "documentation", "nightly_job", "steady_curves", "zipf_stream"]


def zipf_stream(n: int, alpha: float, requests: int, *, seed: int = 1) -> NDArray[np.int64]:
    """So many requests for `n` keys, 0 the most popular; that of rank i, from 1, is asked in proportion to i^-alpha.

    >>> zipf_stream(1000, 0.9, 5).tolist()
    [50, 767, 1, 759, 10]
    """
    bounds = np.cumsum(Zipf(n=n, alpha=alpha).probabilities())
    bounds[-1] = 1.0
    return bounds.searchsorted(np.random.default_rng(seed).random(requests), side="right")


def documentation() -> list[str]:
    """The words of Python's documentation, in order: a real stream that everybody has.

    >>> len(documentation()) > 10_000
    True
    """
    return list(Documentation().stream(np.random.default_rng(1)))


def steady_curves(
    n: int, alpha: float, policies: Iterable[str], sizes: Sequence[int], requests: int, *, seed: int = 1
) -> dict[str, pd.DataFrame]:
    """Hit ratios by size of full caches, for a stream as `zipf_stream` makes it: frames with size and hit_ratio.

    The cold start is left out. First each key is asked once, the one not asked for longest first, in an order as if the
    stream had gone on for ever (the times since the last request are exponential with the keys' rates): so LRU begins
    in its steady state. The others settle for as many requests as are counted afterwards, `requests`. LRU comes at all
    sizes between the first and the last.

    >>> curve = steady_curves(1000, 0.8, ["lru"], [100], 100_000)["lru"]
    >>> round(float(curve["hit_ratio"].iloc[0]), 2)  # Che: .3778
    0.38
    """
    shares = np.array(Zipf(n=n, alpha=alpha).probabilities())
    ages = np.random.default_rng([seed, 1]).standard_exponential(n) / shares
    stream = np.append(np.argsort(-ages), zipf_stream(n, alpha, 2 * requests, seed=seed))
    curves = {}
    for policy in policies:
        asked = range(min(sizes), max(sizes) + 1) if policy == "lru" else sizes
        whole, settling = (hit_rate_curve(keys, policy, asked) for keys in (stream, stream[:-requests]))
        hit_ratios = 1 - (whole.misses - settling.misses) / requests
        curves[policy] = pd.DataFrame({"size": whole.sizes, "hit_ratio": hit_ratios})
    return curves


class NightlyJob(NamedTuple):
    """Requests of users, and among them, from the `begins`-th to the `ends`-th, those of a job that reads much once."""

    keys: NDArray[np.int64]
    of_users: NDArray[np.bool_]
    begins: int
    ends: int

    def hit_ratio(self, cache: Cache[int, Any]) -> pd.Series[float]:
        """Of the users' requests, by how many of them there were: one value for each thousand."""
        hits = np.fromiter(replay(cache, self.keys.tolist()), bool)[self.of_users]
        thousands = np.arange(1000, len(hits) + 1, 1000)
        return pd.Series(hits.reshape(-1, 1000).mean(axis=1), thousands)


def nightly_job(*, n: int = 1000, alpha: float = 0.9, scans: int = 3, seed: int = 1) -> NightlyJob:
    """20,000 requests of users for `n` keys, as `zipf_stream` makes them, and those of a job in the middle.

    The job asks for `scans` keys after each request of a user, and for no key twice.

    >>> job = nightly_job()
    >>> len(job.keys), int(job.of_users.sum())
    (38000, 20000)
    """
    users = zipf_stream(n, alpha, 20_000, seed=seed)
    begins, ends = 7_000, 13_000
    job = np.arange(n, n + scans * (ends - begins)).reshape(-1, scans)
    middle = np.column_stack([users[begins:ends], job]).ravel()
    keys = np.concatenate([users[:begins], middle, users[ends:]])
    return NightlyJob(keys, keys < n, begins, ends)
