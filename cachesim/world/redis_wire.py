"""The wire between a node and Redis: what is sent, answered or published arrives half a round trip later.

`RoundTrip` is the short road of one command, without a connection. `DelayedConnection` is the stock client's own road:
a connection whose bytes and replies arrive late, in order. Connections are open before the run begins: no handshake
costs time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappush
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from fakeredis._helpers import SimpleError
from fakeredis.aioredis import AsyncFakeSocket, FakeAsyncRedisConnection, FakeReader, FakeWriter
from simpy.events import NORMAL

from cachesim.world.pending import Pending
from cachesim.world.scripts import TWINS

if TYPE_CHECKING:
    from cachesim.world.redis import SimServer

__all__ = ["DelayedConnection", "DelayedSocket", "RoundTrip"]


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


class DelayedSocket(AsyncFakeSocket):
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
        self._deliver(self._receive, data, self._world.env.now + self._half)

    def put_response(self, msg: Any) -> None:
        reply = self._is_reply()
        self._deliver(self._answer, msg, self._world.env.now + (self._half if reply else next(self._world.trips) / 2))

    def _is_reply(self) -> bool:
        """Whether what the server says now is due to a command, and no message; it is due no more."""
        reply = self._replies_due > 0
        self._replies_due -= reply
        return reply

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

    def _deliver(self, step: Callable[[Any], None], content: Any, at: float) -> None:
        if self.handshaking or self._server is None:
            step(content)
            return
        at = self._arrives[step] = max(self._arrives[step], at)  # a connection keeps its order
        self._world.loop.call_at(at, step, content)


class DelayedConnection(FakeAsyncRedisConnection):
    """A stock connection over a `DelayedSocket`."""

    socket_class: ClassVar[type[DelayedSocket]] = DelayedSocket

    _server: SimServer
    _sock: DelayedSocket | None  # type: ignore[assignment]
    _packed = 0

    async def _connect(self) -> None:
        options = {"client_class": self._client_class, "client_info": self._client_info}
        self._sock = self.socket_class(self._server, self.db, **options)
        self._reader, self._writer = FakeReader(self._sock), FakeWriter(self._sock)

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        assert self._sock is not None
        self._sock.handshaking = False

    def pack_command(self, *args: Any) -> Any:
        self._packed += 1
        return super().pack_command(*args)

    async def can_read(self, timeout: float | None = 0) -> bool:
        """Whether there is a reply, or one comes within `timeout` seconds (None: whenever).

        The fake client's own waits by `asyncio.wait_for`, whose turns differ between versions of Python.
        """
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]
        socket = self._sock
        if socket is None or timeout == 0 or not socket.responses.empty():
            return socket is not None and not socket.responses.empty()
        try:
            async with asyncio.timeout(timeout):
                while socket.responses.empty():
                    socket._response_available.clear()
                    await socket._response_available.wait()
        except TimeoutError:
            return False
        return self._sock is socket

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        commands, self._packed = self._packed, 0
        if self._sock is not None and not self._sock.handshaking:
            self._server.recorder.redis_used(commands)
            self._sock.sent(commands)
        await super().send_packed_command(command, check_health)
