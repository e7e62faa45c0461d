"""Writes that reach database and cache in different orders, and what writing to the cache is worth.

Writes of one key are Poisson of rate mu per second. Each is committed, and its message reaches the cache a way later:
independent exponential times of mean m seconds, so that about rho = mu m of them are on their way at any time. No entry
expires between two writes unless a function has a `ttl`. (For writes that delete the key, see `leased_shares`.) The
formulas are ours: when a write commits, each of the Poisson(rho) messages still under way has, without memory, another
exponential way to go.
"""

from __future__ import annotations

from math import exp, expm1

__all__ = [
    "ordered_behind_ratio",
    "overtaken_write_ratio",
    "undone_write_ratio",
    "unordered_behind_ratio",
    "write_through_hit_ratio",
]

_NOTHING = 1e-16


def overtaken_write_ratio(write_rate: float, way: float) -> float:
    """Share of writes whose message arrives after that of the very next write: rho / (2 (1 + rho)).

    The next commits while the message is under way with probability mu / (mu + 1 / m), and then either is the first.

    >>> round(overtaken_write_ratio(write_rate=3, way=0.14), 6)
    0.147887
    """
    load = write_rate * way
    return load / (2 * (1 + load))


def undone_write_ratio(write_rate: float, way: float) -> float:
    """Share of writes whose row is replaced in the cache by an older one: 1 - (1 - e^-rho) / rho.

    A write is safe if all that were under way when it committed arrive before it: with U = e^(-way / m), uniform in
    (0, 1), none of Poisson(rho U) is later than it.

    >>> round(undone_write_ratio(write_rate=3, way=0.14), 6)
    0.183445
    """
    load = write_rate * way
    return 1 + expm1(-load) / load


def unordered_behind_ratio(write_rate: float, way: float) -> float:
    """Share of time in which the cache holds an older row than the database, where it keeps what comes last.

    One minus the alternating sum over n >= 1 of rho^(n-1) / ((1 + rho) ... (n + rho)). The cache is up to date when
    the last write has arrived and nothing older after it: with V = e^(-age of that write / m), the integral of
    v^(rho-1) (1 - e^(-rho (1-v))) over (0, 1).

    >>> round(unordered_behind_ratio(write_rate=3, way=0.14), 6)
    0.404309
    """
    load = write_rate * way
    term, up_to_date, n = 1 / (1 + load), 0.0, 1
    while abs(term) > _NOTHING:
        up_to_date += term
        n += 1
        term *= -load / (n + load)
    return 1 - up_to_date


def ordered_behind_ratio(write_rate: float, way: float) -> float:
    """Share of time in which the cache holds an older row than the database, where only what is newer is kept.

    rho / (1 + rho): the message of the last write is under way.

    >>> round(ordered_behind_ratio(write_rate=3, way=0.14), 6)
    0.295775
    """
    load = write_rate * way
    return load / (1 + load)


def write_through_hit_ratio(rate: float, write_rate: float, ttl: float) -> float:
    """Hit ratio of one key that each write puts into the cache, and which lives for T from then or from its load.

    Loads and messages take no time; `rate` is that of the reads. An entry lasts until no write comes for T,
    (e^(mu T) - 1) / mu on average, and is missing until the next read or write:
    (lambda + mu) (e^(mu T) - 1) / (mu + (lambda + mu) (e^(mu T) - 1)).

    >>> round(write_through_hit_ratio(rate=8, write_rate=2, ttl=1), 6)
    0.969647
    """
    missing = write_rate * exp(-write_rate * ttl)
    return 1 - missing / (missing - (rate + write_rate) * expm1(-write_rate * ttl))
