"""Copies in the memory of several processes, which are told of writes, or are not.

A process keeps a copy of one key for T seconds from its fill, and reads it at `rate`. Writes that it hears of end the
copy, at `heard_rate` per second; writes that it does not hear of, at `missed_rate`, leave it there, stale from then on.
Both are Poisson, loads take no time, and a copy is fresh when it is made. The formulas are ours, by renewal and reward.
"""

from __future__ import annotations

from math import expm1
from typing import NamedTuple

__all__ = ["CopyTimes", "copy_times", "stale_read_ratio"]


class CopyTimes(NamedTuple):
    """Means over the copies that a process makes, in seconds."""

    held: float
    """From its fill until it expires or a message ends it."""
    fresh: float
    """Of that, until the first write, heard of or not."""


def copy_times(heard_rate: float, missed_rate: float, ttl: float, delay: float = 0.0) -> CopyTimes:
    """How long a copy is held, and how long it is fresh, on average.

    held: d + (1 - e^(-h (T - d))) / h, with h the `heard_rate` and d the `delay` of a message, at most T; fresh:
    (1 - e^(-mu T)) / mu, with mu the rate of all writes. Exact without delay; with one, a message that was under way
    when the copy was made is left out, a share h d of them.

    >>> [round(time, 4) for time in copy_times(heard_rate=0.05, missed_rate=0.05, ttl=5)]
    [4.424, 3.9347]
    """
    lasting, rate = ttl - delay, heard_rate + missed_rate
    held = delay + (lasting if heard_rate == 0 else -expm1(-heard_rate * lasting) / heard_rate)
    return CopyTimes(held, -expm1(-rate * ttl) / rate)


def stale_read_ratio(rate: float, heard_rate: float, missed_rate: float, ttl: float, delay: float = 0.0) -> float:
    """Share of reads served from a copy that a write has made stale: lambda (held - fresh) / (1 + lambda held).

    One read makes each copy; lambda held reads find it, and lambda fresh of them find it fresh (`copy_times`). Where
    no write is heard of, over the share of hits, this is `stale_hit_ratio`.

    >>> round(stale_read_ratio(rate=5, heard_rate=0.05, missed_rate=0.05, ttl=5), 6)
    0.105816
    """
    held, fresh = copy_times(heard_rate, missed_rate, ttl, delay)
    return rate * (held - fresh) / (1 + rate * held)
