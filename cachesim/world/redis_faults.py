"""Redis in trouble: away, slow or losing messages, clients that give up waiting, and nodes that pause.

All windows are known beforehand, so what happens to a command follows from when it is sent: it leaves when its node is
`awake`, travels, waits until Redis does not hang, is executed or refused, travels back, and is heard when its node is
awake again, unless its client has given up by then. `FaultyTrip` and `FaultyConnection` do so on the two roads of
`redis_wire.py`; a world without trouble takes the plain ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from heapq import heappush
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import redis
from simpy.events import NORMAL

from cachesim.world.faults import Fault, MessageLoss, RedisDown, RedisSlow, covering, of_kind, resumed
from cachesim.world.latency import as_latency
from cachesim.world.redis_wire import DelayedConnection, DelayedSocket, RoundTrip

if TYPE_CHECKING:
    from cachesim.world.redis import SimServer

__all__ = ["Awake", "FaultyConnection", "FaultyTrip", "RedisFaults", "always"]

Awake = Callable[[float], float]
"""The first moment at or after a time (s) at which a node runs."""

_MESSAGES = (b"message", b"pmessage", b"smessage")


def always(time: float) -> float:
    """A node that never pauses."""
    return time


class RedisFaults:
    """What goes wrong with one Redis, as functions of time (s).

    `trips` are the round trips of a Redis in health; `added` and `lost` the chance of slow ones and of lost messages.
    `refusing` and `hanging`: the windows in which it does so.
    """

    def __init__(
        self, faults: Sequence[Fault], trips: Iterator[float], added: np.random.Generator, lost: np.random.Generator
    ) -> None:
        down = of_kind(faults, RedisDown)
        self.refusing = [window for window in down if window.mode == "refuse"]
        self.hanging = [window for window in down if window.mode == "hang"]
        self._slow = [(window, as_latency(window.added).draws(added)) for window in of_kind(faults, RedisSlow)]
        self._losing = of_kind(faults, MessageLoss)
        self._trips, self._lost = trips, lost

    def __bool__(self) -> bool:
        return bool(self.refusing or self.hanging or self._slow or self._losing)

    def half(self, sent: float) -> float:
        """Half of a round trip that begins then."""
        return (next(self._trips) + sum(next(added) for window, added in self._slow if window.covers(sent))) / 2

    def answers(self, arrival: float) -> float:
        """When what arrives then is executed or refused."""
        return resumed(self.hanging, arrival)

    def refuses(self, time: float) -> bool:
        """Whether Redis refuses what arrives then."""
        return covering(self.refusing, time) is not None

    def loses_message(self, time: float) -> bool:
        """Whether a message that is sent then is lost."""
        return any(window.covers(time) and self._lost.random() < window.share for window in self._losing)


def _refused() -> redis.ConnectionError:
    return redis.ConnectionError("Redis refuses connections")


def _unanswered(timeout: float | None) -> redis.TimeoutError:
    return redis.TimeoutError(f"no reply from Redis within {timeout:g} s")


class FaultyTrip(RoundTrip):
    """One command on its way through trouble."""

    def __init__(self, awake: Awake, server: SimServer, execute: Callable[..., Any], *arguments: Any) -> None:
        server.recorder.redis_used(1)
        loop, faults = server.loop, server.faults
        self._loop, self._faults, self._awake = loop, faults, awake
        self._execute, self._arguments, self._timeout = execute, arguments, server.timeout
        self._travels = bool(faults.hanging)  # on arrival it queues up behind what waits for Redis to go on
        sent = awake(loop.env._now)
        self._half = half = faults.half(sent)
        self._step_at(sent + half)
        if self._timeout is not None:
            given_up = awake(sent + self._timeout)
            if awake(faults.answers(sent + half) + half) > given_up:
                loop.call_at(given_up, self._give_up)

    def fire(self) -> None:
        now = self._loop.env._now
        if self._travels:
            self._travels = False
            self._step_at(self._faults.answers(now))
        elif self._executed and (awake := self._awake(now)) > now:
            self._step_at(awake)
        else:
            if not self._executed and self._faults.refuses(now):
                self._execute, self._arguments = _refuse, ()
            super().fire()

    def _step_at(self, time: float) -> None:
        heappush(self._loop._queue, (time, NORMAL, next(self._loop._next_id), self))

    def _give_up(self) -> None:
        if not self._done:
            self._error = _unanswered(self._timeout)
            self._finish()


def _refuse() -> None:
    raise _refused()


class FaultySocket(DelayedSocket):
    """The server's end of a connection that may break, and whose other end may pause or hang up."""

    awake: Awake

    def __init__(self, server: SimServer, *args: Any, **options: Any) -> None:
        super().__init__(server, *args, **options)
        self._arrives[self._take] = 0.0

    def sent(self, commands: int) -> None:
        self._half = self._world.faults.half(self.awake(self._world.env.now))
        self._replies_due += commands

    def sendall(self, data: Any) -> None:
        self._deliver(self._receive, data, self.awake(self._world.env.now) + self._half)

    def put_response(self, msg: Any) -> None:
        if self.handshaking:
            super().put_response(msg)
            return
        if self._killed:
            return
        faults, now = self._world.faults, self._world.env.now
        if self._pubsub and isinstance(msg, list) and msg[0] in _MESSAGES and faults.loses_message(now):
            return
        leaves = faults.answers(now)
        half = self._half if self._is_reply() else faults.half(leaves)
        self._deliver(self._answer, msg, self.awake(leaves + half))

    def break_off(self, half: float | None = None) -> None:
        """The server closes the connection; the client hears of it after `half` a round trip, drawn if not given."""
        faults, now = self._world.faults, self._world.env.now
        half = faults.half(now) if half is None else half
        self._deliver(self._answer, _refused(), self.awake(now + half))
        self._leave()

    def hang_up(self) -> None:
        """The client closes the connection, once what it has sent has arrived."""
        self._deliver(self._receive, None, self.awake(self._world.env.now) + self._half)

    def _receive(self, data: Any) -> None:
        if self._world.faults.hanging and not self.handshaking:
            self._deliver(self._take, data, self._world.faults.answers(self._world.env.now))
        else:
            self._take(data)

    def _take(self, data: Any) -> None:
        """What has been received has its turn: bytes, or None for a client that has hung up."""
        if self._killed:
            return
        if data is None:
            self._leave()
        elif not self.handshaking and self._world.faults.refuses(self._world.env.now):
            self.break_off(self._half)
        else:
            super()._receive(data)

    def _leave(self) -> None:
        """The server forgets the connection, and what it listens to, watches and waits for."""
        with self._world.lock:
            self.kill()
            if self._blocked:
                self._unblock_reason = b"error"
                self._db.wake_all()


