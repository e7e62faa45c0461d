"""Runs a test of the patterns, that very function, on a pitfall or on its pattern, each in a world of its own."""

import asyncio
import random
from functools import partial
from inspect import signature
from types import SimpleNamespace
from typing import Any, NamedTuple

from cachesim.pitfalls import PITFALLS
from tests.patterns.kit import Origin, Wire, World
from tests.patterns.test_write_through import SlowTable

ONE_WAY = ("single_flight", "jitter", "invalidation")
"""Options of which a pitfall has one way only: a test that asks for one is run all the same."""


class BareWire(Wire):
    """A Redis whose commands go by the names that the patterns' scripts have, and whose keys have no prefix.

    `sets`: what a SET is taken for, "STORE" of a loaded value or "PUT" of a written one.
    """

    sets = "STORE"

    async def plant(self, key: str, data: bytes) -> None:
        await super(Wire, self).set(key, data)

    async def pttl(self, name: Any) -> Any:
        return await super().pttl(name.removeprefix("cache:v1:"))

    async def _send(self, command: str, execute: Any) -> Any:
        return await super()._send({"GET": "LOOK", "SET": self.sets}.get(command, command), execute)


class PitfallWorld(World):
    """A world whose caches are pitfalls, which have these options besides those that a test gives them."""

    def __init__(self, sets: str = "STORE", options: dict[str, Any] | None = None, **world: Any) -> None:
        super().__init__(**world)
        self.loop.set_exception_handler(
            lambda loop, context: None
        )  # or it would be logged in the middle of later tests
        self._options = options or {}
        self.redis = BareWire(self.server)
        self.redis.sets = sets
        self.pitfalls: list[Any] = []

    def make(self, kind: str, **options: Any) -> Any:
        """The pitfall of that pattern."""
        options = self._options | options
        pitfall = PITFALLS[kind.removesuffix(" of one").partition(",")[0]]
        takes = signature(pitfall).parameters
        tools = {"clock": self.loop.time, "rng": random.Random(1), "observe": self.events.append}
        if kind == "stale-while-revalidate":
            options["fresh_for"] = options.pop("ttl", 10)
            options.setdefault("stale_for", 0)
        else:
            options.setdefault("ttl", 10)
        places = {"redis": options.pop("redis", self.redis), "store": self.database.write}
        cache = _counted(pitfall)(
            *(place for name, place in places.items() if name in takes),
            **{name: tool for name, tool in tools.items() if name in takes and name not in options},
            **{name: option for name, option in options.items() if name in takes or name not in ONE_WAY},
        )
        self.pitfalls.append(cache)
        return cache

    def run(self, test: Any) -> Any:
        """Run a test, and close what it has made."""

        async def and_close() -> None:
            await test
            for cache in self.pitfalls:
                await cache.aclose()

        try:
            return super().run(and_close())
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            if not self.loop.is_closed():
                self.loop.run_until_complete(asyncio.sleep(1000))


def _counted(pitfall: type[Any]) -> Any:
    """The pitfall, which also tells how many locks it holds, as a pattern tells how much it has under way."""
    in_flight = property(lambda cache: SimpleNamespace(in_flight=len(getattr(cache, "locks", ()))))
    return type(pitfall.__name__, (pitfall,), {"stats": in_flight})


class Case(NamedTuple):
    """A test of the patterns, and the arguments that pytest would choose.

    `options`: of the pitfall. `sets`: as in `BareWire`.
    """

    test: Any
    arguments: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    sets: str = "STORE"

    @property
    def module(self) -> str:
        """The name of its module, without what all begin with."""
        return str(self.test.__module__.removeprefix("tests.patterns.test_"))


def run(case: Case, kind: str, world: World, **fixtures: Any) -> None:
    """Run it in that world, on caches of that kind, with the fixtures it asks for."""
    make = partial(world.make, kind, **case.test.__globals__.get("OPTIONS", {}))
    everything = dict.fromkeys(("make", "make_over_redis", "make_aside", "make_in_process"), make) | {
        "world": world,
        "redis": world.redis,
        "origin": Origin(),
        "single_flight": "process",
        **fixtures,
        **case.arguments,
    }
    asked = signature(case.test).parameters
    if "table" in asked:
        everything["table"] = world.database = SlowTable()
    if "instant" in asked:
        everything["instant"] = world.server.trips = iter(lambda: 0.0, None)
    world.run(case.test(**{name: everything[name] for name in asked}))
