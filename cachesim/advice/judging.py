"""Whether the usual targets are within reach of a log, what stands in the way, and what to take.

The targets are customary ones: above 90 % of the hot data from an in-process cache, above 80 % of all from Redis. All
other thresholds here are ours.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.advice.caches import LIFETIMES, RIVALS, ROUND_SIZES, SIZES, Cell
from cachesim.advice.key_design import Change
from cachesim.advice.observing import Observed
from cachesim.estimates import Estimate
from cachesim.theory import ttl_hit_ratio

__all__ = [
    "HOT_KEYS",
    "Cause",
    "Hot",
    "Recommendation",
    "Target",
    "gain",
    "hot_data",
    "judge",
    "lifetimes",
    "recommend",
    "size_for",
]

Cause = Literal["", "writes", "lifetime", "keys", "data"]

HOT_KEYS = 10_000
"""The hot data are the keys asked most, as many as the pattern in-process holds unless told otherwise."""

_IN_PROCESS, _REDIS = 0.9, 0.8
_WORTH_A_CHANGE = 0.05
"""A gain in hit ratio for which one changes the keys, even if the target stays out of reach."""
_WORTH_A_POLICY = 0.02
_AS_GOOD = 0.01
"""A longer lifetime that gives no more than this is not worth older values."""


class Hot(NamedTuple):
    """The keys asked most, `HOT_KEYS` at most."""

    keys: int
    share: float
    """Of all reads."""

    hit_ratio: float
    """Of the reads of these keys, each loaded when its lifetime is over, if they come as a Poisson process."""


class Target(NamedTuple):
    """A hit ratio that a kind of cache is usually expected to give, and whether this log lets it."""

    place: Literal["in-process", "redis"]
    bound: float
    hit_ratio: float
    """With the longest lifetime: of the hot data in a process, of all reads in Redis."""

    kept: float
    """The same without any lifetime."""

    cause: Cause
    """What stands in the way: writes; the lifetime; the design of keys; the data itself. Empty: nothing."""

    @property
    def met(self) -> bool:
        """Whether it is within reach."""
        return not self.cause


class Recommendation(NamedTuple):
    """What to take first."""

    pattern: Literal["in-process", "cache-aside"]
    size: int | None
    """Entries; None: Redis, with room for every key."""

    ttl: float
    policy: str
    hit_ratio: Estimate
    """With lru, and before what writes cost."""

    @property
    def cell(self) -> Cell:
        """The cache in which it was measured."""
        return Cell(self.size, self.ttl)


def lifetimes(observed: Observed) -> list[float]:
    """Those that the log is long enough to tell of; the shortest in any case."""
    return [ttl for ttl in LIFETIMES if ttl <= observed.seconds] or [LIFETIMES[0]]


def size_for(observed: Observed, hit_ratio: float) -> int | None:
    """The smallest of `SIZES` with at least this hit ratio, without a lifetime; None if there is none."""
    return next((size for size in SIZES if observed.hit_ratio(Cell(size, None)).mean >= hit_ratio), None)


def gain(observed: Observed, change: Change) -> float:
    """How much more would hit in a cache that keeps everything: a key that is another's need not be loaded."""
    return (len(observed.counts) - change.keys) / observed.reads


def hot_data(observed: Observed, ttl: float | None) -> Hot:
    """The hot data, with this lifetime, or kept for ever."""
    counts = np.sort(observed.counts)[-HOT_KEYS:].astype(np.float64)
    loads: NDArray[np.float64] = np.ones_like(counts)
    if ttl is not None:
        hits = np.array([ttl_hit_ratio(rate, ttl) for rate in (counts / observed.seconds).tolist()])
        loads = np.maximum(counts * (1 - hits), 1.0)
    return Hot(len(counts), float(counts.sum()) / observed.reads, float(1 - loads.sum() / counts.sum()))


def judge(observed: Observed) -> list[Target]:
    """Both targets."""
    longest = lifetimes(observed)[-1]
    in_process = hot_data(observed, longest).hit_ratio, hot_data(observed, None).hit_ratio
    redis = observed.hit_ratio(Cell(None, longest)).mean, observed.hit_ratio(Cell(None, None)).mean
    return [
        Target("in-process", _IN_PROCESS, *in_process, _cause(observed, _IN_PROCESS, *in_process)),
        Target("redis", _REDIS, *redis, _cause(observed, _REDIS, *redis)),
    ]


def _cause(observed: Observed, bound: float, reached: float, kept: float) -> Cause:
    if reached >= bound:
        return "writes" if reached - observed.lost_to_writes < bound else ""
    if kept >= bound:
        return "lifetime"
    best = max((gain(observed, change) for change in observed.changes), default=0.0)
    return "keys" if best and (kept + best >= bound or best >= _WORTH_A_CHANGE) else "data"


def recommend(observed: Observed) -> Recommendation:
    """A process's memory where little of it does, else Redis; the shortest lifetime that reaches the target.

    Where none does, the shortest that is as good as the longest.
    """

    def after_writes(size: int | None, ttl: float) -> float:
        return observed.hit_ratio(Cell(size, ttl)).mean - observed.lost_to_writes

    offered = lifetimes(observed)
    for ttl in offered:
        for size in (size for size in ROUND_SIZES if size <= HOT_KEYS):
            if after_writes(size, ttl) >= _IN_PROCESS:
                found = observed.hit_ratio(Cell(size, ttl))
                return Recommendation("in-process", size, ttl, _policy(observed, size), found)
    enough = min(_REDIS, after_writes(None, offered[-1]) - _AS_GOOD)
    ttl = next(ttl for ttl in offered if after_writes(None, ttl) >= enough)
    return Recommendation("cache-aside", None, ttl, "lru", observed.hit_ratio(Cell(None, ttl)))


def _policy(observed: Observed, size: int) -> str:
    """The one that gives the most at this size, if that is worth it."""
    found = {policy: observed.hit_ratio(Cell(size, None, policy)).mean for policy in ("lru", *RIVALS)}
    best = max(found, key=lambda policy: found[policy])
    return best if found[best] > found["lru"] + _WORTH_A_POLICY else "lru"
