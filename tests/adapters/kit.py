"""What the tests of the adapters share: a world in which a test's coroutine asks the caches of the nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import cachesim as cs

LOADING, ROUND_TRIP = 0.2, 0.001
LONG = 60.0

Script = Callable[..., Awaitable[Any]]


def scenario(**changes: Any) -> cs.Scenario:
    """One request, at 0."""
    base = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1 / LONG),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(LOADING)),
        redis=cs.Redis(round_trip=ROUND_TRIP),
        duration=LONG,
    )
    return base.replace(**changes)


def played(factory: Callable[[cs.Node], Any], script: Script, *, nodes: int = 1, **changes: Any) -> tuple[Any, int]:
    """What `script` returns, given the caches of so many nodes and then the database, and how many loads began."""
    caches: list[Any] = []
    told: list[Any] = []

    class Actor:
        """A node; the one that is asked plays for all of them."""

        def __init__(self, node: cs.Node) -> None:
            self.database, self.cache = node.database, factory(node)
            caches.append(self.cache)

        async def get(self, key: str) -> None:
            try:
                told.append(await script(*caches, self.database))
            except BaseException as error:
                told.append(error)

        async def aclose(self) -> None:
            if hasattr(self.cache, "aclose"):
                await self.cache.aclose()

    result = cs.simulate(scenario(nodes=nodes, **changes), cache=Actor, strict=True)
    if isinstance(told[0], BaseException):
        raise told[0]
    return told[0], int(result.metrics["loads"])
