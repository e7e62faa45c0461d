"""Redis in simulated time: fakeredis behind a stock asyncio client, each command a round trip away.

A command travels for half a round trip, is executed, and its reply travels for the other half. Two roads lead there,
with the same replies, errors and encoding as the stock client:

- ordinary commands take the short one: they are handed to the fake server directly (`GET`, plain `SET` and the scripts
  of the patterns to its database object), which spares the connection pool, packing and parsing;
- pipelines, pub/sub and blocking commands take the stock client's own road, over a connection whose bytes and replies
  are delivered half a round trip late, in order.

Connections are open before the run begins: no handshake costs time. A Redis value is usable up to and including its
deadline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappush
from math import inf
from threading import RLock
from typing import Any

import numpy as np
import redis.asyncio
from fakeredis import FakeServer
from fakeredis._core._database import Database, Item
from fakeredis._helpers import SimpleError
from fakeredis.aioredis import AsyncFakeSocket, FakeAsyncRedisConnection, FakeAsyncRedisMixin, FakeReader, FakeWriter
from pydantic import field_validator
from simpy.events import NORMAL

from cachesim.patterns.scripts import LEASES
from cachesim.settings import Setting
from cachesim.world.latency import Latency, as_latency, seconds_or_latency
from cachesim.world.loop import SimLoop
from cachesim.world.pending import Pending
from cachesim.world.recorder import Recorder
from cachesim.world.scripts import TWINS, Twin

__all__ = ["Redis", "RoundTrip", "SimRedis", "SimServer"]

_PLACE = "redis"
_BLOCKING = frozenset("BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF".split())
_LONGEST = 2**53
"""Milliseconds from which on a lifetime is too long for the short road; a server may refuse it."""
_STATEFUL = frozenset("SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE MULTI EXEC DISCARD WATCH UNWATCH SELECT".split())


class Redis(Setting):
    """How far away Redis is: a round trip in seconds (half of it each way), or a latency to draw it from."""

    round_trip: float | Latency = 0.0

    @field_validator("round_trip", mode="plain")
    @classmethod
    def _seconds_or_latency(cls, value: Any) -> float | Latency:
        return seconds_or_latency(value)


class RoundTrip(Pending):
    """One command on its way: half a round trip, then executed, then half a round trip back.

    It is executed even if its caller has gone meanwhile: it was already on the wire.
    """

    _executed = False

    def __init__(self, server: SimServer, execute: Callable[..., Any], *arguments: Any) -> None:
        server.recorder.redis_used(1)
        loop = self._loop = server.loop
        self._execute, self._arguments = execute, arguments
        self._half = half = next(server.trips) / 2
        heappush(loop._queue, (loop.env._now + half, NORMAL, next(loop._next_id), self))

    def fire(self) -> None:
        if self._executed:
            self._finish()
            return
        self._executed = True
        try:
            value = self._execute(*self._arguments)
        except Exception as error:
            if not self._done:
                self._error = error
        else:
            self._value = value
        loop = self._loop
        heappush(loop._queue, (loop.env._now + self._half, NORMAL, next(loop._next_id), self))


class _OrderedSet(dict[Any, None]):
    """A set in order of addition, where fakeredis would go by the addresses of objects in memory."""

    def add(self, item: Any) -> None:
        self[item] = None

    def remove(self, item: Any) -> None:
        del self[item]

    def discard(self, item: Any) -> None:
        self.pop(item, None)


class _LedgerDatabase(Database):
    """A database of the fake server that tells the recorder which values it stores and drops; leases are no values."""

    def __init__(self, server: SimServer) -> None:
        super().__init__(server.lock)
        self._change_callbacks: Any = _OrderedSet()
        self._recorder = server.recorder

    def schedule_expiry(self, key: bytes, expireat: float | None) -> None:
        super().schedule_expiry(key, expireat)
        if not key.startswith(LEASES):
            self._recorder.stored(_PLACE, key.decode(errors="replace"), inf if expireat is None else expireat)

    def __delitem__(self, key: bytes) -> None:
        super().__delitem__(key)
        self._dropped(key)

    def clear(self) -> None:
        for key in list(self):
            self._dropped(key)
        super().clear()

    def _dropped(self, key: bytes) -> None:
        if not key.startswith(LEASES):
            self._recorder.dropped(_PLACE, key.decode(errors="replace"), "deleted")


class SimServer(FakeServer):
    """The Redis server of one simulation, shared by its nodes."""

    def __init__(self, setting: Redis, loop: SimLoop, rng: np.random.Generator, recorder: Recorder) -> None:
        super().__init__(version=(7, 4))
        self.lock: Any = RLock()  # scripts wake those who block, whether or not a command holds it already
        self.loop, self.env, self.recorder = loop, loop.env, recorder
        self.trips: Iterator[float] = as_latency(setting.round_trip).draws(rng)
        self.dbs = defaultdict(lambda: _LedgerDatabase(self))
        self.subscribers: Any = defaultdict(_OrderedSet)
        self.psubscribers: Any = defaultdict(_OrderedSet)


class _DelayedSocket(AsyncFakeSocket):
    """The server's end of a connection: what it receives and what it answers arrives half a round trip late."""

    handshaking = True

    def __init__(self, server: SimServer, *args: Any, **options: Any) -> None:
        super().__init__(server, *args, **options)
        self._world = server
        self._arrives = {self._receive: 0.0, self._answer: 0.0}
        self._half = 0.0
        self._replies_due = 0

    def sent(self, commands: int) -> None:
        """What is sent now, and the replies to it, make one round trip."""
        self._half = next(self._world.trips) / 2
        self._replies_due += commands

    def sendall(self, data: Any) -> None:
        self._deliver(self._receive, data, self._half)

    def put_response(self, msg: Any) -> None:
        reply = self._replies_due > 0
        self._replies_due -= reply
        self._deliver(self._answer, msg, self._half if reply else next(self._world.trips) / 2)

    def eval(self, script: bytes, numkeys: int, *keys_and_args: bytes) -> Any:
        twin = TWINS.get(script.decode(errors="replace"))
        if twin is None:
            return super().eval(script, numkeys, *keys_and_args)
        try:
            return twin(self._db, self._world.env, *keys_and_args)
        except redis.ResponseError as error:
            raise SimpleError(str(error)) from None

    def _receive(self, data: Any) -> None:
        if self._server is None:
            return
        try:
            super().sendall(data)
        except Exception as error:  # the fake server's own, where a real one would have answered: nobody is to wait
            self.put_response(redis.ResponseError(f"the fake server failed: {error!r}"))

    def _answer(self, msg: Any) -> None:
        super().put_response(msg)

    def _deliver(self, step: Callable[[Any], None], content: Any, delay: float) -> None:
        if self.handshaking or self._server is None:
            step(content)
            return
        world = self._world
        at = self._arrives[step] = max(self._arrives[step], world.env.now + delay)  # a connection keeps its order
        world.loop.call_at(at, step, content)


