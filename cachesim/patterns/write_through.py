"""Write-through: a write goes to the database and then to the cache, so that the next read finds it there.

Two who write at the same time may reach the cache in the other order than the database, and the older value would stay.
So each write has a version, which rises in the order of commits, and the cache takes only what is newer. (A key that is
deleted, or evicted by Redis, forgets its version: a writer who was overtaken and is then later than that is not seen.)

Write-around deletes the key instead. That costs the next reader a load, and saves the cache what nobody reads.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, Literal

import redis.asyncio

from cachesim.patterns.cache import Observer, wall_clock
from cachesim.patterns.cache_aside import CacheAside
from cachesim.patterns.envelope import seal
from cachesim.patterns.flights import Ticket
from cachesim.patterns.options import CommonOptions
from cachesim.patterns.redis_cache import RedisCache, RedisOptions

__all__ = ["WriteThrough"]

Store = Callable[[str, Any], Awaitable[int]]


class WriteThroughOptions(RedisOptions):
    """`write_around`: a write deletes the key rather than to keep what was written."""

    fixed: ClassVar[tuple[str, ...]] = ("namespace", "write_around")

    write_around: bool = False


class WriteThrough(RedisCache):
    """A cache in Redis that writes the database: `store(key, value)` does so, and returns the version it made.

    A write once begun is carried through, even if its caller leaves. When the cache cannot take it the key is deleted,
    and when that fails too, the old value is served until it expires (counted in `stats.errors`). Should `store` fail,
    nobody knows what the database holds: the key is deleted, and the caller told.

    >>> import asyncio, fakeredis
    >>> table = {}
    >>> async def store(key, value):
    ...     table[key] = value
    ...     return len(table)
    >>> cache = WriteThrough(fakeredis.FakeAsyncRedis(), store, ttl=60)
    >>> asyncio.run(cache.set("user:1", {"name": "Ada"}))
    >>> table
    {'user:1': {'name': 'Ada'}}
    """

    options_type: ClassVar[type[CommonOptions]] = WriteThroughOptions
    keeps = (*RedisCache.keeps, "no_lost_update")

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        store: Store,
        *,
        ttl: float,
        jitter: float = 0.0,
        single_flight: Literal["none", "process", "cluster"] = "process",
        negative_ttl: float | None = None,
        stale_if_error: float | None = None,
        load_timeout: float | None = None,
        namespace: str = "cache",
        write_around: bool = False,
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
            write_around=write_around,
            clock=clock,
            rng=rng,
            observe=observe,
        )
        self._write_database = store

    get_or_set = CacheAside.get_or_set

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        options = self.options_with(changes)
        seal(value)  # what cannot be cached is refused before it is written
        await self._flights.carry(key, partial(self._write, value, options))

    async def _write(self, value: Any, options: Any, ticket: Ticket) -> None:
        key = ticket.key
        try:
            version = await self._write_database(key, value)
        except BaseException:
            self._flights.overtake(key)
            await self._redis.drop(key)
            raise
        self._flights.overtake(key)  # loads begun before the commit
        if options.write_around:
            await self._redis.drop(key)
            return
        ticket.valid = True  # a delete until now is older than what is in the database
        envelope, kept = self._envelope(value, options, 0.0)
        await self._put_or_drop(ticket, seal(*envelope), kept, version)
