"""What the tests of the patterns share: an origin and a Redis that do as they are told, and the patterns on top.

Everything runs in simulated time, in seconds from 0. A test's coroutine is run by `conftest.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import numpy as np
import redis.exceptions
import simpy
from fakeredis.aioredis import FakeRedis

from cachesim.patterns import (
    Batch,
    Cache,
    CacheAside,
    EarlyRecompute,
    Event,
    InProcess,
    Layered,
    StaleWhileRevalidate,
    WriteThrough,
    scripts,
)
from cachesim.world.latency import Latency
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder
from cachesim.world.redis import Redis, SimRedis, SimServer
from cachesim.world.redis_wire import DelayedConnection

OVER_REDIS = (
    *("cache-aside", "cache-aside, cluster", "write-through", "early-recompute", "stale-while-revalidate", "batch"),
    "batch of one",
)
"""Patterns whose values lie in Redis; "batch of one" goes the road of many keys."""
KINDS = ("in-process", *OVER_REDIS, "cache-aside, stock client", "layered")
ROUND_TRIP = 0.002
SCRIPTS = {getattr(scripts, name): name for name in ("LOOK", "PUT", "RELEASE", "RENEW", "STORE")}
SCRIPTS[scripts.PUT_IF_NEWER] = "PUT"
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


class Line(DelayedConnection):
    """A connection that can break while somebody reads from it, and is then `gone_for` so many seconds."""

    gone_for = 0.0

    async def _connect(self) -> None:
        await asyncio.sleep(self.gone_for)
        await super()._connect()

    async def _read_response(self, **options: Any) -> Any:
        response = await super()._read_response(**options)
        if isinstance(response, redis.exceptions.ConnectionError):
            raise response
        return response


class Wire(SimRedis):
    """A client of the simulated Redis that notes its commands, and loses, refuses or holds them back.

    A script of the patterns goes by its name: LOOK, STORE, PUT, ...

    `down`: "refuse" raises at once, "hang" raises when the client's time-out is over. `errors`: what the server answers
    to a command. `held`: commands that arrive only when the event is set, even if the caller has gone meanwhile.
    """

    def __init__(self, server: SimServer, **options: Any) -> None:
        super().__init__(server, **options)
        self.connection_pool.connection_class = Line
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

    async def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        return await self._send(SCRIPTS[script], lambda: super(Wire, self).eval(script, numkeys, *keys_and_args))

    def pipeline(self, *args: Any, **options: Any) -> Any:
        """A pipeline goes by the name of its first command, and is one command on the wire."""
        pipeline = super().pipeline(*args, **options)
        execute = pipeline.execute

        async def on_the_wire(raise_on_error: bool = True) -> Any:
            commands = [SCRIPTS[command[0][1]] for command in pipeline.command_stack]
            if (error := self.errors.get(commands[0])) is not None and isinstance(
                error, redis.exceptions.ResponseError
            ):
                return [error] * len(commands)
            return await self._send(commands[0], lambda: execute(raise_on_error))

        pipeline.execute = on_the_wire  # type: ignore[method-assign]
        return pipeline

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self._send(args[0], lambda: super(Wire, self).execute_command(*args, **options))

    def hold(self, command: str) -> asyncio.Event:
        """From now on, commands of that name are on the wire until the event is set."""
        self.held[command] = asyncio.Event()
        return self.held[command]

    def cut(self, seconds: float = 0.0) -> None:
        """Break the connections that listen, for so many seconds."""
        for line in self._listening():
            line.gone_for = seconds
            line._sock._answer(redis.exceptions.ConnectionError("connection lost"))

    def hold_up(self, seconds: float) -> None:
        """What is sent to the connections that listen does not arrive before so many seconds from now."""
        for line in self._listening():
            line._sock._arrives[line._sock._answer] = self._loop.time() + seconds

    def _listening(self) -> list[Any]:
        lines: Any = self.connection_pool._in_use_connections
        return [line for line in lines if not line._sock.handshaking]

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


def _in_the_cluster(options: dict[str, Any]) -> dict[str, Any]:
    single_flight = options.get("single_flight", "process")
    return options | ({"single_flight": "cluster"} if single_flight == "process" else {})


def _as_freshness(options: dict[str, Any]) -> dict[str, Any]:
    """`ttl` by the name that stale-while-revalidate has for it."""
    return {"stale_for": 0} | _renamed(options)


class StillFresh(StaleWhileRevalidate):
    """Stale-while-revalidate whose calls, too, may call a lifetime `ttl`."""

    async def get_or_set(self, key: str, load: Any, **changes: Any) -> Any:
        return await super().get_or_set(key, load, **_renamed(changes))

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        await super().set(key, value, **_renamed(changes))


def _renamed(changes: dict[str, Any]) -> dict[str, Any]:
    return {"fresh_for" if name == "ttl" else name: value for name, value in changes.items()}


class BatchOfOne(Batch):
    """A batch whose single keys go the road of many."""

    async def get_or_set(self, key: str, load: Any, **changes: Any) -> Any:
        async def load_many(keys: list[str]) -> dict[str, Any]:
            return {key: await load() for key in keys}

        (value,) = await self.get_or_set_many([key], load_many, **changes)
        return value


class Table:
    """A database to write through to: rows with versions that rise in the order of commits."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.versions: dict[str, int] = {}

    async def write(self, key: str, value: Any) -> int:
        self.rows[key] = value
        self.versions[key] = self.versions.get(key, 0) + 1
        return self.versions[key]


