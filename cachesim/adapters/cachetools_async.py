"""cachetools-async: its `cached`, which keeps the futures of the loads in a `TTLCache` of cachetools."""

from __future__ import annotations

from typing import Any

from cachetools import TTLCache
from cachetools.keys import hashkey
from cachetools_async import cached

from cachesim.adapters.sizes import SIZE
from cachesim.world.nodes import Node

__all__ = ["VARIANTS"]


class _Cached:
    def __init__(self, node: Node, ttl: float) -> None:
        self._kept: TTLCache[Any, Any] = TTLCache(SIZE, ttl, timer=node.clock)

        @cached(self._kept)
        async def get(key: str) -> Any:
            return await node.database.read(key)

        self.get = get

    async def delete(self, key: str) -> None:
        self._kept.pop(hashkey(key), None)


VARIANTS = {"cached": _Cached}
