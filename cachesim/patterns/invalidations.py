"""How processes tell each other which keys were invalidated: over pub/sub, or over a stream.

*Pub/sub* delivers at most once: whoever is not listening misses a message and cannot know. *A stream* keeps messages,
so that a listener resumes where it left and gets each at least once, unless the stream was cut beyond that meanwhile.
Either way a listener knows when it is not `listening`, and is told by `lost` when it may have missed something.

A message is a JSON list of sender and key. One that is not is counted in `malformed` and skipped.
"""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf
from typing import Any

import orjson
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

__all__ = ["Invalidations", "PubSubInvalidations", "StreamInvalidations"]

_PAUSE = 1.0
"""Seconds between a lost connection and the next attempt."""
_KEPT = 10_000
"""Messages that a stream keeps, or a few more."""
_BLOCK = 1.0
"""Seconds that one read of a stream waits at most."""


class Invalidations(ABC):
    """Tells others, and hears from them: `heard(key)` for each message, `lost()` when some may have been missed."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        name: str,
        *,
        heard: Callable[[str], None],
        lost: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._redis: Any = redis
        self._name, self._heard, self._lost, self._failed = name, heard, lost, failed
        self._sender = secrets.token_hex(8)  # who it is, no matter of chance
        self._task: asyncio.Task[None] | None = None
        self.listening = False
        self.malformed = 0

    def start(self) -> None:
        """Begin to listen, if that has not begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Listen no more."""
        if self._task is not None:
            while not self._task.done():  # once may not do: before Python 3.12 `asyncio.wait_for` can lose it
                self._task.cancel()
                await asyncio.wait([self._task], timeout=_PAUSE)
            self.listening = False

    async def tell(self, key: str) -> None:
        """Tell the others that `key` was invalidated. Raises what the client raises."""
        await self._send(orjson.dumps([self._sender, key]))

    @abstractmethod
    async def _send(self, message: bytes) -> None: ...

    @abstractmethod
    async def _listen(self) -> None:
        """Listen until that fails."""

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # whatever it is, it must not end the listener
                self._failed(error)
            self.listening = False
            self._gap()
            await asyncio.sleep(_PAUSE)

    def _gap(self) -> None:
        """Listening has stopped: what comes now is missed."""
        self._lost()

    def _hear(self, message: Any) -> None:
        try:
            sender, key = orjson.loads(message)
        except (TypeError, ValueError):  # no JSON, or no list of two
            self.malformed += 1
            return
        if not isinstance(key, str):
            self.malformed += 1
        elif sender != self._sender:  # one's own echo is old news
            self._heard(key)


class PubSubInvalidations(Invalidations):
    """At most once: what was said while nobody listened is lost."""

    async def _send(self, message: bytes) -> None:
        await self._redis.publish(self._name, message)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(self._name)
            connection = pubsub.connection
            patience, connection.retry = connection.retry, Retry(NoBackoff(), 0)  # it would reconnect without a word
            try:
                async for message in pubsub.listen():
                    if message["type"] == "subscribe":
                        self._lost()  # before the first one, and while a connection was made anew under our feet
                        self.listening = True
                    else:
                        self._hear(message["data"])
            finally:
                connection.retry = patience


class StreamInvalidations(Invalidations):
    """At least once: a listener resumes where it left."""

    _last: str | None = None

    async def _send(self, message: bytes) -> None:
        await self._redis.xadd(self._name, {"message": message}, maxlen=_KEPT, approximate=True)

    def _gap(self) -> None:
        pass  # nothing is missed: it is read later, and nobody trusts what is not listening until then

    async def _listen(self) -> None:
        if self._last is None:
            newest = await self._redis.xrevrange(self._name, count=1)
            self._last = _text(newest[0][0]) if newest else "0-0"
        elif self._last != "0-0" and not await self._redis.xrange(self._name, self._last, self._last):
            self._lost()  # cut beyond where it left
        patience = _patience(self._redis)
        while True:
            block = patience if self.listening else None  # first what has been said meanwhile
            streams = await self._redis.xread({self._name: self._last}, count=1000, block=block)
            for _, messages in streams or ():
                for identifier, fields in messages:
                    self._last = _text(identifier)
                    self._hear(next(iter(fields.values()), None))
            if not streams:
                self.listening = True


def _text(identifier: bytes | str) -> str:
    return identifier if isinstance(identifier, str) else identifier.decode()


def _patience(client: Any) -> int:
    """Milliseconds to block: well below the time-out of the client's socket."""
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    timeout = options.get("socket_timeout") or inf
    return max(1, int(min(_BLOCK, timeout / 2) * 1000))
