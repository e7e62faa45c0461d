"""Memory over Redis: what each layer hits, and what is left for the database, where neither takes any time.

With the cap no copy in memory outlives the value in Redis, so each load starts everything afresh: a cycle of a key is
the lifetime in Redis and the wait for the next request. Within it a node asks Redis as a renewal process of its own,
whose gaps are the lifetime in memory and the wait for the node's next request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np

from cachesim import theory
from cachesim.closed_forms.conditions import (
    ENOUGH,
    Group,
    constant_load,
    demand,
    has_only,
    is_plain,
    kept_in_redis,
    loads_vary,
    number_of_keys,
    option,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.keys import of_each_key, over_keys, reads_in
from cachesim.closed_forms.windows import Complexes
from cachesim.scenario import Scenario

__all__ = ["layers"]

_OPTIONS = ("ttl", "l1_ttl", "l1_size", "l1_cap", "invalidation", "single_flight", "namespace")
_MOST_COPIES = 40
"""Lifetimes in memory that one in Redis may last, and so terms of a sum."""
_LIFETIMES, _NEAR = 100, 0.001
"""Without the cap: lifetimes in Redis that a run has at least, and how close the approximation is."""
_SOURCE = "renewal and reward"
_WHERE = "Each key is asked by a Poisson process at each node; loads and round trips take no time"


def layers(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `layered` without writes."""
    groups, cache = demand(scenario), scenario.cache
    if groups is None or cache.pattern != "layered" or not is_plain(scenario) or not has_only(cache, *_OPTIONS):
        return
    writes, spread = writes_of(scenario), scenario.nodes == 1 or scenario.balance == "random"
    if writes.share or writes.behind or not spread or constant_load(scenario) != 0 or round_trip(scenario) != 0:
        return
    l2_ttl = cache.options["ttl"]
    l1_ttl = option(cache, "l1_ttl", l2_ttl)
    if l2_ttl > _MOST_COPIES * l1_ttl or option(cache, "l1_size", 10_000) < number_of_keys(scenario):
        return
    if option(cache, "l1_cap", True):
        yield from _capped(scenario, groups, l1_ttl, kept_in_redis(l2_ttl))
    elif len(groups) == groups[0].keys == 1:
        yield from _apart(scenario, groups[0].reads, l1_ttl, kept_in_redis(l2_ttl))


def _capped(scenario: Scenario, groups: Sequence[Group], l1_ttl: float, l2_ttl: float) -> Iterator[ClosedForm]:
    measured, nodes = window(scenario), scenario.nodes
    counts = of_each_key(
        groups,
        lambda group: measured.totals(lambda s: _rates(group.reads, nodes, l1_ttl, l2_ttl, s), fastest=group.reads),
    )
    loads, l1_misses = over_keys(groups, counts).tolist()
    reads = reads_in(groups, measured)
    where = f"{_WHERE}; over the measured time, from empty caches on."
    if loads_vary(groups, counts[:, 0].tolist(), measured.length):
        yield ClosedForm("load_rate", loads / measured.length, "a load in T2 + 1/(kλ)", _SOURCE, where)
    if reads >= ENOUGH and loads >= 1:
        yield ClosedForm("hit_ratio", 1 - loads / reads, "1 - 1 / (1 + kλT2)", _SOURCE, where)
        name = "hits in process, misses summed over gamma probabilities"
        yield ClosedForm("hit_ratio_l1", 1 - l1_misses / reads, name, _SOURCE, where)
    if l1_misses >= ENOUGH and loads >= 1:
        name = "hits in Redis, 1 - loads over misses in process"
        yield ClosedForm("hit_ratio_l2", 1 - loads / l1_misses, name, _SOURCE, where)


def _rates(rate: float, nodes: int, l1_ttl: float, l2_ttl: float, s: Complexes) -> list[Complexes]:
    """Transforms of the rates of loads and of misses in process of a key; `rate` is that of all nodes."""
    each, request = rate / nodes, rate / (rate + s)
    loads = request / (1 - np.exp(-s * l2_ttl) * request)
    misses = np.ones_like(s)  # of the node that loads; then the copies that end before the value in Redis
    for fill in range(ceil(l2_ttl / l1_ttl)):
        left, shift = l2_ttl - fill * l1_ttl, np.exp(-s * fill * l1_ttl)
        misses += (nodes - 1) * shift * _by(each, fill + 1, left, s)
        if fill > 0:
            misses += shift * _by(each, fill, left, s)
    return [loads, loads * misses]


def _by(rate: float, n: int, time: float, s: Complexes) -> Complexes:
    """E[e^(-s X)] of the sum X of n exponential times of this rate, where it is at most `time`."""
    reached, term = (s + rate) * time, np.ones_like(s)
    beyond = term.copy()
    for i in range(1, n):
        term = term * reached / i
        beyond += term
    return (rate / (rate + s)) ** n * (1 - np.exp(-reached) * beyond)


def _apart(scenario: Scenario, rate: float, l1_ttl: float, l2_ttl: float) -> Iterator[ClosedForm]:
    """Without the cap: Redis is taken to be asked by a Poisson process."""
    measured, nodes = window(scenario), scenario.nodes
    if measured.start < l1_ttl + l2_ttl or measured.length < _LIFETIMES * l2_ttl or measured.length * rate < ENOUGH:
        return
    gap = l1_ttl + nodes / rate  # from one miss in process to the next, at one node
    if (gap / l2_ttl / nodes) ** 2 > _NEAR:
        return  # a few nodes ask too regularly to be taken for a Poisson process
    ratios = theory.layered_hit_ratios(rate / nodes, nodes, l1_ttl, l2_ttl)
    where = f"{_WHERE}; an approximation, within {_NEAR}: Redis is asked by a Poisson process."
    names = {"hit_ratio_l1": ratios.l1, "hit_ratio_l2": ratios.l2, "hit_ratio": ratios.overall}
    for metric, ratio in names.items():
        name = "lifetimes in process and in Redis independent"
        yield ClosedForm(metric, ratio, name, _SOURCE, where, approximation=_NEAR)