class _DelayedConnection(FakeAsyncRedisConnection):
    """A stock connection over a `_DelayedSocket`."""

    _server: SimServer
    _sock: _DelayedSocket | None  # type: ignore[assignment]
    _packed = 0

    async def _connect(self) -> None:
        options = {"client_class": self._client_class, "client_info": self._client_info}
        self._sock = _DelayedSocket(self._server, self.db, **options)
        self._reader, self._writer = FakeReader(self._sock), FakeWriter(self._sock)

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        assert self._sock is not None
        self._sock.handshaking = False

    def pack_command(self, *args: Any) -> Any:
        self._packed += 1
        return super().pack_command(*args)

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        commands, self._packed = self._packed, 0
        if self._sock is not None and not self._sock.handshaking:
            self._server.recorder.redis_used(commands)
            self._sock.sent(commands)
        await super().send_packed_command(command, check_health)


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

    def __init__(self, server: SimServer, **options: Any) -> None:
        # A time-out of the socket would send through `asyncio.wait_for`, whose turns differ between versions of Python.
        super().__init__(server=server, connection_class=_DelayedConnection, **{"socket_timeout": None} | options)
        self._server = server
        self._loop = server.loop
        encoder: Any = self.get_encoder()  # type: ignore[no-untyped-call]
        self._encode, self._decode, self._decodes = encoder.encode, encoder.decode, encoder.decode_responses
        self._short = encoder.encoding == "utf-8"
        self._database = server.dbs[self.connection_pool.connection_kwargs.get("db", 0)]
        self._direct: Any = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        fields = [bytes(self._encode(part)) for part in (*args[0].split(), *args[1:])]
        name = fields[0].upper().decode()
        blocks = name.startswith("XREAD") and b"BLOCK" in (field.upper() for field in fields)
        if blocks or name in _BLOCKING or name in _STATEFUL:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        if self._direct is None:
            self._direct = await self.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            self._direct._sock.handshaking = True  # replies come back at once: the trip is this client's affair
        reply = await RoundTrip(self._server, self._process, fields)
        answered: Any = _Answered(reply, self._direct._decode)
        return await self.parse_response(answered, args[0], **options)

    def set_response_callback(self, command: Any, callback: Any) -> None:
        self._short = False  # whatever it is, the long road asks it
        super().set_response_callback(command, callback)

    async def get(self, name: Any) -> Any:
        """`GET`, read straight from the fake server's database."""
        if type(name) is not str or not self._short:
            return await super().get(name)
        return await RoundTrip(self._server, self._get_now, name.encode())

    async def set(self, name: Any, value: Any, *args: Any, **options: Any) -> Any:
        """`SET`; with no option but `px` it writes straight to the fake server's database."""
        px = options.get("px", 1)
        plain = not args and options.keys() <= {"px"} and type(px) is int and 0 < px < _LONGEST
        if not plain or type(name) is not str or not self._short or self._server.config:
            return await super().set(name, value, *args, **options)
        data = bytes(self._encode(value))
        return await RoundTrip(self._server, self._set_now, name.encode(), data, options.get("px"))

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """`EVAL`; a script of the patterns runs as its twin on the fake server's database."""
        twin = TWINS.get(script)
        if twin is None or not self._short or self._server.config:
            return super().eval(script, numkeys, *keys_and_args)
        if self._decodes:
            twin = partial(self._decoded, twin)
        return RoundTrip(self._server, twin, self._database, self._loop.env, *keys_and_args)

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

    def _get_now(self, key: bytes) -> Any:
        item = self._database._dict.get(key)
        if item is None or (item.expireat is not None and item.expireat < self._loop.env._now):
            return None
        if type(item.value) is not bytes:
            raise redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return self._decode(item.value) if self._decodes else item.value

    def _set_now(self, key: bytes, data: bytes, px: int | None) -> bool:
        database = self._database
        item: Any = Item(data)
        if px is not None:
            item.expireat = self._loop.env._now + px / 1000.0
        database[key] = item
        if database._watches or database._change_callbacks:
            with database.condition:
                database.notify_watch(key)
        return True
