"""Cache-aside: look in Redis, else load and put it there; a write deletes the key.

The most common pattern. Without single flight, everybody who asks while the first load runs loads as well: the
stampede. A value is usable up to and including its deadline in Redis. When Redis is away, reads go to the loader, with
single flight kept in process, and come back to Redis by themselves.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, Literal

import redis.asyncio
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from cachesim.patterns.breaker import Breaker
from cachesim.patterns.cache import Cache, Observer, wall_clock
from cachesim.patterns.envelope import Envelope, open_envelope, seal
from cachesim.patterns.flights import Ticket
from cachesim.patterns.options import Options

__all__ = ["CacheAside"]

_LOG = logging.getLogger("cachesim")
_FAILED = (RedisError, RedisClusterException, OSError)
_LONGEST = 10**15  # ms, some 30,000 years: what Redis refuses is longer


class CacheAsideOptions(Options):
    """`namespace`: what keys in Redis begin with."""

    fixed: ClassVar[tuple[str, ...]] = ("namespace",)

    namespace: str = "cache"


class CacheAside(Cache):
    """A cache in Redis, filled by those who miss.

    `redis` is any `redis.asyncio` client; its `socket_timeout` and `retry` bound how long a hanging Redis holds callers
    up. Values are what JSON can tell. A delete that cannot reach Redis leaves the value there until it expires.

    >>> import asyncio, fakeredis
    >>> cache = CacheAside(fakeredis.FakeAsyncRedis(), ttl=60)
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> asyncio.run(cache.get_or_set("user:1", load))
    {'name': 'Ada'}
    """

    options_type: ClassVar[type[Options]] = CacheAsideOptions

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        ttl: float,
        jitter: float = 0.0,
        single_flight: Literal["none", "process"] = "process",
        negative_ttl: float | None = None,
        stale_if_error: float | None = None,
        load_timeout: float | None = None,
        namespace: str = "cache",
        clock: Callable[[], float] = wall_clock,
        rng: random.Random | None = None,
        observe: Observer | None = None,
    ) -> None:
        options = CacheAsideOptions(
            ttl=ttl,
            jitter=jitter,
            single_flight=single_flight,
            negative_ttl=negative_ttl,
            stale_if_error=stale_if_error,
            load_timeout=load_timeout,
            namespace=namespace,
        )
        super().__init__(options, clock=clock, rng=rng, observe=observe)
        self._redis = redis
        self._prefix = f"{namespace}:v1:"
        self._breaker = Breaker(clock)
        self._malformed_logged = False

    async def get_or_set(self, key: str, load: Callable[[], Awaitable[Any]], **changes: Any) -> Any:
        envelope = await self._lookup(key)
        if envelope is not None and (envelope.fresh_until is None or self._clock() <= envelope.fresh_until):
            self._hits += 1
            if self._tells_hits:
                self._tell("hit", key)
            return envelope.value
        options = self._options_with(changes)
        try:
            return await self._load(key, load, options)
        except Exception:
            if envelope is None or self._clock() > (envelope.fresh_until or 0.0) + (options.stale_if_error or 0.0):
                raise
            self._serve_stale(key)
            return envelope.value

    # Writes ask Redis whatever the breaker says: an old value left behind would be served when Redis is back.

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        options = self._options_with(changes)
        await self._flights.write(key, partial(self._put, key, value, options, replace=True))

    async def delete(self, key: str) -> None:
        await self._flights.write(key, lambda _: self._drop(key))

    async def _lookup(self, key: str) -> Envelope | None:
        if not self._breaker.allows():
            return None
        try:
            data = await self._redis.get(self._prefix + key)
        except (ResponseError, UnicodeDecodeError) as error:  # the server is there, but this is no value of ours
            self._breaker.worked()
            self._malformed(key, error)
            return None
        except _FAILED as error:
            self._redis_failed(key, error)
            return None
        self._breaker.worked()
        if data is None:
            return None
        envelope = open_envelope(data)
        if envelope is None:
            self._malformed(key, None)
        return envelope

    async def _store(self, key: str, value: Any, options: Options, ticket: Ticket) -> None:
        if ticket.valid and self._breaker.allows():
            await self._flights.land(key, ticket, partial(self._put, key, value, options))

    async def _put(self, key: str, value: Any, options: Options, ticket: Ticket, *, replace: bool = False) -> None:
        """Set; then delete if what is there must not stay: spoiled and perhaps overtaken, or the value to replace."""
        lifetime = kept = self._lifetime(value, options)
        fresh_until = None
        if options.stale_if_error is not None:
            fresh_until = self._clock() + lifetime
            kept += options.stale_if_error
        data = seal(value, fresh_until)
        try:
            await self._redis.set(self._prefix + key, data, px=min(max(1, int(kept * 1000 + 1e-6)), _LONGEST))
        except _FAILED as error:
            self._redis_failed(key, error)
        else:
            self._breaker.worked()
            replace = False
        if replace or not ticket.valid:
            await self._drop(key)

    async def _drop(self, key: str) -> None:
        try:
            await self._redis.delete(self._prefix + key)
        except _FAILED as error:
            self._redis_failed(key, error)
        else:
            self._breaker.worked()

    def _redis_failed(self, key: str, error: Exception) -> None:
        if not isinstance(error, ResponseError):  # it answers, though with an error: to others it may be of use
            self._breaker.failed()
        self._failed(key, error)

    def _malformed(self, key: str, error: Exception | None) -> None:
        if not self._malformed_logged:
            self._malformed_logged = True
            why = "" if error is None else f" ({error})"
            _LOG.warning("malformed value in Redis under %r%s, taken for a miss (said once)", self._prefix + key, why)
