"""Cache-aside when writes delete the key: hits, loads, and values that a late fill leaves behind.

Reads and writes of a key are Poisson, of rates lambda and mu per second; a load takes the constant time D, with single
flight, and a value lives T from its fill or until the next write commits. One process, and Redis answers at once.
"""

from __future__ import annotations

from math import exp, expm1, sqrt
from typing import NamedTuple

from cachesim.theory.ttl_caches import Shares

__all__ = [
    "late_fill_shares",
    "late_fill_stale_ratio",
    "late_fill_stale_variance",
    "leased_load_variance",
    "leased_shares",
    "leased_variance",
]


class _Until(NamedTuple):
    """Mean and mean square of the time until the next write, or `limit` if that is sooner."""

    mean: float
    square: float

    @classmethod
    def write(cls, write_rate: float, limit: float) -> _Until:
        if write_rate == 0:
            return cls(limit, limit**2)
        mean = -expm1(-write_rate * limit) / write_rate
        return cls(mean, 2 * (mean - limit * exp(-write_rate * limit)) / write_rate)


def leased_shares(rate: float, load_time: float, ttl: float, write_rate: float) -> Shares:
    """Shares of reads where a load that a write has overtaken is neither joined nor stored: leases.

    A cycle begins when there is neither a value nor a load to join. It has a miss, lambda a delayed hits with
    a = (1 - e^(-mu D)) / mu, and, if no write comes in D, lambda b hits with b = (1 - e^(-mu T)) / mu. Without writes
    these are `single_flight_shares`.

    >>> [round(share, 4) for share in leased_shares(rate=2, load_time=0.5, ttl=5, write_rate=0.1)]
    [0.7912, 0.1031, 0.1057]
    """
    loading, living = _Until.write(write_rate, load_time).mean, _Until.write(write_rate, ttl).mean
    hits = rate * living * exp(-write_rate * load_time)
    reads = 1 + rate * loading + hits
    return Shares(hits / reads, rate * loading / reads, 1 / reads)


def leased_variance(rate: float, load_time: float, ttl: float, write_rate: float, weights: Shares) -> float:
    """Variance per second, in a long run, of a sum over reads in which each counts the weight of its outcome.

    With C the length of a cycle and X its sum, it is Var(X - E[X] / E[C] C) / E[C] (renewal and reward), for the cycles
    of `leased_shares`. Keys are independent: their variances add up.

    >>> loads = leased_variance(rate=2, load_time=0.5, ttl=5, write_rate=0.1, weights=Shares(0, 0, 1))
    >>> round(loads, 4)
    0.033
    """
    loading, living = _Until.write(write_rate, load_time), _Until.write(write_rate, ttl)
    kept = exp(-write_rate * load_time)  # the probability that the value is stored
    length = 1 / rate + loading.mean + kept * living.mean
    total = weights.miss + rate * (weights.delayed_hit * loading.mean + weights.hit * kept * living.mean)
    reward = total / length
    during, after = rate * weights.delayed_hit - reward, rate * weights.hit - reward
    counts = rate * (weights.delayed_hit**2 * loading.mean + weights.hit**2 * kept * living.mean)
    mean = during * loading.mean + after * kept * living.mean
    square = during**2 * loading.square + kept * (
        2 * during * after * load_time * living.mean + after**2 * living.square
    )
    return (counts + (reward / rate) ** 2 + square - mean**2) / length


def leased_load_variance(rate: float, load_time: float, ttl: float, write_rate: float, seconds: float) -> float:
    """Variance of the number of loads in so many seconds, as if a cycle were a constant and an exponential time.

    The long run's, and what the two ends of the window add: 1/6 + s^4/2 - 2 s^3/3, where s is the coefficient of
    variation of the length of a cycle (Cox, "Renewal Theory", 1962, chapter 4; 0 for s = 1). Approximate.

    >>> round(leased_load_variance(rate=2, load_time=0.5, ttl=5, write_rate=0.1, seconds=100), 3)
    3.443
    """
    where = rate, load_time, ttl, write_rate
    growth = leased_variance(*where, Shares(0, 0, 1))
    s = sqrt(growth / (rate * leased_shares(*where).miss))
    return growth * seconds + 1 / 6 + s**4 / 2 - 2 * s**3 / 3


def late_fill_shares(rate: float, load_time: float, ttl: float, write_rate: float) -> Shares:
    """Shares of reads where a load is joined and stored whatever was written meanwhile: a lock for each key.

    A cycle has a miss, lambda D delayed hits, and lambda b hits with b = (1 - e^(-mu T)) / mu.

    >>> [round(share, 4) for share in late_fill_shares(rate=2, load_time=0.5, ttl=5, write_rate=0.1)]
    [0.7974, 0.1013, 0.1013]
    """
    hits = rate * _Until.write(write_rate, ttl).mean
    reads = 1 + rate * load_time + hits
    return Shares(hits / reads, rate * load_time / reads, 1 / reads)


def late_fill_stale_ratio(rate: float, load_time: float, ttl: float, write_rate: float) -> float:
    """Share of reads that are given a value older than what was committed when they came, as in `late_fill_shares`.

    A write comes during the load with probability q = 1 - e^(-mu D) (`stale_fill_ratio`). Then all hits of the cycle,
    lambda b, are stale, and so are the delayed hits after it: lambda (q b + D - a) in a cycle.

    >>> round(late_fill_stale_ratio(rate=2, load_time=0.5, ttl=5, write_rate=0.1), 4)
    0.0414
    """
    loading, living = _Until.write(write_rate, load_time).mean, _Until.write(write_rate, ttl).mean
    stale = rate * (-expm1(-write_rate * load_time) * living + load_time - loading)
    return stale * late_fill_shares(rate, load_time, ttl, write_rate).miss


def late_fill_stale_variance(rate: float, load_time: float, ttl: float, write_rate: float, ratio: float) -> float:
    """Variance per second, in a long run, of the number of such reads less `ratio` times that of all reads.

    As in `leased_variance`. With S whether a write comes in the load, M what is left of the load after it and B the
    life of the value, lambda M + S lambda B reads of a cycle are stale on average.

    >>> ratio = late_fill_stale_ratio(rate=2, load_time=0.5, ttl=5, write_rate=0.1)
    >>> round(late_fill_stale_variance(rate=2, load_time=0.5, ttl=5, write_rate=0.1, ratio=ratio), 4)
    0.8353
    """
    if write_rate == 0:
        return 0.0
    loading, living = _Until.write(write_rate, load_time).mean, _Until.write(write_rate, ttl)
    late = -expm1(-write_rate * load_time)
    left = load_time - loading
    left_square = load_time**2 - 2 * left / write_rate
    length = 1 / rate + load_time + living.mean
    reward = (rate * (left + late * living.mean) - ratio * rate * length) / length
    stale, fresh = rate * (1 - ratio) - reward, -rate * ratio - reward  # for each second of a life
    counts = rate * (
        (1 - ratio) ** 2 * (left + late * living.mean) + ratio**2 * (load_time - left + (1 - late) * living.mean)
    )
    mean = rate * left + (late * stale + (1 - late) * fresh) * living.mean
    square = (
        rate**2 * left_square
        + 2 * rate * left * stale * living.mean
        + (late * stale**2 + (1 - late) * fresh**2) * living.square
    )
    return (counts + (reward / rate) ** 2 + square - mean**2) / length
