"""Small scenes for the race finder: actors on a bare loop, scenarios of a few requests, and races to be compared.

`python -m tests.races.scenes plain` prints the latter as JSON, so that versions of Python can be held to each other.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cachesim as cs
from cachesim.races.asked import Asked, few_requests
from cachesim.races.invariants import INVARIANTS
from cachesim.races.loop import ACTOR, Schedule, ScheduledLoop
from cachesim.races.schedules import Bursts, Numbered, Priorities, RandomWalk
from cachesim.races.stage import Stage
from cachesim.world.latency import Constant
from cachesim.world.nodes import Factory
from cachesim.world.pending import Until

Program = Callable[[], Coroutine[Any, Any, object]]


def schedule(number: int) -> Schedule:
    """By number: random walks, bursts and priorities in turn."""
    if number % 3 == 2:
        return Priorities(str(number), depth=2 + number % 4, length=40)
    return (RandomWalk, Bursts)[number % 3](str(number))


def straight() -> Schedule:
    """Nobody interferes: each request runs as far as it can, then the next one."""
    return Numbered(())


# On a bare loop


def acted(loop: ScheduledLoop, schedule: Schedule, programs: Sequence[Program]) -> list[asyncio.Task[object]]:
    """Each program as an actor, from the beginning until nothing is left to happen; the tasks that they were."""
    loop.reset(schedule, {}, len(programs))
    loop.passes = lambda seconds: None
    tasks = []
    for actor, program in enumerate(programs):
        context = contextvars.copy_context()
        context.run(ACTOR.set, actor)
        tasks.append(loop.create_task(program(), context=context))
    loop.run()
    return tasks


async def operation() -> None:
    """Something of the world that takes as long as the schedule says."""
    loop = asyncio.get_running_loop()
    await Until(loop, loop.time())  # type: ignore[arg-type]


# On a stage


def scenario(pattern: str = "cache-aside", **changes: Any) -> cs.Scenario:
    """Eight requests of one key, three of which write (those at .1, .5 and .6 s), unless it is changed."""
    options = changes.pop("options", {} if pattern.endswith("conditional") or pattern == "none" else {"ttl": 10})
    given: dict[str, Any] = {
        "arrivals": cs.arrivals.Constant(rate=10),
        "keys": cs.keys.OneKey(),
        "writes": 0.3,
        "duration": 0.8,
        "cache": cs.Pattern(pattern, **options),
        "database": cs.Database(latency=Constant(0.1)),
    }
    return cs.Scenario(**(given | changes))


def in_turn(pattern: str, nodes: int, **changes: Any) -> cs.Scenario:
    """Five requests of one key, which go to the nodes in turn; two of them write, and Redis is 10 ms away."""
    given: dict[str, Any] = {
        "writes": 0.34,
        "duration": 0.5,
        "redis": cs.Redis(round_trip=0.01),
        "nodes": nodes,
        "balance": "round-robin",
    }
    return scenario(pattern, **(given | changes))


def reads(n: int, **changes: Any) -> tuple[Asked, ...]:
    """So many requests that read one key at the beginning."""
    return tuple(Asked(0.0, ("a",), 0, writes=False)._replace(**changes) for _ in range(n))


@contextmanager
def staged(
    scenario: cs.Scenario, cache: Factory | None = None, *, invariant: str = "", asked: Sequence[Asked] = ()
) -> Iterator[Stage]:
    """A stage for those requests (default: those of the scenario), ready to play."""
    promise = INVARIANTS.get(invariant)
    writing = promise is not None and promise.writing
    stage = Stage(
        scenario,
        cache,
        asked or few_requests(scenario, writing=writing),
        absent=promise is not None and promise.absent,
        to_rest=promise is not None and promise.to_rest,
    )
    with stage.open():
        yield stage


# Races to be compared between processes and versions of Python

STALE = "no_stale_read_after_delete"


def found(small: cs.Scenario, invariant: Any = STALE, **options: Any) -> cs.Race:
    race = cs.find_race(small, invariant=invariant, **options)
    assert race is not None
    return race


def kinds(which: str) -> dict[str, tuple[cs.Scenario, str]]:
    """Scenarios, each with an invariant that it breaks: "plain" ones, or "more", which take longer."""
    if which == "more":
        layers: dict[str, Any] = {"nodes": 2, "options": {"ttl": 10, "l1_ttl": 5}}
        return {
            "in process": (scenario("pitfall:in-process"), STALE),
            "batch": (scenario("pitfall:batch", batch=2, keys=cs.keys.Uniform(n=2)), STALE),
            "two layers": (scenario("pitfall:layered", **layers), STALE),
            "stream": (scenario("layered", nodes=2, options=layers["options"] | {"invalidation": "stream"}), STALE),
        }
    errors = cs.Database(latency=Constant(0.1), errors=0.2)
    return {
        "stale set": (scenario("pitfall:cache-aside"), STALE),
        "early": (scenario("pitfall:early-recompute", options={"ttl": 2}), "single_flight"),
        "chance": (scenario("pitfall:cache-aside", database=errors), "single_flight"),
    }


def races(which: str) -> dict[str, list[str]]:
    """A race of each kind, replayed: its schedule, its message and its diagram."""
    told = {}
    for name, (small, invariant) in kinds(which).items():
        race = found(small, invariant)
        again = found(small, invariant, replay=race.schedule)
        assert (again.diagram, again.message, again.schedule) == (race.diagram, race.message, race.schedule), name
        told[name] = [race.schedule, race.message, race.diagram]
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(races(sys.argv[1])))
