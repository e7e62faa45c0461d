"""Two layers as tutorials print them: delete, then publish, and trust that everybody hears and nobody is filling.

What goes wrong: a fill under way when the message comes is kept in L1 after it, and the old value is served from there
for a whole `l1_ttl`, if Redis itself did not get it back (FusionCache 625 and 628); the connection of a listener is
lost and made again without a word, and what was said meanwhile never comes; one message that is no text ends the
listener for good; a process hears its own echo and throws away what it has loaded since; and lifetimes add up, for L1
may keep a value that is about to expire in Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import cachetools
import orjson
import redis.asyncio

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.events import Event
from cachesim.patterns.options import Lifetime, TimeToLive
from cachesim.settings import Count, Setting

__all__ = ["Layered"]

_CHANNEL = "cache:invalidations"


class LayeredOptions(TimeToLive):
    """`l1_ttl`: lifetime in L1; None for `ttl`. `l1_size`: how many values L1 holds."""

    l1_ttl: Lifetime | None = None
    l1_size: Count = 10_000


class Layered:
    """A cache in each process over one in Redis."""

    options_type: ClassVar[type[Setting]] = LayeredOptions

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        ttl: float,
        l1_ttl: float | None = None,
        l1_size: int = 10_000,
        clock: Callable[[], float] = wall_clock,
        observe: Observer = lambda event: None,
    ) -> None:
        self._redis, self._ttl, self._observe = redis, ttl, observe
        self._l1: cachetools.TTLCache[str, Any] = cachetools.TTLCache(l1_size, l1_ttl or ttl, timer=clock)
        self._listener: asyncio.Task[None] | None = None

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, from L1, from Redis, or loaded."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        data = self._l1.get(key)
        self._observe(Event("miss" if data is None else "hit", key, layer="l1"))
        if data is None:
            data = await self._redis.get(key)
            self._observe(Event("miss" if data is None else "hit", key, layer="l2"))
            if data is None:
                data = orjson.dumps(await load())
                await self._redis.set(key, data, px=int(self._ttl * 1000))
            self._l1[key] = data
        return orjson.loads(data)

    async def set(self, key: str, value: Any) -> None:
        """Keep `value`, and tell the other processes."""
        data = self._l1[key] = orjson.dumps(value)
        await self._redis.set(key, data, px=int(self._ttl * 1000))
        await self._redis.publish(_CHANNEL, key)

    async def delete(self, key: str) -> None:
        """Forget `key`, and tell the other processes."""
        self._l1.pop(key, None)
        await self._redis.delete(key)
        await self._redis.publish(_CHANNEL, key)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(_CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "message":
                    self._l1.pop(message["data"].decode(), None)

    async def aclose(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()
