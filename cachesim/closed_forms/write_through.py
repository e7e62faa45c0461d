"""Writes that put what they write into the cache: how often the next read finds it there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cachesim.closed_forms.conditions import (
    ENOUGH,
    SELDOM,
    Group,
    constant_load,
    demand,
    has_only,
    is_plain,
    kept_in_redis,
    loads_vary,
    option,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.keys import of_each_key, over_keys, reads_in
from cachesim.closed_forms.windows import Complexes, Floats
from cachesim.scenario import Scenario

__all__ = ["write_through"]

_SOURCE = "renewal and reward"
_WHERE = "Poisson reads and writes of each key, which take no time; from an empty cache on."


def write_through(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `write-through`, where neither loads nor messages take time."""
    groups, cache, measured = demand(scenario), scenario.cache, window(scenario) if scenario.duration else None
    if groups is None or measured is None or cache.pattern != "write-through" or not is_plain(scenario):
        return
    if not has_only(cache, "ttl", "single_flight", "namespace", "write_around") or option(cache, "write_around", False):
        return
    writes = writes_of(scenario)
    if not writes.share or writes.behind or constant_load(scenario) != 0 or round_trip(scenario) != 0:
        return
    ttl = kept_in_redis(cache.options["ttl"])

    def counted(group: Group) -> Floats:
        return measured.totals(lambda s: _rates(group, ttl, s), fastest=group.reads + group.writes)

    counts = of_each_key(groups, counted)
    misses, hits = over_keys(groups, counts).tolist()
    reads = reads_in(groups, measured)
    if loads_vary(groups, counts[:, 0].tolist(), measured.length):
        name = "reads that find nothing for T after the last write"
        yield ClosedForm("load_rate", misses / measured.length, name, _SOURCE, _WHERE)
    if reads >= ENOUGH and misses >= SELDOM:
        name = "1 - μe^(-μT) / (μe^(-μT) + (λ + μ)(1 - e^(-μT)))"
        yield ClosedForm("hit_ratio", hits / reads, name, _SOURCE, _WHERE)
        yield ClosedForm("miss_ratio", misses / reads, f"1 - h, h = {name}", _SOURCE, _WHERE)


def _rates(group: Group, ttl: float, s: Complexes) -> list[Complexes]:
    """Transforms of the rates of misses and hits of a key: an entry lasts until no write has come for its lifetime."""
    any_request = group.reads + group.writes
    over = np.exp(-(s + group.writes) * ttl)
    held = over / (1 - group.writes / (s + group.writes) * (1 - over))
    begins = any_request / (any_request + s)
    entries = begins / (1 - held * begins)
    return [entries * group.reads / any_request, entries * group.reads * (1 - held) / s]
