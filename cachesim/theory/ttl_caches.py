"""Hit ratios, loads and staleness of caches whose entries live for a fixed time.

Source of the renewal argument: Jung, Berger and Balakrishnan, "Modeling TTL-based Internet Caches", INFOCOM 2003. A
cycle begins with a miss; then come the load, the lifetime, and the wait for the next request.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, exp, expm1, fsum
from typing import NamedTuple

from cachesim.theory.delayed_hits import waiting_per_miss

__all__ = [
    "LayeredHitRatios",
    "Shares",
    "TtlCache",
    "capped_layered_hit_ratios",
    "layered_hit_ratios",
    "renewed_ttl_hit_ratio",
    "single_flight_shares",
    "single_flight_wait",
    "stale_fill_ratio",
    "stale_hit_ratio",
    "staleness_bound",
    "ttl_cache",
    "ttl_hit_ratio",
    "unprotected_cycle",
    "unprotected_miss_ratio",
]

# ── One key ───────────────────────────────────────────────────────────────────────────────────────────────────────


def ttl_hit_ratio(rate: float, ttl: float) -> float:
    """Hit ratio of one key whose load takes no time: lambda T / (1 + lambda T) (Jung et al. 2003).

    >>> round(ttl_hit_ratio(rate=2, ttl=5), 6)
    0.909091
    """
    return rate * ttl / (1 + rate * ttl)


def renewed_ttl_hit_ratio(rate: float, ttl: float) -> float:
    """Hit ratio of one key whose load takes no time and whose every read renews the TTL: 1 - e^(-lambda T).

    A request hits if the one before it came at most T earlier.

    >>> round(renewed_ttl_hit_ratio(rate=0.5, ttl=2), 6)
    0.632121
    """
    return -expm1(-rate * ttl)


class Shares(NamedTuple):
    """Shares of requests; they add up to 1."""

    hit: float
    delayed_hit: float
    miss: float


def single_flight_shares(rate: float, load_time: float, ttl: float) -> Shares:
    """Hits : delayed hits : misses of one key with single flight and constant load time are lambda T : lambda D : 1.

    >>> [round(share, 4) for share in single_flight_shares(rate=2, load_time=0.5, ttl=5)]
    [0.8333, 0.0833, 0.0833]
    """
    cycle = 1 + rate * (ttl + load_time)
    return Shares(rate * ttl / cycle, rate * load_time / cycle, 1 / cycle)


def single_flight_wait(rate: float, load_time: float, ttl: float) -> float:
    """Mean wait in seconds of a request for one key with single flight and constant load time, hits included.

    (D + lambda D^2 / 2) / (1 + lambda (T + D)): the waits of one cycle over its requests.

    >>> round(single_flight_wait(rate=20, load_time=0.25, ttl=2), 7)
    0.0190217
    """
    return waiting_per_miss(rate, load_time) / (1 + rate * (ttl + load_time))


def unprotected_cycle(rate: float, load_time: float, ttl: float) -> float:
    """Mean time in seconds from one stampede on a key to the next, without single flight, constant load time.

    T + 2 D + e^(-lambda D) / lambda, each completion renewing the TTL, for T >= D: the last miss comes
    D - (1 - e^(-lambda D)) / lambda after the first on average, its load ends D later, and after the TTL the next
    request is 1 / lambda away.

    >>> round(unprotected_cycle(rate=100, load_time=0.5, ttl=60), 3)
    61.0
    """
    return ttl + 2 * load_time + exp(-rate * load_time) / rate


def unprotected_miss_ratio(rate: float, load_time: float, ttl: float) -> float:
    """Miss ratio of one key without single flight, constant load time, each completion renewing the TTL.

    (1 + lambda D) / (lambda (2 D + T) + e^(-lambda D)): the misses of one `unprotected_cycle` over its requests;
    for T >= D.

    >>> round(unprotected_miss_ratio(rate=2, load_time=0.5, ttl=5), 6)
    0.161709
    """
    return (1 + rate * load_time) / (rate * unprotected_cycle(rate, load_time, ttl))


# ── Many keys ─────────────────────────────────────────────────────────────────────────────────────────────────────


class TtlCache(NamedTuple):
    """What a TTL cache of many keys does on average."""

    hit_ratio: float
    entries: float
    """Entries within their lifetime, at any time."""
    load_rate: float
    """Loads per second."""


def ttl_cache(rates: Iterable[float], ttl: float) -> TtlCache:
    """A TTL cache without a bound on its size, whose loads take no time; `rates` holds the requests/s of each key.

    A key is in the cache for a share h_i = lambda_i T / (1 + lambda_i T) of the time: `hit_ratio` is the mean of the
    h_i weighted by rate, `entries` their sum, `load_rate` the sum of lambda_i (1 - h_i).

    >>> weights = [rank**-0.8 for rank in range(1, 1001)]
    >>> cache = ttl_cache([100 * weight / sum(weights) for weight in weights], ttl=10)
    >>> round(cache.hit_ratio, 6), round(cache.entries, 2), round(cache.load_rate, 3)
    (0.631721, 368.28, 36.828)
    """
    rates = list(rates)
    entries = fsum(ttl_hit_ratio(rate, ttl) for rate in rates)
    total, load_rate = fsum(rates), entries / ttl  # an entry has one load and lives for T
    return TtlCache(1 - load_rate / total, entries, load_rate)


# ── Two layers ────────────────────────────────────────────────────────────────────────────────────────────────────


class LayeredHitRatios(NamedTuple):
    """Hits in a layer over the requests that reached it, and hits in either over all requests."""

    l1: float
    l2: float
    overall: float


def layered_hit_ratios(rate: float, nodes: int, l1_ttl: float, l2_ttl: float) -> LayeredHitRatios:
    """Hit ratios of one key in `nodes` in-process caches over a shared one, lifetimes T1 and T2 independent.

    `rate` is that of one node, loads take no time, and an L1 entry lives for T1 whatever is left of its L2 entry
    (`l1_cap=False`). L1 is exact, lambda T1 / (1 + lambda T1). L2 is approximate: the misses of all nodes together are
    taken as a Poisson stream, of rate k lambda / (1 + lambda T1).

    >>> [round(ratio, 6) for ratio in layered_hit_ratios(rate=5, nodes=10, l1_ttl=1, l2_ttl=10)]
    [0.833333, 0.988142, 0.998024]
    """
    l1 = ttl_hit_ratio(rate, l1_ttl)
    l2 = ttl_hit_ratio(nodes * rate * (1 - l1), l2_ttl)
    return LayeredHitRatios(l1, l2, 1 - (1 - l1) * (1 - l2))


def capped_layered_hit_ratios(rate: float, nodes: int, l1_ttl: float, l2_ttl: float) -> LayeredHitRatios:
    """Hit ratios of one key in `nodes` in-process caches over a shared one that no L1 entry outlives.

    `rate` is that of one node and loads take no time. When the L2 entry ends every L1 is empty, so the next request,
    1 / (k lambda) later on average, starts everything afresh: a cycle has 1 + k lambda T2 requests and one load. Within
    it the L1 misses of a node are a renewal process, gaps T1 + an exponential time; it starts with a miss on the node
    that loads, and with the exponential time on the others. The mean number of misses in T2 is a sum of gamma
    probabilities.

    >>> [round(ratio, 6) for ratio in capped_layered_hit_ratios(rate=5, nodes=10, l1_ttl=1, l2_ttl=10)]
    [0.826413, 0.988501, 0.998004]
    """
    from scipy.special import gammainc

    waits = [rate * (l2_ttl - fill * l1_ttl) for fill in range(ceil(l2_ttl / l1_ttl))]
    loading = 1 + fsum(gammainc(fill, wait) for fill, wait in enumerate(waits) if fill > 0)
    other = fsum(gammainc(fill + 1, wait) for fill, wait in enumerate(waits))
    requests, l1_misses = 1 + nodes * rate * l2_ttl, loading + (nodes - 1) * other
    return LayeredHitRatios(1 - l1_misses / requests, 1 - 1 / l1_misses, 1 - 1 / requests)


# ── Staleness ─────────────────────────────────────────────────────────────────────────────────────────────────────


def stale_hit_ratio(write_rate: float, ttl: float) -> float:
    """Share of hits that are stale when writes pass the cache by: 1 - (1 - e^(-mu T)) / (mu T).

    Writes are Poisson of rate mu per second and key, loads take no time. The age of an entry at a hit is uniform in
    [0, T], and it is stale at age a with probability 1 - e^(-mu a).

    >>> round(stale_hit_ratio(write_rate=0.1, ttl=5), 6)
    0.213061
    """
    return 1 + expm1(-write_rate * ttl) / (write_rate * ttl)


def stale_fill_ratio(write_rate: float, fill_delay: float) -> float:
    """Share of fills that are stale from the start in cache-aside without leases: 1 - e^(-mu d).

    Writes are Poisson of rate mu per second and key, and delete the key; `fill_delay` is the time d in seconds from
    the start of the read's service in the database to the execution of the SET. With leases the share is 0.

    >>> round(stale_fill_ratio(write_rate=0.5, fill_delay=0.1), 7)
    0.0487706
    """
    return -expm1(-write_rate * fill_delay)


def staleness_bound(lifetime: float, fill_delay: float) -> float:
    """The longest a value can have been out of date when it is served, in seconds: lifetime + fill delay; never more.

    `lifetime` counts from the fill: the TTL, which jitter only shortens, or `fresh_for + stale_for` with
    stale-while-revalidate. `fill_delay` runs from the start of the load's service in the database, which sees what was
    committed then, to the execution of the SET. With invalidation by messages, the delay of a message that arrives is
    the bound instead.

    >>> staleness_bound(lifetime=10, fill_delay=0.5)
    10.5
    """
    return lifetime + fill_delay
