"""Values that live for a time, one load at a time: hits, delayed hits, misses, waits, and what writes do to them.

A cycle of a key: a miss, the load, the life of the value, and the wait for the next request. Keys are independent of
each other. A write deletes the value; a load that it overtakes is neither joined nor stored (`leased_shares`), or, in
the printed code, joined and stored all the same (`late_fill_shares`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import expm1, fsum
from typing import NamedTuple

from cachesim.closed_forms.conditions import (
    ENOUGH,
    SELDOM,
    Group,
    asked_nodes,
    at_each_node,
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
from cachesim.closed_forms.laws import Law, constant, law_of, shortened
from cachesim.closed_forms.windows import Complexes, Floats, Window
from cachesim.scenario import Scenario

__all__ = ["lifetimes"]

_OPTIONS = {
    "in-process": ("ttl", "jitter", "single_flight", "size", "policy"),
    "cache-aside": ("ttl", "jitter", "single_flight", "namespace"),
    "write-through": ("ttl", "jitter", "single_flight", "namespace", "write_around"),
    "batch": ("ttl", "jitter", "single_flight", "namespace"),
    "pitfall:cache-aside": ("ttl", "single_flight"),
}
_SOON = 0.01
"""Writes of a key in the time of one, at most, or else a warm-up: a run begins with none under way."""

_SHORT = 1.5
"""Mean load in seconds, at most, that another process waits for: it gives up after 30 s."""
_MANY = 50
"""Loads of random times that a run has at least, for their mean to be about normal."""
_ENOUGH_WRITES = 10
"""Writes that make something stale, in a run at least: of fewer, each with many stale reads, the mean tells little."""


class _Cache(NamedTuple):
    """How keys are cached: the time from a miss until its value is there, and the life of a value.

    `trip`: seconds to Redis and back. `late`: a load that a write has overtaken is stored. `waits`: whether all who
    wait do so for the end of the load.
    """

    load: Law
    life: Law
    trip: float
    late: bool
    waits: bool


def lifetimes(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of patterns that keep a value for its lifetime and load it once at a time."""
    groups, cache = _groups(scenario), _cache(scenario)
    if groups is None or cache is None or not _writes_are_simple(scenario, cache, groups):
        return
    measured = window(scenario)
    earlier = Window(max(0.0, measured.start - cache.trip), measured.end)  # a load starts so long after its miss

    def counted(during: Window) -> Callable[[Group], Floats]:
        return lambda group: during.totals(lambda s: _rates(cache, group, s), fastest=group.reads + group.writes)

    counts = of_each_key(groups, counted(measured))
    misses, delayed, hits, waits, stale = over_keys(groups, counts).tolist()
    loads = of_each_key(groups, counted(earlier))[:, 0] if cache.trip else counts[:, 0]
    reads = reads_in(groups, measured)
    form, source, assumption = _told(scenario, cache)
    if loads_vary(groups, loads.tolist(), measured.length):
        rate = float(over_keys(groups, loads[:, None])[0]) / measured.length
        yield ClosedForm("load_rate", rate, f"misses per second, {form}", source, assumption)
    if reads >= ENOUGH and misses >= SELDOM / 2:
        if hits >= SELDOM:
            yield ClosedForm("hit_ratio", hits / reads, f"share of hits, {form}", source, assumption)
        yield ClosedForm("miss_ratio", misses / reads, f"share of misses, {form}", source, assumption)
        if delayed >= SELDOM:
            yield ClosedForm("delayed_hit_ratio", delayed / reads, f"share of delayed hits, {form}", source, assumption)
        many = misses >= _MANY or constant_load(scenario) is not None
        if cache.waits and cache.load.mean > 0 and many and not writes_of(scenario).share:
            waited = "mean wait, (z + λ E[z²] / 2) a cycle"
            told = "delayed hits (Atre et al. 2020)"
            yield ClosedForm("latency_mean", cache.trip + waits / reads, waited, told, assumption)
    written = measured.length * fsum(group.keys * group.behind for group in groups)
    late_fills = fsum(
        group.keys * mean * -expm1(-group.writes * cache.load.mean)
        for group, mean in zip(groups, counts[:, 0].tolist(), strict=True)
    )
    if cache.late and late_fills >= _ENOUGH_WRITES:
        late = "late fills: P(write in D) = 1 - e^(-μD), then λb stale hits a cycle"
        yield ClosedForm("stale_reads", stale, late, "renewal and reward", assumption)
    elif written >= _ENOUGH_WRITES and stale >= SELDOM and not cache.trip:
        aged = "reads a after the load began are stale with 1 - e^(-μa), μ writes not heard of"
        yield ClosedForm("stale_reads", stale, aged, "renewal and reward", f"{assumption} Other writes pass it by.")


def _rates(cache: _Cache, group: Group, s: Complexes) -> list[Complexes]:
    """Transforms of the rates of misses, delayed hits, hits, waits (s beyond a round trip), and stale reads of a key.

    A write that comes while something lasts ends it: in the transforms, s becomes s + mu.
    """
    reads, writes = group.reads, group.writes
    ended = s + writes
    until = s if cache.late else ended  # a load may be joined to its end, or until a write
    loaded, lived = cache.load.transform(until), cache.life.transform(ended)
    cycle = loaded * (writes + s * lived) / ended if cache.late else (writes + s * loaded * lived) / ended
    misses = reads / (reads + s) / (1 - cycle * reads / (reads + s))
    delayed = reads * (1 - loaded) / until
    hits = reads * loaded * (1 - lived) / ended
    waits = cache.load.mean + reads * (cache.load.mean / until - (1 - loaded) / until**2)
    stale = _late_fills(cache, group, s) if cache.late else _outdated(cache, group, s)
    return [misses, misses * delayed, misses * hits, misses * waits, misses * stale]


