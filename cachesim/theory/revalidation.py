"""Stale-while-revalidate, one key: how many requests are served stale, how many wait, and for how long.

A value is fresh for F seconds from its store, then stale for S, then gone. The first request past the fresh time comes
E later, exponential with mean 1 / lambda, and starts the load, in the background if E <= S; D later the next value is
stored, so that a cycle takes F + E + D, whatever S is. Requests during the load are served stale for
w = min(D, S - E), and wait for the load after that; all D of it if E > S. With m = min(D, S) and
q = e^(-lambda (S - m)), lambda E[w] = lambda m - q + e^(-lambda S). The formulas are ours, by renewal and reward.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

__all__ = ["RevalidationShares", "revalidation_share_errors", "revalidation_shares", "revalidation_wait"]


class RevalidationShares(NamedTuple):
    """Shares of requests; they add up to 1. `waiting`: misses, and delayed hits for want of anything to serve."""

    hit: float
    stale_hit: float
    waiting: float


def revalidation_shares(rate: float, load_time: float, fresh_for: float, stale_for: float) -> RevalidationShares:
    """Hits : stale hits : requests that wait are lambda F : 1 + lambda m - q : lambda (D - m) + q.

    For a hot key, lambda F : 1 + lambda D : 0.

    >>> [round(share, 4) for share in revalidation_shares(rate=10, load_time=0.5, fresh_for=2, stale_for=3)]
    [0.7692, 0.2308, 0.0]
    >>> [round(share, 4) for share in revalidation_shares(rate=0.4, load_time=0.5, fresh_for=2, stale_for=3)]
    [0.4, 0.4161, 0.1839]
    """
    served, late = min(load_time, stale_for), _late(rate, load_time, stale_for)
    cycle = 1 + rate * (fresh_for + load_time)
    return RevalidationShares(
        rate * fresh_for / cycle, (1 + rate * served - late) / cycle, (rate * (load_time - served) + late) / cycle
    )


def revalidation_share_errors(
    rate: float, load_time: float, fresh_for: float, stale_for: float, cycles: int
) -> RevalidationShares:
    """Standard errors of `revalidation_shares` over so many cycles.

    That of a ratio r of sums over cycles, Y over N, is the root of Var(Y - r N) / cycles, over E[N]. Given E all
    numbers of requests are Poisson, and 1 + lambda w (0 if E > S) has the variance 2 q - q^2 - e^(-lambda S).

    >>> errors = revalidation_share_errors(rate=10, load_time=0.5, fresh_for=2, stale_for=3, cycles=100)
    >>> [round(error, 4) for error in errors]
    [0.0077, 0.0077, 0.0]
    """
    hit, stale_hit, waiting = revalidation_shares(rate, load_time, fresh_for, stale_for)
    served, late = min(load_time, stale_for), _late(rate, load_time, stale_for)
    fresh, during, gone = rate * fresh_for, rate * load_time, exp(-rate * stale_for)
    during_stale, spread = rate * served - late + gone, 2 * late - late**2 - gone
    variances = (
        (1 - hit) ** 2 * fresh + hit**2 * during,
        stale_hit**2 * (fresh + during) + (1 - 2 * stale_hit) * during_stale + spread,
        waiting**2 * (fresh + during) + (1 - 2 * waiting) * (during - during_stale) + spread,
    )
    return RevalidationShares(*(sqrt(max(variance, 0.0) / cycles) / (1 + fresh + during) for variance in variances))


def revalidation_wait(rate: float, load_time: float, fresh_for: float, stale_for: float) -> float:
    """Mean wait of a request in seconds, served at once or not.

    (q (lambda y^2 / 2 + y + 1 / lambda) - e^(-lambda S) / lambda) / (1 + lambda (F + D)), y = D - m. Without stale time
    it is `single_flight_wait`.

    >>> round(revalidation_wait(rate=0.4, load_time=0.5, fresh_for=2, stale_for=3), 5)
    0.08336
    """
    late, unserved = _late(rate, load_time, stale_for), load_time - min(load_time, stale_for)
    waits = late * (rate * unserved**2 / 2 + unserved + 1 / rate) - exp(-rate * stale_for) / rate
    return waits / (1 + rate * (fresh_for + load_time))


def _late(rate: float, load_time: float, stale_for: float) -> float:
    """q: the probability that the load ends too late for all of its requests to be served stale."""
    return exp(-rate * (stale_for - min(load_time, stale_for)))
