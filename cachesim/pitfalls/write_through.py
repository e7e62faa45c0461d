"""Write-through as tutorials print it: write the database, then the cache, and hope that the order holds.

What goes wrong: of two who write at the same time, the first in the database may be the last in the cache, and the
older value stays for a whole `ttl`; a caller who leaves between the two, or a cache that does not take the value,
leaves the old one there as well; and a load that began before the write stores what it read over it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import orjson
import redis.asyncio

from cachesim.patterns.cache import Loader
from cachesim.patterns.options import TimeToLive
from cachesim.settings import Setting

__all__ = ["WriteThrough"]


class WriteThrough:
    """A cache in Redis that writes the database: `store(key, value)` does so."""

    options_type: ClassVar[type[Setting]] = TimeToLive

    def __init__(self, redis: redis.asyncio.Redis, store: Callable[[str, Any], Awaitable[Any]], *, ttl: float) -> None:
        self._redis, self._store, self._ttl = redis, store, ttl

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, loaded if it is not there."""
        data = await self._redis.get(key)
        if data is not None:
            return orjson.loads(data)
        value = await load()
        await self._keep(key, value)
        return value

    async def set(self, key: str, value: Any) -> None:
        """Write the database and the cache."""
        await self._store(key, value)
        await self._keep(key, value)

    async def _keep(self, key: str, value: Any) -> None:
        await self._redis.set(key, orjson.dumps(value), px=int(self._ttl * 1000))

    async def delete(self, key: str) -> None:
        """Forget `key`."""
        await self._redis.delete(key)

    async def aclose(self) -> None:
        """Nothing to wait for."""
