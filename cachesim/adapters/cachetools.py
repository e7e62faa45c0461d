"""cachetools: a `TTLCache`, used by hand in a coroutine, with and without a lock around it."""

from __future__ import annotations

import asyncio
from typing import Any

from cachetools import TTLCache

from cachesim.adapters.sizes import SIZE
from cachesim.world.nodes import Node

__all__ = ["VARIANTS"]


class _Ttl:
    def __init__(self, node: Node, ttl: float) -> None:
        self._database = node.database
        self._kept: TTLCache[str, Any] = TTLCache(SIZE, ttl, timer=node.clock)

    async def get(self, key: str) -> Any:
        try:
            return self._kept[key]
        except KeyError:
            value = self._kept[key] = await self._database.read(key)
            return value

    async def delete(self, key: str) -> None:
        self._kept.pop(key, None)


class _Lock(_Ttl):
    """One lock for all keys, as the documentation of cachetools shows it for threads."""

    def __init__(self, node: Node, ttl: float) -> None:
        super().__init__(node, ttl)
        self._lock = asyncio.Lock()

    async def get(self, key: str) -> Any:
        async with self._lock:
            return await super().get(key)


VARIANTS = {"ttl": _Ttl, "lock": _Lock}
