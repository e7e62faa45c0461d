"""The database behind no cache at all: how busy it is, how long queries wait, and a storm of retries without end."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum, sqrt

from cachesim import theory
from cachesim.closed_forms.conditions import is_plain, number_of_keys, window, writes_of
from cachesim.closed_forms.form import ClosedForm
from cachesim.scenario import Scenario
from cachesim.world import latency
from cachesim.world.arrivals import Poisson
from cachesim.world.faults import DatabaseDown
from cachesim.world.latency import as_latency

__all__ = ["queues"]

_FORGETS_AFTER, _MEASURES = 6, 100
"""Relaxation times of the queue that a warm-up has at least, and the measured time after it."""
_BUSIEST, _MOST_CV = 0.95, 3.0
_WAITS = 50
"""Queries of a run that wait, on average, at least."""
_CERTAIN = 1 - 1e-6


def queues(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `none` with limited connections."""
    arrivals, connections = scenario.arrivals, scenario.database.connections
    if scenario.cache.pattern != "none" or not isinstance(arrivals, Poisson) or scenario.batch != 1:
        return
    if connections is None or scenario.duration is None:
        return
    if is_plain(scenario):
        rate = arrivals.rate + writes_of(scenario).behind * number_of_keys(scenario)
        yield from _steady(scenario, rate, connections)
    else:
        yield from _storm(scenario, arrivals.rate, connections)


def _steady(scenario: Scenario, rate: float, connections: int) -> Iterator[ClosedForm]:
    """A queue that has long forgotten that it began empty."""
    service, cv, measured = scenario.database.latency.mean, _cv(scenario.database.latency), window(scenario)
    load = rate * service / connections
    if not 0 < load <= _BUSIEST or cv > _MOST_CV:
        return
    relaxation = max(service, service * (1 + cv**2) / 2 / connections / (1 - sqrt(load)) ** 2)
    if measured.start < _FORGETS_AFTER * relaxation or measured.length < _MEASURES * relaxation:
        return
    where = "Poisson queries, independent services, first come first served, in a steady state."
    yield ClosedForm("database_utilization", load, "utilization, λ E[S] / c", "Little's law", where)
    if isinstance(scenario.database.latency, latency.Exponential):
        wait, name, source = theory.erlang_c_wait(rate, service, connections), "M/M/c", "Erlang 1917"
        if rate * measured.length * wait * connections * (1 - load) < _WAITS * service:
            return
    elif connections == 1 and rate * measured.length * load >= _WAITS:
        wait, name, source = theory.pollaczek_khinchine_wait(rate, service, cv=cv), "M/G/1", "Pollaczek 1930"
    else:
        return
    yield ClosedForm("database_wait_mean", wait, f"mean wait, {name}", source, where)
    yield ClosedForm("latency_mean", wait + service, f"mean wait and service, {name}", source, where)


def _cv(time: latency.Latency) -> float:
    """Coefficient of variation."""
    match time:
        case latency.Exponential():
            return 1.0
        case latency.Erlang(k=k):
            return 1 / sqrt(k)
        case latency.LogNormal(cv=cv):
            return cv
        case latency.Uniform(low=low, high=high):
            return (high - low) / sqrt(12) / time.mean if time.mean else 0.0
        case latency.Empirical(values=values):
            square = fsum(value**2 for value in values) / len(values)
            return sqrt(max(0.0, square - time.mean**2)) / time.mean if time.mean else 0.0
    return 0.0


def _storm(scenario: Scenario, rate: float, connections: int) -> Iterator[ClosedForm]:
    """Retries after one outage that ask for more than the database can do, measured when it has ended."""
    clients, database = scenario.clients, scenario.database
    match scenario.faults:
        case (DatabaseDown(start=start, duration=float(length)),):
            pass
        case _:
            return
    timeout, retries, service = clients.timeout, clients.retries, database.latency.mean
    if timeout is None or as_latency(clients.backoff).mean or not service or database.on_cancel != "finish":
        return
    if database.errors or database.slowdown or database.processor_sharing or writes_of(scenario).behind:
        return
    measured, capacity = window(scenario), connections / service
    last = measured.end + retries * timeout
    if measured.start < start + length + (retries + 1) * timeout or rate * (1 + retries) < 1.2 * capacity:
        return
    stuck = theory.storm_probability(
        rate, retries, timeout, length, capacity=capacity, service_time=service, time=last - start - length
    )
    if stuck >= _CERTAIN and rate < _BUSIEST * capacity:
        after = sum(attempt * timeout for attempt in range(retries + 1))  # attempts past the end count too
        asked = theory.stuck_query_rate(rate, retries) + rate * after / measured.length
        where = "Every attempt times out: the queue that the outage left only grows. Attempts past the end count too."
        yield ClosedForm("load_rate", asked, "queries of a storm, λ(1 + r)", "Bronson et al. 2021", where)
