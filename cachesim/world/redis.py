"""Redis in simulated time: fakeredis behind a stock asyncio client, each command a round trip away.

A command travels for half a round trip, is executed, and its reply travels for the other half. Two roads lead there
(`redis_wire.py`), with the same replies, errors and encoding as the stock client:

- ordinary commands take the short one: they are handed to the fake server directly (`GET`, plain `SET` and the scripts
  of the patterns to its database object), which spares the connection pool, packing and parsing;
- pipelines, pub/sub and blocking commands take the stock client's own road, over a connection whose bytes and replies
  are delivered half a round trip late, in order.

Nothing is tried twice: an error is the caller's. A Redis value is usable up to and including its deadline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import RLock
from typing import Any

import numpy as np
import redis.asyncio
from fakeredis import FakeServer
from fakeredis._core._database import Item
from fakeredis.aioredis import FakeAsyncRedisMixin

from cachesim.settings import Count, Positive, Setting
from cachesim.world.faults import Fault, Flush, of_kind
from cachesim.world.latency import SecondsOrLatency, as_latency
from cachesim.world.loop import SimLoop
from cachesim.world.recorder import Recorder
from cachesim.world.redis_database import BoundedDatabase, LedgerDatabase, OrderedSet, Policy
from cachesim.world.redis_faults import Awake, FaultyConnection, FaultySocket, FaultyTrip, RedisFaults, always
from cachesim.world.redis_wire import DelayedConnection, RoundTrip
from cachesim.world.scripts import TWINS, Twin

__all__ = ["Redis", "SimRedis", "SimServer"]

_BLOCKING = frozenset("BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF".split())
_LONGEST = 2**53
"""Milliseconds from which on a lifetime is too long for the short road; a server may refuse it."""
_STATEFUL = frozenset("SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE MULTI EXEC DISCARD WATCH UNWATCH SELECT".split())


class Redis(Setting):
    """How far away Redis is, how long its clients wait, and how much it holds.

    `round_trip`: seconds (half of it each way), or a latency to draw them from. `timeout`: seconds without a reply
    after which a client raises redis-py's `TimeoutError`; None: it waits. `max_keys`: how many values each of its
    databases holds (leases of the patterns are small and not counted); None: no bound, else `policy` says which goes.
    """

    round_trip: SecondsOrLatency = 0.0
    timeout: Positive | None = None
    max_keys: Count | None = None
    policy: Policy = "lru"


class SimServer(FakeServer):
    """The Redis server of one simulation, shared by its nodes.

    `rng` draws the round trips; `chance`, whatever else is left to chance: eviction, slowness, lost messages.
    """

    def __init__(
        self,
        setting: Redis,
        loop: SimLoop,
        rng: np.random.Generator,
        recorder: Recorder,
        *,
        faults: Sequence[Fault] = (),
        chance: np.random.SeedSequence | None = None,
    ) -> None:
        super().__init__(version=(7, 4))
        self.lock: Any = RLock()  # scripts wake those who block, whether or not a command holds it already
        self.loop, self.env, self.recorder = loop, loop.env, recorder
        self.timeout = setting.timeout
        self.trips: Iterator[float] = as_latency(setting.round_trip).draws(rng)
        lost, added, evicted = map(np.random.default_rng, (chance or np.random.SeedSequence(0)).spawn(3))
        self.faults = RedisFaults(faults, self.trips, added, lost)
        self.dbs = defaultdict(partial(self._new_database, setting, evicted))
        self.subscribers: Any = defaultdict(OrderedSet)
        self.psubscribers: Any = defaultdict(OrderedSet)
        for flush in of_kind(faults, Flush):
            loop.call_at(flush.at, self._flush)
        for window in self.faults.refusing:
            loop.call_at(window.start, self._break_off)

    def _new_database(self, setting: Redis, rng: np.random.Generator) -> LedgerDatabase:
        if setting.max_keys is None:
            return LedgerDatabase(self.lock, self.env, self.recorder)
        return BoundedDatabase(
            self.lock, self.env, self.recorder, max_keys=setting.max_keys, policy=setting.policy, rng=rng
        )

    def _flush(self) -> None:
        with self.lock:
            for database in self.dbs.values():
                database.clear()

    def _break_off(self) -> None:
        """Close the connections that listen or block; the others find out when they are used."""
        for socket in list(self.sockets):
            if isinstance(socket, FaultySocket) and (socket._pubsub or socket._blocked):
                socket.break_off()


class _Answered:
    """Stands in for a connection whose reply is there: the stock client parses it."""

    def __init__(self, reply: Any, decode: Callable[[Any], Any]) -> None:
        self._reply, self._decode = reply, decode

    async def read_response(self, disable_decoding: bool = False) -> Any:
        if isinstance(self._reply, Exception):
            raise self._reply
        return self._reply if disable_decoding else self._decode(self._reply)


class SimRedis(FakeAsyncRedisMixin, redis.asyncio.Redis):  # type: ignore[misc]  # they differ on two signatures
    """A `redis.asyncio.Redis` for one node of the simulated world."""

    def __init__(self, server: SimServer, *, awake: Awake | None = None, **options: Any) -> None:
        # A time-out of the socket would send through `asyncio.wait_for`, whose turns differ between versions of Python.
        defaults = {"socket_timeout": server.timeout}
        super().__init__(server=server, connection_class=DelayedConnection, **defaults | options)
        self._server = server
        self._loop = server.loop
        self._trip: Callable[..., RoundTrip] = RoundTrip
        if server.faults or server.timeout is not None or awake is not None:
            self._trip = partial(FaultyTrip, awake or always)
            pool: Any = self.connection_pool
            pool.connection_class = partial(FaultyConnection, awake or always)
        encoder: Any = self.get_encoder()  # type: ignore[no-untyped-call]
        self._encode, self._decode, self._decodes = encoder.encode, encoder.decode, encoder.decode_responses
        self._short = encoder.encoding == "utf-8"
        self._database: Any = server.dbs[self.connection_pool.connection_kwargs.get("db", 0)]
        self._direct: Any = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        fields = [bytes(self._encode(part)) for part in (*args[0].split(), *args[1:])]
        name = fields[0].upper().decode()
        blocks = name.startswith("XREAD") and b"BLOCK" in (field.upper() for field in fields)
        if blocks or name in _BLOCKING or name in _STATEFUL:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        if self._direct is None:
            self._direct = await self._directly_connected()
        reply = await self._trip(self._server, self._process, fields)
        answered: Any = _Answered(reply, self._direct._decode)
        return await self.parse_response(answered, args[0], **options)

    async def _directly_connected(self) -> Any:
        """The connection of the short road: replies come back at once, for the trip is this client's affair."""
        pool: Any = self.connection_pool
        connection: Any
        if self._trip is RoundTrip:
            connection = await pool.get_connection()
        else:  # nothing troubles it
            connection = DelayedConnection(**pool.connection_kwargs | {"socket_timeout": None})
            await connection.connect()
        connection._sock.handshaking = True
        return connection

    def set_response_callback(self, command: Any, callback: Any) -> None:
        self._short = False  # whatever it is, the long road asks it
        super().set_response_callback(command, callback)

    async def get(self, name: Any) -> Any:
        """`GET`, read straight from the fake server's database."""
        if type(name) is not str or not self._short:
            return await super().get(name)
        value = await self._trip(self._server, self._database.text, name.encode())
        return self._decode(value) if self._decodes and value is not None else value

    async def set(self, name: Any, value: Any, *args: Any, **options: Any) -> Any:
        """`SET`; with no option but `px` it writes straight to the fake server's database."""
        px = options.get("px", 1)
        plain = not args and options.keys() <= {"px"} and type(px) is int and 0 < px < _LONGEST
        if not plain or type(name) is not str or not self._short or self._server.config:
            return await super().set(name, value, *args, **options)
        data = bytes(self._encode(value))
        return await self._trip(self._server, self._set_now, name.encode(), data, options.get("px"))

    async def setex(self, name: Any, time: Any, value: Any) -> Any:
        """`SETEX`, whose deadline fakeredis cuts to whole seconds."""
        return await self.set(name, value, ex=time)

    async def psetex(self, name: Any, time_ms: Any, value: Any) -> Any:
        """`PSETEX`, whose deadline fakeredis cuts to whole seconds."""
        return await self.set(name, value, px=time_ms)

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """`EVAL`; a script of the patterns runs as its twin on the fake server's database."""
        twin = TWINS.get(script)
        if twin is None or not self._short or self._server.config:
            return super().eval(script, numkeys, *keys_and_args)
        if self._decodes:
            twin = partial(self._decoded, twin)
        return self._trip(self._server, twin, self._database, self._loop.env, *keys_and_args)

    def _decoded(self, twin: Twin, *arguments: Any) -> Any:
        reply = twin(*arguments)
        if isinstance(reply, list):
            return [part if part is None else self._decode(part) for part in reply]
        return self._decode(reply) if isinstance(reply, bytes) else reply

    def _process(self, fields: list[bytes]) -> Any:
        """Execute any command on the fake server, and return its reply, or the error that it is."""
        socket = self._direct._sock
        socket._process_command(fields)
        return socket.responses.get_nowait()

    def _set_now(self, key: bytes, data: bytes, px: int | None) -> bool:
        database = self._database
        item: Any = Item(data)
        if px is not None:
            item.expireat = self._loop.env._now + px / 1000.0
        database[key] = item
        database.changed(key)
        return True
