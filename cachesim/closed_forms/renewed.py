"""Lifetimes that every read renews: a request hits if the one before it came within the lifetime."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from cachesim.closed_forms.conditions import (
    ENOUGH,
    Group,
    asked_nodes,
    constant_load,
    demand,
    has_only,
    is_plain,
    number_of_keys,
    option,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.keys import reads_in
from cachesim.closed_forms.windows import Window
from cachesim.scenario import Scenario

__all__ = ["renewed"]


def renewed(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `in-process` with `renew`, whose loads take no time and whose values all find room."""
    groups, cache, nodes = demand(scenario), scenario.cache, asked_nodes(scenario)
    if groups is None or nodes is None or cache.pattern != "in-process" or not option(cache, "renew", False):
        return
    if not is_plain(scenario) or not has_only(cache, "ttl", "single_flight", "size", "policy", "renew"):
        return
    room = option(cache, "size", 10_000) >= number_of_keys(scenario)
    if writes_of(scenario).share or constant_load(scenario) != 0 or not room:
        return
    measured, ttl = window(scenario), cache.options["ttl"]
    reads = reads_in(groups, measured)
    misses = sum(group.keys * nodes * _misses(group, nodes, ttl, measured) for group in groups)
    if reads >= ENOUGH and misses >= 1:
        source, form = "by counting", "h = 1 - e^(-λT)"
        where = (
            "Poisson requests for each key, loads that take no time; from the empty cache on, over the measured time."
        )
        yield ClosedForm("hit_ratio", 1 - misses / reads, form, source, where)
        yield ClosedForm("miss_ratio", misses / reads, f"1 - h, {form}", source, where)


def _misses(group: Group, nodes: int, ttl: float, measured: Window) -> float:
    """The mean number of misses of one key at one node: a gap of T before it, or since the start."""
    rate = group.reads / nodes
    cold = (exp(-rate * min(measured.start, ttl)) - exp(-rate * min(measured.end, ttl))) / rate
    later = max(0.0, measured.end - max(measured.start, ttl)) * exp(-rate * ttl)
    return rate * (cold + later)
