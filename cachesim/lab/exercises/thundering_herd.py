"""The exercises of 04: herds of one key on many servers, and of many keys."""

from __future__ import annotations

from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

__all__ = ["RUSH", "herd_of_servers", "jitter_for", "spread"]

herd_of_servers = Exercise(
    judge=number(
        6,
        within=1e-9,
        mistakes={
            1: "One in each process. How many processes are there?",
            250 * 0.4: "So many wait. How many of them load?",
            1 + 250 * 0.4: "That is the herd without single flight.",
        },
    ),
    clue="A process knows what it is loading itself. It does not know what the others load.",
    answer="6",
    because="Each of the six processes loads once at most, and at this rate each is asked while the first load lasts.",
)

jitter_for = Exercise(
    judge=number(
        20000 * 0.05 / 50,
        mistakes={
            20000 / 50: "How long is a load in flight?",
            50 / (20000 * 0.05): "Turn it round: more seconds, fewer loads at once.",
        },
    ),
    clue="Over J seconds K loads begin, each in flight for D seconds. How many are in flight on average?",
    answer="20000 * 0.05 / 50",
    because="K D / J loads are in flight while the wave lasts, so J = K D / 50 = 20 s.",
)

RUSH = Scenario(
    title="Eighty rows that were loaded together",
    arrivals=arrivals.Poisson(rate=400),
    keys=keys.Uniform(n=80),
    cache=Pattern("cache-aside", ttl=10),
    database=Database(latency=latency.Constant(0.1)),
    duration=40,
    warmup=5,
)
"""What the third exercise starts from."""
_OLDEST, _MOST_AT_ONCE, _MOST_LOADS = 12, 8, 10


def _is_spread(scenario: Any) -> str | None:
    if not isinstance(scenario, Scenario):
        return f"A scenario is asked for, and this is a {type(scenario).__name__}."
    if any(getattr(scenario, part) != getattr(RUSH, part) for part in ("arrivals", "keys", "database", "duration")):
        return "Requests and database stay as they are in `rush`; change its cache."
    if scenario.cache.options["ttl"] > _OLDEST:
        return f"A row could be older than {_OLDEST} s."
    metrics = simulate(scenario).metrics
    if metrics["peak_concurrent_loads"] > _MOST_AT_ONCE:
        return f"There are still {metrics['peak_concurrent_loads']:.0f} loads at once."
    if metrics["load_rate"] > _MOST_LOADS:
        return f"That makes {metrics['load_rate']:.1f} loads a second: the rows live too briefly now."
    return None


spread = Exercise(
    judge=_is_spread,
    clue="A lifetime is ttl less a random part of jitter. What does jitter do to the mean lifetime, and ttl to that?",
    answer="""
    from cachesim.lab.exercises.thundering_herd import RUSH as rush

    rush.replace(**{"cache.ttl": 12, "cache.jitter": 6})
    """,
    because="Rows live for 6 to 12 s, 9 s on average: hardly more loads than before, and a few at a time.",
)
