"""Copies in the memory of several nodes over Redis, which hear of some writes and not of others, without any delay.

A node's copy lasts for its lifetime or until the node hears of a write; writes that it does not hear of leave it there,
stale from then on. Redis, where each write deletes the value, always has what is committed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cachesim.closed_forms.conditions import (
    ENOUGH,
    SELDOM,
    Group,
    at_each_node,
    constant_load,
    demand,
    has_only,
    is_plain,
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
from cachesim.world.faults import MessageLoss

__all__ = ["invalidation"]

_OPTIONS = ("ttl", "l1_ttl", "l1_size", "l1_cap", "invalidation", "single_flight", "namespace")
_SURELY = 7.0
"""Writes expected in the time by which a value's life in Redis is longer than in memory: hardly one sees its end."""
_WRITES = 10
"""Writes of a run that some node does not hear of, at least."""


def invalidation(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `layered` with writes, of which nodes are told by pub/sub, perhaps with losses, or not at all."""
    groups, cache, writes = demand(scenario), scenario.cache, writes_of(scenario)
    if groups is None or cache.pattern != "layered" or not has_only(cache, *_OPTIONS) or not writes.share:
        return
    unheard, spread = _unheard(scenario), scenario.nodes > 1 and scenario.balance == "random"
    if not unheard or not spread or writes.behind or not is_plain(scenario.replace(faults=())):
        return
    if constant_load(scenario) != 0 or round_trip(scenario) != 0:
        return
    l2_ttl, measured = cache.options["ttl"], window(scenario)
    l1_ttl = option(cache, "l1_ttl", l2_ttl)
    rarest = min(group.writes for group in groups)
    if rarest * (l2_ttl - l1_ttl) < _SURELY or option(cache, "l1_size", 10_000) < number_of_keys(scenario):
        return
    copies = [at_each_node(group, scenario.nodes, unheard) for group in groups]
    counts = of_each_key(
        copies, lambda copy: measured.totals(lambda s: _rates(copy, l1_ttl, s), fastest=copy.reads + copy.writes)
    )
    hits, stale = over_keys(copies, counts).tolist()
    reads = reads_in(copies, measured)
    where = "Poisson reads and writes of each key; loads, round trips and messages take no time; from empty caches on."
    missed = measured.length * sum(group.keys * group.writes for group in groups) * unheard
    if missed >= _WRITES and stale >= SELDOM:
        name = "copies that a write not heard of made stale"
        yield ClosedForm("stale_reads", stale, name, "renewal and reward", where)
    if reads >= ENOUGH and hits >= SELDOM:
        name = "λ (1 - e^(-hT)) / h hits to a miss, h writes heard of"
        yield ClosedForm("hit_ratio_l1", hits / reads, name, "renewal and reward", where)


def _unheard(scenario: Scenario) -> float:
    """The share of the writes of other nodes that a node does not hear of; 0 where it depends on more than that."""
    match option(scenario.cache, "invalidation", "pubsub"), scenario.faults:
        case "none", ():
            return 1.0
        case "pubsub", (MessageLoss(start=0.0, duration=None, share=share),):
            return share
    return 0.0


def _rates(copy: Group, ttl: float, s: Complexes) -> list[Complexes]:
    """Transforms of the rates of hits and of stale reads of a copy."""
    request, heard = copy.reads / (copy.reads + s), s + copy.writes
    over = np.exp(-heard * ttl)
    fills = request / (1 - request * (copy.writes + s * over) / heard)
    held, aged = (1 - over) / heard, heard + copy.behind
    return [fills * copy.reads * held, fills * copy.reads * (held - (1 - np.exp(-aged * ttl)) / aged)]
