"""What must hold of a scenario before any theory applies to it: the questions that every form asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum
from typing import Any, NamedTuple

from cachesim.closed_forms.windows import Window
from cachesim.scenario import Pattern, Scenario
from cachesim.world import keys
from cachesim.world.arrivals import Poisson
from cachesim.world.latency import Constant, as_latency
from cachesim.world.writes import Writes

__all__ = [
    "ENOUGH",
    "SELDOM",
    "Group",
    "asked_nodes",
    "at_each_node",
    "constant_load",
    "demand",
    "has_only",
    "is_plain",
    "kept_in_redis",
    "loads_vary",
    "number_of_keys",
    "option",
    "popularity",
    "round_trip",
    "window",
    "writes_of",
]

ENOUGH = 1000.0
"""Reads from which on the mean of a ratio is the ratio of the means, to a small part of its standard error."""

SELDOM = 2.0
"""What is expected less often in a run may be missing from all of a few runs: then their mean tells nothing."""
_MOST = 3e5
"""Requests for the most popular key, at most: the time that a form takes grows with them."""
_VARIES = 0.2
"""Variance of a number of loads, at least."""
_SEVERAL = 4
_GRACE = 20
"""Mean loads that a run lasts, at least: what is open as long after its end as it lasted is an error."""


class Group(NamedTuple):
    """Keys that are equally popular: how many; reads and writes per second of one, and writes past the cache."""

    keys: int
    reads: float
    writes: float
    behind: float


def number_of_keys(scenario: Scenario) -> int:
    """How many keys may be asked for."""
    return scenario.keys.n if isinstance(scenario.keys, keys.Numbered) else 1


def popularity(stream: keys.Keys) -> list[tuple[float, int]] | None:
    """Shares of the requests, each with the number of keys that have it, if requests are independent of each other."""
    match stream:
        case keys.OneKey():
            return [(1.0, 1)]
        case keys.Uniform(n=n) | keys.Zipf(n=n, alpha=0.0):
            return [(1 / n, n)]
        case keys.HotSet(n=n, hot=hot, share=share):
            groups = [(share / hot, hot), ((1 - share) / (n - hot), n - hot)]
            return [group for group in groups if group[0] > 0]
        case keys.Zipf():
            return [(share, 1) for share in stream.probabilities()]
    return None


def writes_of(scenario: Scenario) -> Writes:
    """Who writes, however the scenario says it."""
    return scenario.writes if isinstance(scenario.writes, Writes) else Writes(share=scenario.writes)


def demand(scenario: Scenario) -> list[Group] | None:
    """What is asked of each key, if that is a Poisson process for each, and not of too many; most popular first."""
    shares, writes = popularity(scenario.keys), writes_of(scenario)
    if shares is None or not isinstance(scenario.arrivals, Poisson) or scenario.batch != 1:
        return None
    rate = scenario.arrivals.rate
    if scenario.duration is None or rate * max(shares)[0] * scenario.duration > _MOST:
        return None
    return [
        Group(n, rate * share * (1 - writes.share), rate * share * writes.share, writes.behind)
        for share, n in sorted(shares, reverse=True)
    ]


def at_each_node(group: Group, nodes: int, unheard: float = 1.0) -> Group:
    """The same keys in the memory of each node, which hears of its own writes, and not of a share of the others'."""
    missed = unheard * group.writes * (nodes - 1) / nodes
    return Group(group.keys * nodes, group.reads / nodes, group.writes - missed, group.behind + missed)


def is_plain(scenario: Scenario, *, shared: bool = False) -> bool:
    """Whether nothing fails, nobody is impatient, and load does not slow the database down, unless it is `shared`."""
    database, clients = scenario.database, scenario.clients
    quiet = not scenario.faults and clients.asks_once
    steady = database.errors == 0 and database.slowdown == 0 and database.processor_sharing == shared
    return quiet and steady and scenario.duration is not None and scenario.duration >= _GRACE * database.latency.mean


def round_trip(scenario: Scenario) -> float | None:
    """Seconds to Redis and back; None where they vary, or where Redis drops values that are alive."""
    trip = as_latency(scenario.redis.round_trip)
    late = scenario.redis.timeout is not None and scenario.redis.timeout <= trip.mean
    known = isinstance(trip, Constant) and scenario.redis.max_keys is None and not late
    return trip.mean if known else None


def constant_load(scenario: Scenario) -> float | None:
    """Seconds that every query takes; None where they vary."""
    latency = scenario.database.latency
    return latency.value if isinstance(latency, Constant) else None


def asked_nodes(scenario: Scenario) -> int | None:
    """How many nodes are asked for one key, each by a Poisson process; None where it is no Poisson process."""
    if scenario.nodes == 1 or scenario.balance == "key":
        return 1
    return scenario.nodes if scenario.balance == "random" else None


def has_only(cache: Pattern, *options: str) -> bool:
    """Whether a pattern has no other options than these."""
    return set(cache.options) <= set(options)


def option(cache: Pattern, name: str, default: Any) -> Any:
    """An option of a pattern, which lists only what is not at its default."""
    return cache.options.get(name, default)


def kept_in_redis(lifetime: float) -> float:
    """The seconds that Redis keeps a value: whole milliseconds."""
    return int(lifetime * 1000 + 1e-6) / 1000


def window(scenario: Scenario) -> Window:
    """The measured time."""
    assert scenario.duration is not None
    return Window(scenario.warmup, scenario.duration)


def loads_vary(groups: Iterable[Group], loads: Sequence[float], length: float) -> bool:
    """Whether the number of loads varies from run to run, given the mean of a key of each group in so many seconds.

    A number that is all but the same in every run has an interval of no width, which says nothing about its mean. A
    whole number of mean m has a variance of f (1 - f) at least, f what m has after the point; and one of several cycles
    of m (s / c)^2, c the length of a cycle and s the standard deviation of the wait for a request in it.
    """
    known = list(zip(groups, loads, strict=True))
    least = fsum(group.keys * (mean % 1) * (1 - mean % 1) for group, mean in known)
    spread = fsum(group.keys * mean**3 / (group.reads * length) ** 2 for group, mean in known if mean >= _SEVERAL)
    return least >= _VARIES or spread >= 1
