"""aiocache: its decorators `cached` and `cached_stampede`, over its memory or over the node's Redis."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiocache import Cache, cached, cached_stampede

from cachesim.world.nodes import Node

__all__ = ["VARIANTS"]


class _Key(str):
    """A key as one node has it: of the same text for Redis, but equal to no other node's.

    aiocache keeps the locks that are held, by key, in a table for the whole process. Here each node is a process,
    though all of them are in this one.
    """

    _node: object

    def __new__(cls, node: object, text: str, namespace: str | None = None) -> _Key:
        key = super().__new__(cls, text)
        key._node = node
        return key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._node is other._node and str.__eq__(self, other)

    def __hash__(self) -> int:
        return hash((id(self._node), str(self)))


class _Aiocache:
    def __init__(self, decorator: Any, where: Any, node: Node, ttl: float) -> None:
        async def get(key: str) -> Any:
            return await node.database.read(key)

        self.get = decorator(ttl=float(ttl), key_builder=lambda function, key: key, cache=where)(get)
        self._cache = self.get.cache
        self._cache.build_key = partial(_Key, object())
        if where is Cache.REDIS:
            self._cache.client = node.redis

    async def delete(self, key: str) -> None:
        await self._cache.delete(key)


VARIANTS = {
    "cached": partial(_Aiocache, cached, Cache.MEMORY),
    "stampede": partial(_Aiocache, cached_stampede, Cache.MEMORY),
    "redis": partial(_Aiocache, cached, Cache.REDIS),
    "redis-stampede": partial(_Aiocache, cached_stampede, Cache.REDIS),
}
