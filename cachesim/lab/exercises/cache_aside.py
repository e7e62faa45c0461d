"""The exercises of 02: cache-aside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import exp
from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.patterns import CacheAside
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import stale_fill_ratio, ttl_hit_ratio
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database
from cachesim.world.nodes import Factory, Node

__all__ = ["absent_rows", "hits", "late_fills"]

hits = Exercise(
    judge=number(
        ttl_hit_ratio(0.1, 20),
        mistakes={
            1 - exp(-2): "That is a lifetime which every read renews. Here it counts from the fill.",
            1 - ttl_hit_ratio(0.1, 20): "These are the misses.",
            100 * ttl_hit_ratio(0.1, 20): "A share is asked for, not a percentage.",
        },
    ),
    clue="How often is one product asked for, and how often while its row lives? One read before these missed.",
    answer="(0.1 * 20) / (1 + 0.1 * 20)",
    because="Each product is asked for λ = 0.1 times a second: one miss, then λT = 2 hits, 2 of 3 in all.",
)

late_fills = Exercise(
    judge=number(
        stale_fill_ratio(0.5, 0.1),
        mistakes={
            0.5 * 0.1: "That is how many writes come in one load. Two in the same load spoil it only once.",
            1 - stale_fill_ratio(0.5, 0.1): "These are the loads that no write overtakes.",
        },
    ),
    clue="It stores the row of before if at least one write commits in 0.1 s. How likely is it that none does?",
    answer="""
    from math import exp

    1 - exp(-0.5 * 0.1)
    """,
    because="No write in d seconds has the probability e^(-μd): a twentieth of all loads brings back what was deleted.",
)

_VALUES: tuple[Any, ...] = (None, 0, "", [], {"stars": 5})
_TRIAL = Scenario(
    arrivals=arrivals.Constant(rate=5),
    keys=keys.Uniform(n=len(_VALUES)),
    cache=Pattern("cache-aside", ttl=10),
    database=Database(latency=latency.Constant(0.01)),
    duration=35,
)


def _read_by(get: Callable[..., Awaitable[Any]], wrong: list[tuple[Any, Any]]) -> Factory:
    """What answers at a node by `get`; `wrong` gathers pairs of what should have come and what came."""

    def factory(node: Node) -> Callable[[str], Awaitable[Any]]:
        async def answer(key: str) -> Any:
            expected = _VALUES[int(key)]

            async def load() -> Any:
                await node.database.read(key)
                return expected

            value = await get(node, key, load)
            if type(value) is not type(expected) or value != expected:
                wrong.append((expected, value))
            return value

        return answer

    return factory


def _keeps_every_value(read: Any) -> str | None:
    if not callable(read):
        return f"A function is asked for, and this is a {type(read).__name__}."
    wrong: list[tuple[Any, Any]] = []
    theirs = simulate(_TRIAL, cache=_read_by(lambda node, key, load: read(node.redis, key, load), wrong))
    ours = simulate(
        _TRIAL, cache=_read_by(lambda node, key, load: CacheAside(node.redis, ttl=10).get_or_set(key, load), [])
    )
    if theirs.errors:
        return f"It raises: {theirs.errors}."
    if wrong:
        return f"A load returned {wrong[0][0]!r}, and a reader was given {wrong[0][1]!r}."
    if theirs.metrics["loads"] > ours.metrics["loads"]:
        return f"{theirs.metrics['loads']:.0f} loads in {_TRIAL.duration:g} s; {ours.metrics['loads']:.0f} are enough."
    if theirs.metrics["loads"] < ours.metrics["loads"]:
        return "It keeps values for longer than 10 s, or for ever."
    return None


absent_rows = Exercise(
    judge=_keeps_every_value,
    clue="`redis.get` returns None for one reason only. Ask for that, and not whether what is in it is true.",
    answer="""
    import json

    async def read(redis, key, load):
        data = await redis.get(key)
        if data is not None:
            return json.loads(data)
        value = await load()
        await redis.set(key, json.dumps(value), ex=10)
        return value

    read
    """,
    because="What Redis does not have is None; what it has is bytes, also those of null, 0, an empty text or list.",
)
