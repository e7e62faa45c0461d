"""Pages of many keys, asked for in a batch or all at once, of a cache in which nothing expires.

A key of a page is missing if no page before has asked for it. Pages come too far apart to wait for each other, and keys
are so many that those which a page finds missing are about independent of each other: binomial in number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil, fsum

import numpy as np

from cachesim import theory
from cachesim.closed_forms.conditions import (
    constant_load,
    has_only,
    is_plain,
    option,
    popularity,
    round_trip,
    window,
    writes_of,
)
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.windows import Floats
from cachesim.scenario import Scenario
from cachesim.world.arrivals import Constant

__all__ = ["batches"]

_PAGES, _FEWEST = 30, 10
"""Pages and queries of a run, at least."""
_DEPENDENCE = 0.002
"""How far the chance that a page has everything may be off, as a share, because its keys depend on each other."""
_MOST_STEPS = 10_000_000


def batches(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the patterns `batch` and `cache-aside` with pages at regular times."""
    shares, cache, keys = popularity(scenario.keys), scenario.cache, scenario.batch
    load_time, trip, writes = constant_load(scenario), round_trip(scenario), writes_of(scenario)
    if shares is None or cache.pattern not in ("batch", "cache-aside") or keys == 1 or not is_plain(scenario):
        return
    if not isinstance(scenario.arrivals, Constant) or load_time is None or trip is None or writes.share:
        return
    if writes.behind or scenario.nodes > 1 or not has_only(cache, "ttl", "jitter", "single_flight", "namespace"):
        return
    measured, ttl = window(scenario), cache.options["ttl"]
    jitter = option(cache, "jitter", ttl / 10 if cache.pattern == "batch" else 0.0)
    connections = scenario.database.connections or keys
    longest = 2 * trip + (load_time if cache.pattern == "batch" else ceil(keys / connections) * load_time)
    if option(cache, "single_flight", "process") != "process" or ttl - jitter <= measured.end + longest:
        return
    rate = scenario.arrivals.rate
    if longest >= 1 / rate:
        return
    before = np.arange(ceil(measured.start * rate), ceil(measured.end * rate))  # pages before each that is measured
    if len(before) < _PAGES or len(before) * len(shares) > _MOST_STEPS:
        return
    missing = _missing(shares, keys, before)
    if missing is not None:
        yield from _pages(scenario, missing, load_time, trip, connections)


def _missing(
    shares: Sequence[tuple[float, int]], keys: int, before: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Floats | None:
    """The chance that a key of a page has not been asked for, for each page; None where keys depend on each other."""
    missing, together = np.zeros(len(before)), np.zeros(len(before))
    for share, n in shares:
        unseen = (1 - share) ** (keys * before)
        missing += n * share * unseen
        together += n * share**2 * unseen
    return missing if keys**2 / 2 * together.max() <= _DEPENDENCE else None


def _pages(
    scenario: Scenario, missing: Floats, load_time: float, trip: float, connections: int
) -> Iterator[ClosedForm]:
    keys, in_a_batch = scenario.batch, scenario.cache.pattern == "batch"
    if in_a_batch:
        cost = partial(theory.batch_latency, round_trip=trip, load_time=load_time)
        name = "r, and D + r if anything is missing"
    else:
        cost = partial(theory.gathered_latency, round_trip=trip, load_time=load_time, connections=connections)
        name = "r, and ceil(m / c) D + r for m missing keys"
    source = "by counting"
    where = (
        f"Pages at regular times that never overlap; nothing expires; missing keys independent, within {_DEPENDENCE}."
    )
    queries = float((1 - (1 - missing) ** keys).sum() if in_a_batch else keys * missing.sum())
    if queries < _FEWEST:
        return
    waits = [theory.over_misses(keys, 1 - each, cost).mean for each in missing.tolist()]
    yield ClosedForm("latency_mean", fsum(waits) / len(waits), f"mean wait, {name}", source, where)
    yield ClosedForm("miss_ratio", float(missing.mean()), "keys that no page before asked for", source, where)
    asked = "pages with a missing key" if in_a_batch else "missing keys"
    yield ClosedForm("queries", queries, asked, source, where)
