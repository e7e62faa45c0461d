"""Waiting for a database with a bounded number of connections: the database model alone."""

from __future__ import annotations

from math import factorial

__all__ = ["erlang_c_wait", "littles_law", "pollaczek_khinchine_wait"]


def erlang_c_wait(rate: float, service_time: float, servers: int) -> float:
    """Mean wait in seconds for a free server in an M/M/c queue (Erlang 1917): C(c, a) / (c mu - lambda).

    `service_time` is the mean 1/mu of exponential services. Raises `ValueError` when the load is not below 1.

    >>> round(erlang_c_wait(rate=2, service_time=1, servers=3), 7)
    0.4444444
    """
    offered = rate * service_time
    _check_load(offered, servers)
    waits = offered**servers / factorial(servers) * servers / (servers - offered)
    busy = waits / (sum(offered**k / factorial(k) for k in range(servers)) + waits)
    return busy * service_time / (servers - offered)


def pollaczek_khinchine_wait(rate: float, service_time: float, *, cv: float) -> float:
    """Mean wait in seconds for the one server of an M/G/1 queue: rho (1 + cv^2) / (2 (1 - rho)) service times.

    Pollaczek 1930, Khinchine 1932. `service_time` is the mean and `cv` the coefficient of variation of the services: 0
    when they are constant (M/D/1), 1 when exponential (M/M/1). Raises `ValueError` when the load rho is not below 1.

    >>> round(pollaczek_khinchine_wait(rate=0.8, service_time=1, cv=0), 6)
    2.0
    >>> round(pollaczek_khinchine_wait(rate=0.8, service_time=1, cv=2), 6)
    10.0
    """
    load = rate * service_time
    _check_load(load, servers=1)
    return load * (1 + cv**2) / (2 * (1 - load)) * service_time


def littles_law(rate: float, time: float) -> float:
    """Mean number of requests in a system that each stays in for `time` seconds on average: lambda W (Little 1961).

    Whatever the arrivals, the services and their order, in every system that is stable.

    >>> littles_law(rate=100, time=0.5)
    50.0
    """
    return rate * time


def _check_load(offered: float, servers: int) -> None:
    if offered >= servers:
        raise ValueError(
            f"offered load {offered:g} is not below the number of servers, {servers}: the queue only grows"
        )
