"""Overload that outlasts its cause: how fast a stuck database is asked, below what it heals, how a lost cache refills.

Bronson, Aghayev, Charapko and Zhu, "Metastable Failures in Distributed Systems", HotOS 2021; Huang et al., "Metastable
Failures in the Wild", OSDI 2022. A trigger (an outage, a flush) pushes the database over its capacity; then something
that it causes itself, retries or an empty cache, keeps it there when the trigger has gone. Rates are balanced here, in
the mean: whether a given run is pushed over is for a simulation to say.

Queries once issued are worked off even if their callers have gone, and the `capacity` of a database is the most
queries/s that it ends: connections over mean service time.
"""

from __future__ import annotations

from math import exp, expm1, sqrt

__all__ = [
    "flight_time",
    "healing_request_rate",
    "look_aside_query_rate",
    "outage_backlog",
    "refill_time",
    "storm_probability",
    "stuck_query_rate",
]


def stuck_query_rate(rate: float, retries: int) -> float:
    """Queries per second that a database is asked while every attempt times out: lambda (1 + r).

    `rate` is that of the clients' requests, each of which is tried again `retries` times. Exact while the wait for the
    database is longer than the clients' time-out.

    >>> stuck_query_rate(rate=280, retries=1)
    560
    """
    return rate * (1 + retries)


def healing_request_rate(capacity: float, retries: int) -> float:
    """Requests per second below which a stuck database works off its queue, and heals: capacity / (1 + r).

    Above it `stuck_query_rate` is more than the capacity, and the queue only grows. Between it and the capacity a run
    may go well for ever, or be stuck for ever after one outage: the system is *vulnerable*. Exact.

    >>> healing_request_rate(capacity=300, retries=1)
    150.0
    """
    return capacity / (1 + retries)


def outage_backlog(rate: float, retries: int, timeout: float, outage: float) -> float:
    """Queries that wait at the end of an outage, on average: lambda times the sum of L - j t over attempts j = 0..r.

    Each request of the `outage` (L seconds) asks at once and again after each `timeout` (t seconds), as long as the
    outage lasts and it has retries left. Exact for Poisson arrivals and a queue that is empty before.

    >>> outage_backlog(rate=280, retries=1, timeout=1, outage=10)
    5320
    """
    return rate * sum(max(0, outage - attempt * timeout) for attempt in range(retries + 1))


def storm_probability(
    rate: float, retries: int, timeout: float, outage: float, *, capacity: float, service_time: float, time: float
) -> float:
    """Probability that `time` s after an outage every attempt still times out.

    An attempt is answered in time when fewer than C (t - service time) queries wait. The backlog has h more of them,
    and then it grows by d = lambda (1 + r) - C a second, with variance v = lambda (1 + r)^2: a Brownian motion, which
    has not come down by h before s with probability Phi((h + d s) / sqrt(v s)) - e^(-2 d h / v) Phi((d s - h) /
    sqrt(v s)) (Cox and Miller, "The Theory of Stochastic Processes", 1965, section 5.7). Approximate, within .15.

    >>> round(storm_probability(9, 1, timeout=1, outage=8, capacity=20, service_time=0.1, time=40), 2)
    0.79
    """
    from scipy.special import log_ndtr, ndtr

    above = outage_backlog(rate, retries, timeout, outage) - capacity * (timeout - service_time)
    if above <= 0:
        return 0.0
    variance = rate * (1 + retries) ** 2
    growth, spread = stuck_query_rate(rate, retries) - capacity, sqrt(variance * time)
    reflected = log_ndtr((growth * time - above) / spread) - 2 * growth * above / variance
    return float(ndtr((above + growth * time) / spread) - exp(reflected))


def look_aside_query_rate(rate: float, keys: int, ttl: float) -> float:
    """Queries per second that a look-aside cache of n equally popular keys lets through: lambda / (1 + lambda T / n).

    `rate` is that of all keys together, and what reaches the database when the cache is lost: where its capacity lies
    between the two, the system is vulnerable to a flush. Exact for loads that take no time (`ttl_hit_ratio`).

    >>> look_aside_query_rate(rate=3000, keys=1000, ttl=5)
    187.5
    """
    return rate / (1 + rate * ttl / keys)


def refill_time(keys: int, capacity: float) -> float:
    """Seconds in which a database alone can refill an empty cache with single flight: n / capacity.

    Approximate, and a lower bound: each key is loaded once, and the database has something to do all the while. So
    each key must be asked for well before that, and by callers who stay until it is loaded (`flight_time`).

    >>> round(refill_time(keys=1000, capacity=300), 2)
    3.33
    """
    return keys / capacity


def flight_time(rate: float, timeout: float) -> float:
    """Mean time in seconds that callers keep an endless load of one key under way: (e^(lambda t) - 1) / lambda.

    `rate` is that of the key; with single flight each caller waits for at most `timeout` seconds, and the load is given
    up when the last of them leaves. One that has to queue for longer than that is mostly given up before it fills the
    cache. Exact where nobody tries again: the mean busy period of an M/G/infinity queue (Takács, "Introduction to the
    Theory of Queues", 1962).

    >>> round(flight_time(rate=3, timeout=1), 2), round(flight_time(rate=1, timeout=1), 2)
    (6.36, 1.72)
    """
    return expm1(rate * timeout) / rate
