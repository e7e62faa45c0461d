"""Cache-aside: look in Redis, else load and put it there; a write deletes the key.

The most common pattern. Without single flight, everybody who asks while the first load runs loads as well: the
stampede. A value is usable up to and including its deadline in Redis. When Redis is away, reads go to the loader, with
single flight kept in process, and come back to Redis by themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal

import redis.asyncio

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.redis_cache import RedisCache

__all__ = ["CacheAside"]


class CacheAside(RedisCache):
    """A cache in Redis, filled by those who miss.

    >>> import asyncio, fakeredis
    >>> cache = CacheAside(fakeredis.FakeAsyncRedis(), ttl=60)
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> asyncio.run(cache.get_or_set("user:1", load))
    {'name': 'Ada'}
    """

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        ttl: float,
        jitter: float = 0.0,
        single_flight: Literal["none", "process", "cluster"] = "process",
        negative_ttl: float | None = None,
        stale_if_error: float | None = None,
        load_timeout: float | None = None,
        namespace: str = "cache",
        clock: Callable[[], float] = wall_clock,
        rng: random.Random | None = None,
        observe: Observer | None = None,
    ) -> None:
        super().__init__(
            redis,
            ttl=ttl,
            jitter=jitter,
            single_flight=single_flight,
            negative_ttl=negative_ttl,
            stale_if_error=stale_if_error,
            load_timeout=load_timeout,
            namespace=namespace,
            clock=clock,
            rng=rng,
            observe=observe,
        )

    async def get_or_set(self, key: str, load: Loader, **changes: Any) -> Any:
        options = self.options_with(changes) if changes else self._options
        found = await self._look(key, options)
        if self._is_fresh(found.envelope):
            self._hit(key)
            return self._serve(found.envelope)
        return self._serve(await self._load_or_serve_stale(key, load, options, found))
