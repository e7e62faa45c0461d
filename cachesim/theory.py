"""Closed forms that a simulation can be held against; each says its assumptions and its source.

Symbols: `rate` is the arrival rate lambda in requests/s, `load_time` the time D of a load and `ttl` the lifetime T in
seconds, counted from the fill and not renewed by reads. Arrivals are Poisson throughout. Every formula is exact.
"""

from __future__ import annotations

from math import exp, factorial
from typing import NamedTuple

__all__ = [
    "Shares",
    "erlang_c_wait",
    "single_flight_shares",
    "stampede_size",
    "ttl_hit_ratio",
    "unprotected_miss_ratio",
]


def stampede_size(rate: float, load_time: float) -> float:
    """Mean number of loads when one key expires without protection, loads of constant time: 1 + lambda D.

    The first request after the expiry loads, and so does every one that arrives before that load ends, a Poisson number
    of mean lambda D. It is the mean episode size as long as the TTL is much longer than a load.

    >>> stampede_size(rate=100, load_time=0.5)
    51.0
    """
    return 1 + rate * load_time


def unprotected_miss_ratio(rate: float, load_time: float, ttl: float) -> float:
    """Miss ratio of one key without single flight, constant load time, each completion renewing the TTL.

    (1 + lambda D) / (lambda (2 D + T) + e^(-lambda D)): a cycle has 1 + lambda D misses on average, and lasts from one
    first miss over the last completion (D after the last miss) and the TTL to the next arrival; for T >= D.

    >>> round(unprotected_miss_ratio(rate=2, load_time=0.5, ttl=5), 6)
    0.161709
    """
    return (1 + rate * load_time) / (rate * (2 * load_time + ttl) + exp(-rate * load_time))


def ttl_hit_ratio(rate: float, ttl: float) -> float:
    """Hit ratio of one key whose load takes no time: lambda T / (1 + lambda T).

    >>> round(ttl_hit_ratio(rate=2, ttl=5), 6)
    0.909091
    """
    return rate * ttl / (1 + rate * ttl)


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


def erlang_c_wait(rate: float, service_time: float, servers: int) -> float:
    """Mean wait in seconds for a free server in an M/M/c queue (Erlang 1917): C(c, a) / (c mu - lambda).

    `service_time` is the mean 1/mu of exponential services. Raises `ValueError` when the load is not below 1.

    >>> round(erlang_c_wait(rate=2, service_time=1, servers=3), 7)
    0.4444444
    """
    offered = rate * service_time
    if offered >= servers:
        raise ValueError(
            f"offered load {offered:g} is not below the number of servers, {servers}: the queue only grows"
        )
    waits = offered**servers / factorial(servers) * servers / (servers - offered)
    busy = waits / (sum(offered**k / factorial(k) for k in range(servers)) + waits)
    return busy * service_time / (servers - offered)
