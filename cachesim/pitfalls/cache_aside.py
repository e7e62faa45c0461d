"""Cache-aside as tutorials print it: `if value: return value`, and a fill that asks nobody whether it may.

What goes wrong: None, 0, "", [], {} and False are never found, so that each read of an absent row asks the origin
(aiocache, flightlock); a load that began before a delete stores the old value after it, for a whole `ttl` (FusionCache
535 and 613, Caffeine 193); bytes that are no JSON raise for as long as they lie there; a Redis that is away fails every
read and write; keys have no namespace, and in `cached` 7 and "7" share one. With `single_flight="process"`, the printed
lock per key: never removed, cancelled with its holder, and one failure becomes N loads in a row.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import orjson
import redis.asyncio

from cachesim.patterns.cache import F, Loader
from cachesim.patterns.options import TimeToLive
from cachesim.settings import Setting

__all__ = ["CacheAside"]


class CacheAsideOptions(TimeToLive):
    """`single_flight`: "none", everybody loads; "process", one at a time behind a lock for each key."""

    single_flight: Literal["none", "process"] = "none"


class CacheAside:
    """A cache in Redis, filled by those who miss."""

    options_type: ClassVar[type[Setting]] = CacheAsideOptions

    def __init__(
        self, redis: redis.asyncio.Redis, *, ttl: float, single_flight: Literal["none", "process"] = "none"
    ) -> None:
        self._redis, self._ttl, self._single_flight = redis, ttl, single_flight
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, loaded if it is not there."""
        if value := await self._get(key):
            return value
        if self._single_flight == "none":
            return await self._fill(key, load)
        async with self.locks[key]:
            return await self._get(key) or await self._fill(key, load)

    async def _get(self, key: str) -> Any:
        data = await self._redis.get(key)
        return orjson.loads(data) if data else None

    async def _fill(self, key: str, load: Loader) -> Any:
        value = await load()
        await self.set(key, value)
        return value

    async def set(self, key: str, value: Any) -> None:
        """Keep `value`."""
        await self._redis.set(key, orjson.dumps(value), px=int(self._ttl * 1000))

    async def delete(self, key: str) -> None:
        """Forget `key`."""
        await self._redis.delete(key)

    async def aclose(self) -> None:
        """Nothing to wait for."""

    def cached(self, template: str) -> Callable[[F], F]:
        """A decorator: calls of the function are cached under `template`, formatted with their arguments."""

        def decorate(function: F) -> F:
            async def call(*args: Any, **options: Any) -> Any:
                arguments = inspect.signature(function).bind(*args, **options).arguments
                return await self.get_or_set(template.format(**arguments), lambda: function(*args, **options))

            return call  # type: ignore[return-value]

        return decorate
