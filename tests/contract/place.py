"""Where the contract suite runs: simulated time or real, and in it one Redis, simulated, fake or real, or none.

A *place* makes caches, each at a node of its own, with a client and a *line* to Redis that can be cut. Its `unit` is
the time in seconds that a test may wait for an expiry.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import Any, ClassVar

from fakeredis import FakeServer
from fakeredis.aioredis import FakeAsyncRedisConnection, FakeRedis
from redis import exceptions
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cachesim.patterns import (
    Cache,
    CacheAside,
    EarlyRecompute,
    InProcess,
    Layered,
    WriteThrough,
)
from cachesim.world.latency import Uniform
from cachesim.world.redis import SimRedis
from cachesim.world.redis_wire import DelayedConnection
from tests.patterns.kit import BatchOfOne, Origin, StillFresh, Table, World, start

OVER_REDIS = (
    *("cache-aside", "cache-aside, cluster", "write-through", "early-recompute", "stale-while-revalidate"),
    "batch of one",
)
KINDS = ("in-process", *OVER_REDIS, "layered")
MINUTES = 600.0
"""Seconds that a value lasts unless a test is about its expiry: longer than any test, however loaded the machine."""
PATIENCE = 20.0
"""Seconds after which a test has failed that waits for what does not come; how soon it comes decides nothing."""
_CLOSED_PORT = 1


class Line:
    """A node's way to Redis: how many times something was sent over it, and whether it is cut."""

    def __init__(self) -> None:
        self.round_trips = 0
        self.is_cut = False
        self.connections: list[Any] = []

    async def cut(self) -> None:
        """Every connection is lost, and every new one refused."""
        self.is_cut = True
        for connection in self.connections:
            await connection.lose()

    def mend(self) -> None:
        """New connections are accepted again."""
        self.is_cut = False


class _Counted:
    """A connection over a line."""

    def __init__(self, *, line: Line, **options: Any) -> None:
        super().__init__(**options)
        self.line = line
        line.connections.append(self)

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        self.line.round_trips += 1
        await super().send_packed_command(*args, **options)  # type: ignore[misc]


class _ServerConnection(_Counted, Connection):
    async def _connect(self) -> None:
        port = self.port
        self.port = _CLOSED_PORT if self.line.is_cut else port
        try:
            await super()._connect()
        finally:
            self.port = port

    async def lose(self) -> None:
        await self.disconnect()


class _FakeConnection(_Counted, FakeAsyncRedisConnection):  # type: ignore[misc]  # fakeredis's types differ
    async def _connect(self) -> None:
        if self.line.is_cut:
            raise ConnectionRefusedError("refused")
        await super()._connect()

    async def lose(self) -> None:
        if self._sock is not None:
            _hang_up(self._sock)

    async def _read_response(self, **options: Any) -> Any:
        response = await super()._read_response(**options)
        if isinstance(response, exceptions.ConnectionError):
            raise response
        return response


class _SimulatedConnection(_FakeConnection, DelayedConnection):  # type: ignore[misc]
    async def lose(self) -> None:
        if self._sock is not None and not self._sock.handshaking:  # nothing goes over that of the short road
            _hang_up(self._sock)


class _SimulatedClient(SimRedis):
    """Its short road uses no connection."""

    def __init__(self, server: Any, line: Line) -> None:
        super().__init__(server)
        self._line = line

    async def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        self._send()
        return await super().eval(script, numkeys, *keys_and_args)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self._send()
        return await super().execute_command(*args, **options)

    def _send(self) -> None:
        if self._line.is_cut:
            raise exceptions.ConnectionError("refused")
        self._line.round_trips += 1


