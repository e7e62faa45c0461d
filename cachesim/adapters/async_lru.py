"""async-lru: `alru_cache`, which keeps the tasks of the loads themselves."""

from __future__ import annotations

from typing import Any

from async_lru import alru_cache

from cachesim.adapters.sizes import SIZE
from cachesim.world.nodes import Node

__all__ = ["VARIANTS"]


class _AsyncLru:
    def __init__(self, node: Node, ttl: float) -> None:
        @alru_cache(maxsize=SIZE, ttl=ttl)
        async def get(key: str) -> Any:
            return await node.database.read(key)

        self.get = get

    async def delete(self, key: str) -> None:
        self.get.cache_invalidate(key)

    async def aclose(self) -> None:
        await self.get.cache_close()


VARIANTS = {"ttl": _AsyncLru}
