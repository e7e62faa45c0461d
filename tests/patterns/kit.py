"""What the tests of the patterns share: an origin and a Redis that do as they are told, and the patterns on top.

Everything runs in simulated time, in seconds from 0. A test's coroutine is run by `conftest.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from math import inf
from typing import Any

import numpy as np
import redis.exceptions
import simpy
from fakeredis.aioredis import FakeRedis

from cachesim.patterns import Cache, CacheAside, Event, InProcess
from cachesim.world.latency import Latency
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder
from cachesim.world.redis import Redis, SimRedis, SimServer

KINDS = ("in-process", "cache-aside", "cache-aside, stock client")
ROUND_TRIP = 0.002
FALSY: tuple[Any, ...] = (None, 0, 0.0, "", [], {}, False)


class OriginError(Exception):
    """The origin has failed."""


class Origin:
    """Where values come from: loads take a second and return "value 1", "value 2", ... unless a test says otherwise."""

    def __init__(self) -> None:
        self.calls = self.cancelled = self.under_way = self.most_at_once = 0
        self.seconds = 1.0
        self.values: list[Any] = []
        self.error: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def load(self) -> Any:
        """One call; what is read is decided when it begins."""
        self.calls += 1
        value = self.values.pop(0) if self.values else f"value {self.calls}"
        error = self.error
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await (self.gate.wait() if self.gate is not None else asyncio.sleep(self.seconds))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if error is not None:
            raise error
        return value


class Wire(SimRedis):
    """A client of the simulated Redis that notes its commands, and loses, refuses or holds them back.

    `down`: "refuse" raises at once, "hang" raises when the client's time-out is over. `errors`: what the server answers
    to a command. `held`: commands that arrive only when the event is set, even if the caller has gone meanwhile.
    """

    def __init__(self, server: SimServer, **options: Any) -> None:
        super().__init__(server, **options)
        self.log: list[str] = []
        self.down: str | None = None
        self.timeout = 1.0
        self.errors: dict[str, Exception] = {}
        self.held: dict[str, asyncio.Event] = {}
        self._on_the_wire: list[asyncio.Future[Any]] = []

    async def get(self, name: Any) -> Any:
        return await self._send("GET", lambda: super(Wire, self).get(name))

    async def set(self, name: Any, value: Any, *args: Any, **options: Any) -> Any:
        return await self._send("SET", lambda: super(Wire, self).set(name, value, *args, **options))

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self._send(args[0], lambda: super(Wire, self).execute_command(*args, **options))

    def hold(self, command: str) -> asyncio.Event:
        """From now on, commands of that name are on the wire until the event is set."""
        self.held[command] = asyncio.Event()
        return self.held[command]

    async def plant(self, key: str, data: bytes) -> None:
        """Have bytes in Redis that the pattern has not put there."""
        await super().set(f"cache:v1:{key}", data)

    async def _send(self, command: str, execute: Callable[[], Awaitable[Any]]) -> Any:
        self.log.append(command)
        if self.down == "refuse":
            raise redis.exceptions.ConnectionError("refused")
        if self.down == "hang":
            await asyncio.sleep(self.timeout)
            raise redis.exceptions.TimeoutError("no answer")
        if command in self.errors:
            raise self.errors[command]
        if (gate := self.held.get(command)) is None:
            return await execute()
        trip = asyncio.ensure_future(self._arrive(gate, execute))
        self._on_the_wire.append(trip)
        return await asyncio.shield(trip)

    @staticmethod
    async def _arrive(gate: asyncio.Event, execute: Callable[[], Awaitable[Any]]) -> Any:
        await gate.wait()
        return await execute()


class World:
    """Simulated time, a Redis in it, and the caches that a test makes there."""

    def __init__(self, round_trip: float | Latency = ROUND_TRIP, seed: int = 1) -> None:
        self.loop = SimLoop(simpy.Environment(initial_time=0.0))
        recorder = Recorder(self.loop.env, start=0.0, end=inf, tables=False)
        self.server = SimServer(Redis(round_trip=round_trip), self.loop, np.random.default_rng(seed), recorder)
        self.redis = Wire(self.server)
        self.caches: list[Cache] = []
        self.events: list[Event] = []

    def make(self, kind: str, **options: Any) -> Any:
        """A cache of that kind; `ttl` is 10 s and chance is seeded unless the options say otherwise."""
        common: dict[str, Any] = {
            "ttl": 10,
            "clock": self.loop.time,
            "rng": random.Random(1),
            "observe": self.events.append,
        }
        if kind == "in-process":
            cache: Cache = InProcess(**(common | options))
        else:
            client = FakeRedis() if kind == "cache-aside, stock client" else self.redis
            cache = CacheAside(**({"redis": client} | common | options))
        self.caches.append(cache)
        return cache

    def run(self, test: Coroutine[Any, Any, Any]) -> Any:
        """Run a test, then what it has left running, and see that all is at rest."""
        result = self.loop.run_until_complete(test)
        self.loop.run_until_complete(asyncio.sleep(1000))
        for cache in self.caches:
            assert cache.stats.in_flight == 0, "promise 5: the tables are empty when nothing is under way"
        assert not asyncio.all_tasks(self.loop)
        assert self.loop.failures == []
        self.loop.close()
        return result

    def kinds(self, kind: str) -> list[str]:
        """The keys of all events of that kind, in order."""
        return [event.key for event in self.events if event.kind == kind]


start = asyncio.ensure_future
"""Begin a coroutine as a task, which takes its first step at the next turn."""


async def turns(n: int = 1) -> None:
    """Let everybody else take `n` turns, in no time."""
    for _ in range(n):
        await asyncio.sleep(0)


async def outcome(caller: Awaitable[Any]) -> Any:
    """What became of a caller: the value, the exception, or "cancelled"."""
    try:
        return await caller
    except asyncio.CancelledError:
        return "cancelled"
    except BaseException as error:
        return error


async def cancel(*callers: asyncio.Future[Any]) -> None:
    """Cancel callers and see them go."""
    for caller in callers:
        caller.cancel()
    for caller in callers:
        with suppress(asyncio.CancelledError):
            await caller
