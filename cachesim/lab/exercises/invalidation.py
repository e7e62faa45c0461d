"""The exercises of 09: invalidation across services."""

from __future__ import annotations

from typing import Any

from cachesim.lab.exercise import Exercise, Wrong, number
from cachesim.lab.explorers.invalidation import Invalidation
from cachesim.races import find_race
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

__all__ = ["lifetime", "repaired", "told"]

_FEW = Scenario(
    arrivals=arrivals.Constant(rate=0.02),
    keys=keys.OneKey(),
    cache=Pattern("cache-aside", ttl=600),
    database=Database(latency=latency.Constant(60)),  # at most: a load may outlast a pause of some seconds
    nodes=2,
    balance="round-robin",
    duration=250,
)
_SCHEDULES = {
    "no_stale_read_after_delete": 1_000,
    "no_lock_held_for_ever": 250,
    "no_lost_update": 250,  # of a cache that has `set`
}
_CALM = _FEW.replace(
    arrivals=arrivals.Constant(rate=10), database=Database(latency=latency.Constant(0.05)), writes=0.02, duration=60
)
"""Requests that come one after the other."""


def _survives(cache: Any) -> str | Wrong | None:
    if not callable(cache):
        return f"A class is asked for, and this is a {type(cache).__name__}."
    if (wrong := _is_no_cache(cache)) is not None:
        return wrong
    for invariant, schedules in _SCHEDULES.items():
        race = find_race(_FEW, cache=cache, invariant=invariant, schedules=schedules)
        if race is not None:
            return Wrong(f"A race is left, as schedule {race.found} shows: {race.message}.", race.svg)
    return None


def _is_no_cache(cache: Any) -> str | None:
    """What is wrong before there is any race."""
    result = simulate(_CALM, cache=cache)
    metrics, requests = result.metrics, result.requests
    for kind, (count, text) in result.errors.items():
        return f"{count} of {metrics['requests']:.0f} requests fail with {kind}: {text or 'no more is said'}."
    if requests.loc[requests["outcome"] != "write", "version_lag"].isna().any():
        return "A read is given something else than the row that the database gave."
    if metrics["stale_reads"]:
        return f"{metrics['stale_reads']:.0f} reads are stale though nothing happens at once. Does `delete` delete?"
    if metrics["hit_ratio"] < 0.5:
        return f"It loads {metrics['loads']:.0f} times for {metrics['reads']:.0f} reads: it keeps too little."
    return None


repaired = Exercise(
    judge=_survives,
    clue="Before it loads, a read needs something that a delete takes away. And the step that stores must look for it.",
    answer="""
    from uuid import uuid4

    from cachesim.patterns.envelope import open_envelope, seal

    STORE = '''
    if redis.call('GET', KEYS[2]) == ARGV[1] then
        redis.call('SET', KEYS[1], ARGV[2], 'EX', 600)
    end'''

    class Repaired:
        def __init__(self, node):
            self.redis, self.load = node.redis, node.database.read

        async def get(self, key):
            found = await self.redis.get(key)
            if found is not None:
                return open_envelope(found).value
            lease = uuid4().hex
            lease = await self.redis.set(f"{key}:lease", lease, nx=True, get=True, ex=60) or lease
            row = await self.load(key)
            await self.redis.eval(STORE, 2, key, f"{key}:lease", lease, seal(row))
            return row

        async def delete(self, key):
            await self.redis.delete(key, f"{key}:lease")

    Repaired
    """,
    because=(
        f"{sum(_SCHEDULES.values()):,} schedules came back empty. A row may be stored only if nobody has deleted it "
        "since before it was loaded, and the step that stores it has to know."
    ),
)

lifetime = Exercise(
    judge=number(
        1.0358,
        within=0.05,
        mistakes={
            0.5: "That gives half of it: the average age of a copy is T / 2.",
            10.0: "A copy as old as the time between two writes: more than a third of the hits are stale.",
        },
    ),
    clue="While μT is small, the share of stale hits is about μT / 2.",
    answer="2 * 0.05 / 0.1",
    because="μT / 2 = 0.05 gives T = 1 s. Exactly it is 1.04 s: a copy that is stale cannot become it again.",
)

_REQUESTS = 2_000


def _is_told(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    (copies,) = Invalidation().scenarios(_REQUESTS).values()
    if scenario.replace(cache=copies.cache) != copies:
        return "Only the cache is yours to change: requests, nodes and lost messages stay as they are."
    metrics = simulate(scenario).metrics
    if metrics["staleness_max"] > 0.01:
        return f"A read is out of date by {metrics['staleness_max']:.3g} s."
    if not metrics["hit_ratio_l1"] >= 0.85:
        return f"Memory answers only {100 * metrics['hit_ratio_l1']:.3g} % of the reads."
    return None


told = Exercise(
    judge=_is_told,
    clue="Which of the two channels keeps what it was told, until it is read?",
    answer=f"""
    from cachesim.lab.explorers.invalidation import Invalidation

    (copies,) = Invalidation().scenarios({_REQUESTS:_}).values()
    copies.replace(**{{"cache.invalidation": "stream"}})
    """,
    because="A stream keeps its messages, and each node reads on from where it left. Two round trips later all know.",
)