def _late_fills(cache: _Cache, group: Group, s: Complexes) -> Complexes:
    """Stale reads of a cycle in which a load that a write has overtaken is joined and stored."""
    reads, ended = group.reads, s + group.writes
    loaded, unwritten = cache.load.transform(s), cache.load.transform(ended)
    joined = (1 - loaded) / s - (1 - unwritten) / ended
    return reads * (joined + (loaded - unwritten) * (1 - cache.life.transform(ended)) / ended)


def _outdated(cache: _Cache, group: Group, s: Complexes) -> Complexes:
    """Stale reads of a cycle in which writes pass the cache by: the value is as old as its load."""
    held, ended = (cache.load + cache.life).transform, s + group.writes
    aged = ended + group.behind
    return group.reads * ((1 - held(ended)) / ended - (1 - held(aged)) / aged)


def _groups(scenario: Scenario) -> list[Group] | None:
    """What is asked of each key; with a cache in each process, of each key in each process."""
    groups, nodes = demand(scenario), asked_nodes(scenario)
    if groups is None or scenario.cache.pattern != "in-process" or nodes == 1:
        return groups
    if nodes is None:
        return None
    return [at_each_node(group, nodes) for group in groups]


def _cache(scenario: Scenario) -> _Cache | None:
    """How keys are cached, if loads are taken one at a time; None where something else is at work."""
    cache, law, trip = scenario.cache, law_of(scenario.database.latency), round_trip(scenario)
    if cache.pattern not in _OPTIONS or not has_only(cache, *_OPTIONS[cache.pattern]):
        return None
    in_process, late = cache.pattern == "in-process", cache.pattern == "pitfall:cache-aside"
    if not is_plain(scenario) or law is None or (trip is None and not in_process):
        return None
    if in_process and option(cache, "size", 10_000) < number_of_keys(scenario):
        return None
    trip = 0.0 if in_process or trip is None else trip
    flight = option(cache, "single_flight", "none" if late else "process")
    together = in_process or asked_nodes(scenario) == 1  # all who ask for a key ask the same process
    if trip and (late or flight != "process" or not together):
        return None
    if law.mean and flight != "cluster" and (flight != "process" or not together):
        return None
    if law.mean and not (_has_room(scenario) and (together or law.mean <= _SHORT)):
        return None
    ttl = cache.options["ttl"]
    jitter = option(cache, "jitter", ttl / 10 if cache.pattern == "batch" else 0.0)
    life = shortened(ttl if in_process or jitter else kept_in_redis(ttl), jitter)
    return _Cache(law + constant(trip), life, trip, late, together)


def _has_room(scenario: Scenario) -> bool:
    """Whether no query waits for a connection: one load of each key at a time, in each process that has its own."""
    connections, writes = scenario.database.connections, writes_of(scenario)
    processes = scenario.nodes if scenario.cache.pattern == "in-process" else 1
    alone = writes.share == 0 and writes.behind == 0
    return connections is None or (alone and connections >= processes * number_of_keys(scenario))


def _writes_are_simple(scenario: Scenario, cache: _Cache, groups: Sequence[Group]) -> bool:
    """Whether there are none, or each deletes the key at once where it is heard of: in Redis, or in its own process."""
    writes, around = writes_of(scenario), option(scenario.cache, "write_around", False)
    begun = cache.load.mean * max(group.writes + group.behind for group in groups) <= _SOON
    if not begun and scenario.warmup < cache.load.mean + cache.life.mean:
        return False
    if writes.share == 0:
        return True
    load = constant_load(scenario)
    apart = scenario.cache.pattern != "in-process" and asked_nodes(scenario) != 1
    if load is None or cache.trip or apart or (writes.behind and cache.late) or scenario.cache.pattern == "batch":
        return False
    if load and option(scenario.cache, "single_flight", "process") != "process":
        return False
    return scenario.cache.pattern != "write-through" or (around and not load)


def _told(scenario: Scenario, cache: _Cache) -> tuple[str, str, str]:
    """Name, source and assumption."""
    where = "Each key is asked by a Poisson process; over the measured time, from an empty cache on"
    if writes_of(scenario).share:
        kept = "stored all the same" if cache.late else "neither joined nor stored"
        form = "λb : λD : 1, b = (1 - e^(-μT)) / μ" if cache.late else "λb e^(-μD) : λa : 1, a, b = (1 - e^(-μx)) / μ"
        source = "renewal and reward" if cache.late else "renewal and reward; leases (Nishtala et al. 2013)"
        return form, source, f"{where}; writes delete the key when they commit, and a load overtaken is {kept}."
    source = "renewal and reward (Jung, Berger and Balakrishnan 2003)"
    if cache.load.mean == 0:
        return "h = λT / (1 + λT)", source, f"{where}; loads take no time, reads renew nothing."
    trip = "; D includes a round trip to Redis" if cache.trip else ""
    return "λT : λD : 1", source, f"{where}; one load of a key at a time, which waits for no connection{trip}."
