"""Stale-while-revalidate as tutorials print it: each stale hit starts a refresh, and forgets it.

What goes wrong: of N who find the value stale, N load it, a stampede in the background; the tasks are held by nobody,
so that they may be collected in mid-flight, their failures are told to nobody, and `aclose` does not wait for them; a
refresh that began before a delete brings the old value back; and in the end nothing keeps a thousand from loading what
has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import orjson
import redis.asyncio

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.events import Event
from cachesim.patterns.stale_while_revalidate import Freshness
from cachesim.settings import Setting

__all__ = ["StaleWhileRevalidate"]


class StaleWhileRevalidate:
    """A cache in Redis that serves stale values for a while and refreshes them meanwhile."""

    options_type: ClassVar[type[Setting]] = Freshness

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        fresh_for: float,
        stale_for: float,
        clock: Callable[[], float] = wall_clock,
        observe: Observer = lambda event: None,
    ) -> None:
        self._redis, self._fresh_for, self._kept_for = redis, fresh_for, fresh_for + stale_for
        self._clock, self._observe = clock, observe

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, loaded if it is not there; refreshed in the background if it is stale."""
        data = await self._redis.get(key)
        if data is None:
            return await self._refresh(key, load)
        value, stored = orjson.loads(data)
        if self._clock() - stored > self._fresh_for:
            self._observe(Event("stale", key))
            self._observe(Event("refresh", key))
            asyncio.create_task(self._refresh(key, load))  # noqa: RUF006 - as printed
        return value

    async def _refresh(self, key: str, load: Loader) -> Any:
        value = await load()
        await self.set(key, value)
        return value

    async def set(self, key: str, value: Any) -> None:
        """Keep `value`."""
        await self._redis.set(key, orjson.dumps([value, self._clock()]), px=int(self._kept_for * 1000))

    async def delete(self, key: str) -> None:
        """Forget `key`."""
        await self._redis.delete(key)

    async def aclose(self) -> None:
        """Waits for nothing, whatever goes on in the background."""