class FaultyConnection(DelayedConnection):
    """A stock connection of a node, over a `FaultySocket`."""

    socket_class: ClassVar[type[DelayedSocket]] = FaultySocket

    def __init__(self, awake: Awake, **options: Any) -> None:
        super().__init__(**options)
        self._awake = awake
        # The stock client would send through `asyncio.wait_for`, whose turns differ between versions of Python.
        self._timeout, self.socket_timeout = self.socket_timeout, None

    async def _connect(self) -> None:
        """No time, unless it is refused."""
        faults, loop = self._server.faults, self._server.loop
        if faults.refusing:
            sent = self._awake(loop.time())
            half = faults.half(sent)
            if faults.refuses(faults.answers(sent + half)):
                await asyncio.sleep(self._awake(faults.answers(sent + half) + half) - loop.time())
                raise _refused()
        await super()._connect()
        assert isinstance(self._sock, FaultySocket)
        self._sock.awake = self._awake

    async def disconnect(self, nowait: bool = False, **options: Any) -> None:  # type: ignore[override]
        if isinstance(self._sock, FaultySocket):
            self._sock.hang_up()
        await super().disconnect(nowait, **options)

    async def _read_response(self, **options: Any) -> Any:
        """What comes, in time: a broken connection and a late reply raise here, where the stock client disconnects."""
        if self._timeout is None or options.get("timeout") is not None:
            response = await super()._read_response(**options)
        else:
            response = await self._in_time(self._timeout, options)
        if isinstance(response, redis.ConnectionError):
            raise response
        return response

    async def _in_time(self, timeout: float, options: dict[str, Any]) -> Any:
        given_up = self._awake(self._awake(self._server.loop.time()) + timeout)
        try:
            async with asyncio.timeout_at(given_up):
                return await super()._read_response(**options)
        except TimeoutError:
            if self._sock is None or self._sock.responses.empty():
                raise _unanswered(timeout) from None
            return self._sock.responses.get_nowait()  # it has come at this very moment