class Place(ABC):
    """Time, a Redis, a database to write through to, and the caches that a test makes there.

    `redis`: a client for the tests themselves, whose line is never cut.
    """

    unit: ClassVar[float] = 0.03
    has_redis: ClassVar[bool] = True

    def __init__(self) -> None:
        self.table = Table()
        self.lines: dict[Cache, Line] = {}
        self._clients: list[Redis] = []

    @abstractmethod
    def _connected(self, line: Line) -> Redis:
        """A client over this line."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test in this place's time, and see that its caches are at rest after it."""
        asyncio.run(self._run(test))

    async def _run(self, test: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await test
                for cache in self.lines:
                    await cache.aclose()
                    while cache.stats.in_flight:  # promise 5: nothing is left behind
                        await asyncio.sleep(0.005)
        finally:
            for client in self._clients:
                await client.aclose()

    @cached_property
    def redis(self) -> Redis:
        return self._client(Line())

    def _client(self, line: Line) -> Redis:
        client = self._connected(line)
        self._clients.append(client)
        return client

    def make(self, kind: str, **options: Any) -> Any:
        """A cache of that kind at a new node; nothing is stale or early unless the options say so."""
        line = Line()
        cache = self._make(kind, line, {"ttl": MINUTES, "rng": random.Random(1)} | options)
        self.lines[cache] = line
        return cache

    def _make(self, kind: str, line: Line, options: dict[str, Any]) -> Any:
        if kind == "in-process":
            return InProcess(**options)
        client = self._client(line)
        match kind:
            case "cache-aside":
                return CacheAside(client, **options)
            case "cache-aside, cluster":
                return CacheAside(client, **({"single_flight": "cluster"} | options))
            case "write-through":
                return WriteThrough(client, **({"store": self.table.write} | options))
            case "early-recompute":
                return EarlyRecompute(client, **({"beta": 0.0} | options))
            case "stale-while-revalidate":
                return StillFresh(client, fresh_for=options.pop("ttl"), **({"stale_for": 0} | options))
            case "batch of one":
                return BatchOfOne(client, **({"jitter": 0.0} | options))
            case "layered":
                return Layered(client, **options)
        raise ValueError(kind)

    async def lose_listeners(self) -> None:
        """The server closes the connections of all who listen to a channel."""
        await self.redis.client_kill_filter(_type="pubsub")


class _OnFakeredis(Place):
    server: FakeServer

    async def lose_listeners(self) -> None:
        for socket in list(self.server.sockets):
            if socket._pubsub:
                _hang_up(socket)


class Simulated(_OnFakeredis):
    """Simulated time and the simulated Redis."""

    unit = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._world = World(
            round_trip=Uniform(0.001, high=0.003)
        )  # replies overtake each other, as over several sockets
        self.server = self._world.server

    def _connected(self, line: Line) -> Redis:
        return _over(line, _SimulatedConnection, _SimulatedClient(self.server, line))

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        loop = self._world.loop
        try:
            loop.run_until_complete(self._run(test))
            for failure in loop.failures:
                raise failure
        finally:
            loop.run_until_complete(_cancel_the_rest())
            loop.close()


class Fake(_OnFakeredis):
    """Real time and stock fakeredis."""

    def __init__(self) -> None:
        super().__init__()
        self.server = FakeServer()

    def _connected(self, line: Line) -> Redis:
        return _over(line, _FakeConnection, FakeRedis(server=self.server, retry=Retry(NoBackoff(), 0)))


class Real(Place):
    """Real time and a real server."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def _connected(self, line: Line) -> Redis:
        client = Redis.from_url(self._url, retry=Retry(NoBackoff(), 0))
        return _over(line, _ServerConnection, client)


class WithoutRedis(Place):
    """Real time and no server at all."""

    has_redis = False

    def _connected(self, line: Line) -> Redis:
        raise AssertionError("there is none here")


def _over(line: Line, connection: type[Any], client: Redis) -> Redis:
    pool = client.connection_pool
    pool.connection_class = connection
    pool.connection_kwargs["line"] = line
    return client


async def _cancel_the_rest() -> None:
    """What `asyncio.run` does at its end, after a test that has failed."""
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _hang_up(socket: Any) -> None:
    """Close a connection of a fake server as a real one does: whoever reads from it hears of it."""
    socket.put_response(exceptions.ConnectionError("closed by the server"))


async def crowd(cache: Cache, origin: Origin, n: int = 10) -> list[asyncio.Future[Any]]:
    """Callers who wait for one load, held at the gate: the first has begun it, the others have joined."""
    calls, joins = origin.calls, cache.stats.joins
    leader = start(cache.get_or_set("k", origin.load))
    await until(lambda: origin.calls == calls + 1)
    followers = [start(cache.get_or_set("k", origin.load)) for _ in range(n - 1)]
    await until(lambda: cache.stats.joins == joins + n - 1)
    return [leader, *followers]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to happen."""
    while not condition():
        await asyncio.sleep(0.005)


async def until_read(read: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Read again and again until that returns what is expected."""
    while await read() != expected:
        await asyncio.sleep(0.005)
