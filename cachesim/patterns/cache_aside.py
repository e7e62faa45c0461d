"""Cache-aside: look in Redis, else load and put it there; a write deletes the key.

The most common pattern. Without single flight, everybody who asks while the first load runs loads as well: the
stampede. A value is usable up to and including its deadline in Redis. When Redis is away, reads go to the loader, with
single flight kept in process, and come back to Redis by themselves.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Literal

import redis.asyncio
from redis.exceptions import RedisError

from cachesim.patterns.breaker import Breaker
from cachesim.patterns.cache import Cache, Observer, wall_clock
from cachesim.patterns.envelope import Envelope, open_envelope, seal
from cachesim.patterns.flights import Ticket
from cachesim.patterns.options import Options

__all__ = ["CacheAside"]

_LOG = logging.getLogger("cachesim")
_AWAY = (RedisError, OSError, TimeoutError)


class CacheAsideOptions(Options):
    """`namespace`: what keys in Redis begin with."""

    namespace: str = "cache"


class CacheAside(Cache):
    """A cache in Redis, filled by those who miss.

    `redis` is any `redis.asyncio` client; give it a `socket_timeout`, which bounds how long a hanging Redis holds
    callers up.
    """

    Options: ClassVar[type[Options]] = CacheAsideOptions

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
            self._hit(key)
            return envelope.value
        try:
            return await self._load(key, load, self._options_with(changes))
        except Exception:
            if envelope is None:
                raise
            self._serve_stale(key)
            return envelope.value

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        self._flights.invalidate(key)
        await self._store(key, value, self._options_with(changes), Ticket())

    async def delete(self, key: str) -> None:
        self._flights.invalidate(key)
        try:  # whatever the breaker says: a value left behind would be served when Redis is back
            await self._redis.delete(self._prefix + key)
        except _AWAY as error:
            self._away(key, error)

    async def _lookup(self, key: str) -> Envelope | None:
        if not self._breaker.allows():
            return None
        try:
            data = await self._redis.get(self._prefix + key)
        except _AWAY as error:
            self._away(key, error)
            return None
        self._breaker.worked()
        if data is None:
            return None
        envelope = open_envelope(data)
        if envelope is None and not self._malformed_logged:
            self._malformed_logged = True
            _LOG.warning("malformed value in Redis under %r, taken for a miss (said once)", self._prefix + key)
        return envelope

    async def _store(self, key: str, value: Any, options: Options, ticket: Ticket) -> None:
        if not ticket.valid or not self._breaker.allows():
            return
        lifetime = kept = self._lifetime(value, options)
        fresh_until = None
        if options.stale_if_error is not None:
            fresh_until = self._clock() + lifetime
            kept += options.stale_if_error
        data = seal(value, fresh_until)
        try:
            await self._redis.set(self._prefix + key, data, px=max(1, int(kept * 1000 + 1e-6)))
            if not ticket.valid:  # an invalidation came while the value was on its way, and may have overtaken it
                await self._redis.delete(self._prefix + key)
        except _AWAY as error:
            self._away(key, error)
        else:
            self._breaker.worked()

    def _away(self, key: str, error: Exception) -> None:
        self._breaker.failed()
        self._failed(key, error)
