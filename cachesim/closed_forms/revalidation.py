"""Stale-while-revalidate: who is served what is fresh, who what is stale, and who waits all the same.

A cycle of a key, from the start of its load: the load takes D, the value is fresh for F, and the next request comes E
later, exponential. If E is at most S, the time that the value is served stale, it is; and so are those who come during
the load until that time is over. The first load of all has nothing to serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp

import numpy as np

from cachesim.closed_forms.conditions import (
    ENOUGH,
    SELDOM,
    Group,
    asked_nodes,
    constant_load,
    demand,
    has_only,
    is_plain,
    loads_vary,
    option,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.keys import of_each_key, over_keys, reads_in
from cachesim.closed_forms.windows import Complexes
from cachesim.scenario import Scenario

__all__ = ["revalidation"]

_SOURCE = "renewal and reward; RFC 5861"
_WHERE = "Each key is asked by a Poisson process; constant loads, one at a time; from an empty cache on."


def revalidation(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `stale-while-revalidate`, written past the cache or not at all."""
    groups, load_time = demand(scenario), constant_load(scenario)
    if groups is None or load_time is None or not _applies(scenario):
        return
    fresh, stale = scenario.cache.options["fresh_for"], scenario.cache.options["stale_for"]
    measured = window(scenario)

    def rates(group: Group, s: Complexes) -> Sequence[Complexes]:
        return _rates(group.reads, load_time, fresh, stale, s)

    counts = of_each_key(groups, lambda group: measured.totals(lambda s: rates(group, s), fastest=group.reads))
    loads, hits, stales, misses = over_keys(groups, counts).tolist()
    reads = reads_in(groups, measured)
    if loads_vary(groups, counts[:, 0].tolist(), measured.length):
        yield ClosedForm("load_rate", loads / measured.length, "a load in F + D + 1/λ s", _SOURCE, _WHERE)
    if reads < ENOUGH:
        return
    waiting = max(0.0, reads - hits - stales - misses)
    served = "hits λF, stale hits 1 + λm - q, waiting λ(D - m) + q"
    if stales >= SELDOM:
        yield ClosedForm("stale_ratio", stales / reads, f"share served stale: {served}", _SOURCE, _WHERE)
    if misses > SELDOM:
        yield ClosedForm("hit_ratio", (hits + stales) / reads, f"share served at once: {served}", _SOURCE, _WHERE)
        yield ClosedForm("miss_ratio", misses / reads, "nothing to serve: e^(-λS) of the expiries", _SOURCE, _WHERE)
        if waiting > SELDOM:
            yield ClosedForm("delayed_hit_ratio", waiting / reads, f"share that joins: {served}", _SOURCE, _WHERE)


def _applies(scenario: Scenario) -> bool:
    cache = scenario.cache
    if cache.pattern != "stale-while-revalidate" or not is_plain(scenario) or round_trip(scenario) != 0:
        return False
    if not has_only(cache, "fresh_for", "stale_for", "single_flight", "namespace"):
        return False
    flight = option(cache, "single_flight", "process")
    single = flight == "cluster" or (flight == "process" and asked_nodes(scenario) == 1)
    return single and writes_of(scenario).share == 0 and scenario.database.connections is None


def _rates(rate: float, load_time: float, fresh: float, stale: float, s: Complexes) -> list[Complexes]:
    """Transforms of the rates of loads, hits, stale hits and misses of a key."""
    request, loading = rate / (rate + s), np.exp(-s * load_time)
    filled = loading * np.exp(-s * fresh)  # from a load's start to the end of what is fresh
    loads = request / (1 - filled * request)
    expiries = loads * filled
    served = min(load_time, stale)

    def asked_by(time: float) -> Complexes:
        """E[e^(-s E)] where E is at most `time`."""
        asked: Complexes = request * (1 - np.exp(-(rate + s) * time))
        return asked

    late = np.exp(-s * stale) * (exp(-rate * (stale - served)) - exp(-rate * stale))
    joins = asked_by(stale) - np.exp(-s * served) * asked_by(stale - served) - late
    stales = expiries * (asked_by(stale) + rate * joins / s)
    misses = request + expiries * request * np.exp(-(rate + s) * stale)
    hits = loads * loading * rate * (1 - np.exp(-s * fresh)) / s
    return [loads, hits, stales, misses]
