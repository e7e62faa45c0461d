"""The exercises of 01: in-process caches and single flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import single_flight_shares
from cachesim.world import arrivals, faults, keys, latency
from cachesim.world.clients import Clients
from cachesim.world.database import Database

__all__ = ["lifetime", "single_flight", "who_waits"]

_, _DELAYED_HIT, _MISS = single_flight_shares(rate=10, load_time=0.3, ttl=2)

who_waits = Exercise(
    judge=number(
        _DELAYED_HIT + _MISS,
        mistakes={
            _MISS: "These are the reads that load. Others wait for them.",
            _DELAYED_HIT: "These wait for somebody else's load. Who loads, waits as well.",
            100 * (_DELAYED_HIT + _MISS): "A share is asked for, not a percentage.",
        },
    ),
    clue="In one cycle one read loads, λD wait for it, and λT hit.",
    answer="(1 + 10 * 0.3) / (1 + 10 * (2 + 0.3))",
    because="Of the 1 + λ(T + D) = 24 reads of a cycle, one loads and λD = 3 wait for it.",
)

lifetime = Exercise(
    judge=number(
        39.6,
        mistakes={
            9.6: "With this lifetime one read in a hundred loads; but others wait for it.",
            39.9: "Almost: the cycle is λ(T + D) long, not λT.",
        },
    ),
    clue="The reads that wait, 1 + λD, are to be a hundredth of those of a cycle. Solve for T.",
    answer="((1 + 10 * 0.3) / 0.01 - 1) / 10 - 0.3",
    because="4 reads of 400 wait: 1 + 10 × (T + 0.3) = 400. A longer lifetime makes waiting rarer, not shorter.",
)


_CROWD = Scenario(
    arrivals=arrivals.FlashCrowd(base=0.001, peak=16, at=0, duration=0.5),
    keys=keys.OneKey(),
    cache=Pattern("in-process", ttl=0.001),  # it keeps nothing: only loads under way are shared
    database=Database(latency=latency.Constant(0.5)),
    duration=20,
    seed=2,
)
_TRIALS = {
    "the load succeeds": _CROWD,
    "the load fails": _CROWD.replace(faults=[faults.DatabaseErrors(share=1)]),
    "the first caller leaves": _CROWD.replace(clients=Clients(timeout=0.45)),
}


def _is_single_flight(share: Any) -> str | None:
    if not callable(share):
        return f"A function is asked for, and this is a {type(share).__name__}."
    for what, scenario in _TRIALS.items():
        flights: dict[str, Any] = {}

        def factory(node: Any, flights: dict[str, Any] = flights) -> Callable[[str], Awaitable[Any]]:
            return lambda key: share(flights, key, lambda: node.database.read(key))

        result, ours = simulate(scenario, cache=factory), simulate(scenario).metrics
        theirs = result.metrics
        if not theirs["loads"]:
            return f"When {what}, nobody loads. Errors: {result.errors or 'none'}."
        if theirs["loads"] != ours["loads"]:
            return f"When {what}, {ours['requests']:.0f} callers start {theirs['loads']:.0f} loads; one is enough."
        if theirs["errors"] != ours["errors"]:
            return f"When {what}, {theirs['errors']:.0f} callers fail; {ours['errors']:.0f} should."
        if flights:
            return f"When {what}, `flights` still holds the key afterwards: it would grow for ever."
    return None


single_flight = Exercise(
    judge=_is_single_flight,
    clue="Put a task into `flights` and await `asyncio.shield(task)`; who removes it when it is done?",
    answer="""
    import asyncio

    async def share(flights, key, load):
        if key not in flights:
            flights[key] = asyncio.ensure_future(load())
            flights[key].add_done_callback(lambda task: flights.pop(key))
        return await asyncio.shield(flights[key])

    share
    """,
    because="The load is a task of its own: shielded from those who leave, told to all, and removed when it is done.",
)
