"""In-process caching as tutorials print it: a lock per key, and a check before the get.

What goes wrong: the locks are never removed, so a dict grows with every key ever asked (and those who pop a lock on
release let two holders in); each of N who wait behind a load that fails gets the lock in turn and loads again, one
after another; a first caller who leaves takes the load with them; an entry that expires between `in` and `[]` raises
`KeyError` (cachetools 29); and a load that began before a delete stores its value over it (aiocache 95).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, ClassVar

import cachetools

from cachesim.patterns.cache import Loader, wall_clock
from cachesim.patterns.options import TimeToLive
from cachesim.settings import Count, Setting

__all__ = ["InProcess", "remembered"]


class InProcessOptions(TimeToLive):
    """`size`: how many values at most."""

    size: Count = 10_000


class InProcess:
    """A `cachetools.TTLCache` behind one lock for each key."""

    options_type: ClassVar[type[Setting]] = InProcessOptions

    def __init__(self, *, ttl: float, size: int = 10_000, clock: Callable[[], float] = wall_clock) -> None:
        self._values: cachetools.TTLCache[str, Any] = cachetools.TTLCache(size, ttl, timer=clock)
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, loaded if it is not there."""
        if key in self._values:
            return self._values[key]
        async with self.locks[key]:
            if key in self._values:
                return self._values[key]
            value = self._values[key] = await load()
            return value

    async def set(self, key: str, value: Any) -> None:
        """Keep `value`."""
        self._values[key] = value

    async def delete(self, key: str) -> None:
        """Forget `key`."""
        self._values.pop(key, None)

    async def aclose(self) -> None:
        """Nothing to wait for."""


def remembered(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`functools.lru_cache` on a coroutine function: it keeps the coroutine, which can be awaited only once.

    >>> async def load(key):
    ...     return key.upper()
    >>> get = remembered(load)
    >>> asyncio.run(get("a"))
    'A'
    >>> asyncio.run(get("a"))
    Traceback (most recent call last):
    RuntimeError: cannot reuse already awaited coroutine
    """
    return lru_cache(maxsize=1024)(function)
