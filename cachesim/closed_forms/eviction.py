"""A full cache in each process whose values outlive the run: which hit depends on the order of the requests alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, fsum, perm, sqrt

from cachesim import theory
from cachesim.closed_forms.conditions import (
    ENOUGH,
    asked_nodes,
    constant_load,
    has_only,
    is_plain,
    option,
    popularity,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.scenario import Scenario
from cachesim.world.arrivals import Bursty, Constant, Poisson

__all__ = ["eviction"]

_CHE_FROM, _CHE_ERROR = 100, 0.002
"""Entries from which on Che's approximation is as close as this."""
_ORDERS = 100_000
"""So many orders of the keys in a small cache are summed over."""
_CELLS = 3_000_000
"""Steps that the exact form of FIFO may take: keys times entries."""
_TURNOVERS = 5.0
"""How often the warm-up has replaced everything, at least."""


def eviction(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `in-process` with the policies `lru`, `fifo` and `random`, for independent requests."""
    cache, shares, writes = scenario.cache, popularity(scenario.keys), writes_of(scenario)
    if cache.pattern != "in-process" or shares is None or scenario.batch != 1 or not is_plain(scenario):
        return
    if not has_only(cache, "ttl", "size", "policy", "single_flight", "renew") or writes.share:
        return
    if not isinstance(scenario.arrivals, Poisson | Constant | Bursty) or constant_load(scenario) != 0:
        return
    nodes = asked_nodes(scenario)
    if nodes is None or (nodes == 1 and scenario.nodes > 1):
        return  # a key asked at one of several nodes: each has keys of its own
    measured, size = window(scenario), option(cache, "size", 10_000)
    weights = [share for share, n in shares for _ in range(n)]
    requests, before = scenario.arrivals.expected(measured.length), scenario.arrivals.expected(measured.start) / nodes
    if size >= len(weights) or cache.options["ttl"] < measured.end or requests < ENOUGH:
        return
    found = _hit_ratio(option(cache, "policy", "lru"), weights, size)
    if found is None or not _is_full(weights, size, before) or before * (1 - found.expected) < _TURNOVERS * size:
        return
    yield found


def _hit_ratio(policy: str, weights: Sequence[float], size: int) -> ClosedForm | None:
    where = "Independent requests, values that outlive the run, loads that take no time, a cache long full"
    if policy == "lru" and perm(len(weights), size) <= _ORDERS:
        ratio = theory.king_lru_hit_ratio(weights, size)
        return ClosedForm("hit_ratio", ratio, "LRU, sum over all orders", "King 1971", f"{where}.")
    if policy == "lru" and size >= _CHE_FROM:
        ratio = theory.che_lru_hit_ratio(weights, size)
        near = f"{where}; an approximation, within {_CHE_ERROR} for {_CHE_FROM} entries and more."
        form = "LRU, Che's approximation"
        return ClosedForm("hit_ratio", ratio, form, "Che, Tung and Wang 2002", near, approximation=_CHE_ERROR)
    if policy in ("fifo", "random") and len(weights) * size <= _CELLS:
        ratio = theory.fifo_hit_ratio(weights, size)
        name = "FIFO, (C + 1) e(C+1) / e(C)" if policy == "fifo" else "RANDOM, as FIFO"
        return ClosedForm("hit_ratio", ratio, name, "King 1971; Gelenbe 1973", f"{where}.")
    return None


def _is_full(weights: Sequence[float], size: int, requests: float) -> bool:
    """Whether so many requests have surely asked for as many keys as the cache holds."""
    asked = [1 - exp(-weight * requests) for weight in weights]
    variance = fsum(chance * (1 - chance) for chance in asked)
    return fsum(asked) - 5 * sqrt(variance) >= size
