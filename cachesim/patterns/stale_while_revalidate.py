"""Stale-while-revalidate: a value past its freshness is served at once, while one refresh runs in the background.

A value is fresh for `fresh_for`, then stale for `stale_for`, then gone: Redis keeps it for the sum of both. Nobody
waits for a refresh, so nobody sees the load's latency as long as a value is read at least once in `stale_for`. A
refresh that fails prolongs nothing. (RFC 5861 has the same for HTTP.)
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import redis.asyncio

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.envelope import Envelope
from cachesim.patterns.options import CommonOptions, Lifetime
from cachesim.patterns.redis_cache import CommonRedisOptions, RedisCache
from cachesim.settings import Seconds, Setting

__all__ = ["StaleWhileRevalidate"]


class Freshness(Setting):
    """`fresh_for`: seconds a value is fresh. `stale_for`: seconds it is served after that, while it is refreshed."""

    fresh_for: Lifetime
    stale_for: Seconds


class StaleWhileRevalidateOptions(CommonRedisOptions, Freshness):
    """The options of `StaleWhileRevalidate`; `jitter` shortens `fresh_for`."""

    lifetime_field: ClassVar[str] = "fresh_for"


class StaleWhileRevalidate(RedisCache):
    """A cache in Redis that serves stale values for a while and refreshes them meanwhile.

    >>> import asyncio, fakeredis
    >>> cache = StaleWhileRevalidate(fakeredis.FakeAsyncRedis(), fresh_for=60, stale_for=600)
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> asyncio.run(cache.get_or_set("user:1", load))
    {'name': 'Ada'}
    """

    options_type: ClassVar[type[CommonOptions]] = StaleWhileRevalidateOptions

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        fresh_for: float,
        stale_for: float,
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
            fresh_for=fresh_for,
            stale_for=stale_for,
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
        held = found.envelope
        if self._is_fresh(held):
            self._hit(key)
            return self._serve(held)
        if held is not None and self._clock() <= (held.fresh_until or 0.0) + options.stale_for:
            self._recompute(key, load, options, "refresh", held)
            self._serve_stale(key)
            return self._serve(held)
        return self._serve(await self._load_or_serve_stale(key, load, options, found))

    def _envelope(self, value: Any, options: Any, seconds: float) -> tuple[Envelope, float]:
        lifetime = self._lifetime(value, options)
        kept = lifetime + max(options.stale_for, options.stale_if_error or 0.0)
        return Envelope(value, self._clock() + lifetime), kept