class World:
    """Simulated time, a Redis in it, and the caches that a test makes there."""

    def __init__(self, round_trip: float | Latency = ROUND_TRIP, seed: int = 1) -> None:
        self.loop = SimLoop(simpy.Environment(initial_time=0.0))
        recorder = Recorder(self.loop.env, start=0.0, end=inf, tables=False)
        self.server = SimServer(Redis(round_trip=round_trip), self.loop, np.random.default_rng(seed), recorder)
        self.redis = Wire(self.server)
        self.database = Table()
        self.caches: list[Cache] = []
        self.events: list[Event] = []

    def make(self, kind: str, **options: Any) -> Any:
        """A cache of that kind; `ttl` is 10 s and chance is seeded unless the options say otherwise.

        All kinds are made to keep a value for `ttl` and no longer, so that one test serves for all: nothing is stale
        while it is revalidated, and nobody recomputes early.
        """
        common: dict[str, Any] = {
            "ttl": 10,
            "clock": self.loop.time,
            "rng": random.Random(1),
            "observe": self.events.append,
        }
        cache: Any = self._make(kind, common | options)
        self.caches.append(cache)
        return cache

    def _make(self, kind: str, options: dict[str, Any]) -> Any:
        client = options.pop("redis", self.redis)
        match kind:
            case "in-process":
                return InProcess(**options)
            case "cache-aside":
                return CacheAside(client, **options)
            case "cache-aside, stock client":
                return CacheAside(FakeRedis(), **options)
            case "cache-aside, cluster":
                return CacheAside(client, **_in_the_cluster(options))
            case "write-through":
                return WriteThrough(client, self.database.write, **options)
            case "early-recompute":
                return EarlyRecompute(client, **({"beta": 0.0} | options))
            case "stale-while-revalidate":
                return StillFresh(client, **_as_freshness(options))
            case "batch":
                return Batch(client, **({"jitter": 0.0} | options))
            case "batch of one":
                return BatchOfOne(client, **({"jitter": 0.0} | options))
            case "layered":
                return Layered(client, **options)
        raise ValueError(kind)

    def run(self, test: Coroutine[Any, Any, Any]) -> Any:
        """Run a test, then what it has left running, and see that all is at rest."""
        result = self.loop.run_until_complete(test)
        self.loop.run_until_complete(asyncio.sleep(1000))
        for cache in self.caches:
            self.loop.run_until_complete(cache.aclose())
            for each in (cache, getattr(cache, "l1", cache)):
                assert each.stats.in_flight == 0, "promise 5: the tables are empty when nothing is under way"
        self.loop.run_until_complete(asyncio.sleep(1))  # so long the fake server minds a read of a stream that was left
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


async def listening(cache: Any) -> Any:
    """Have a cache of two layers begin to listen, which the first read brings about."""
    await cache.get_or_set("warm", partial(asyncio.sleep, 0, "warm"))
    await asyncio.sleep(1)
    return cache


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
