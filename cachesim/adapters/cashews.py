"""cashews: its decorators over its memory or over the node's Redis, each with the settings that it comes with.

`early` renews a value in the background once 0.7 of its lifetime is over, as its documentation has it. `soft` keeps a
value for twice its lifetime, to serve it while loads fail.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import cashews
from redis.asyncio import BlockingConnectionPool

from cachesim.adapters.sizes import SIZE
from cachesim.world.clock import redirect_clocks
from cachesim.world.nodes import Node

__all__ = ["VARIANTS"]

for strategy in ("early", "soft"):
    redirect_clocks(import_module(f"cashews.decorators.cache.{strategy}"))  # they ask `datetime.now`

_MEMOS = [memo for memo in vars(import_module("cashews.key")).values() if hasattr(memo, "cache_clear")]
"""Tables of the functions it has decorated, thousands of them, each with its cache and the world of that."""

Decorate = Callable[[cashews.Cache, float], Callable[[Any], Any]]
"""Makes a decorator of a cache and a lifetime (s)."""

_KEY = "{key}"


async def _read(node: Node, key: str) -> Any:
    """What is cached."""
    return await node.database.read(key)


class _Cashews:
    """`prefix`: what cashews puts before a key."""

    def __init__(self, cache: cashews.Cache, prefix: str, decorate: Decorate, node: Node, ttl: float) -> None:
        self._cache, self._prefix = cache, prefix
        for memo in _MEMOS:
            memo.cache_clear()
        self.get = partial(decorate(cache, ttl)(_read), node)

    async def delete(self, key: str) -> None:
        await self._cache.delete(self._prefix + key)


class _InMemory(_Cashews):
    def __init__(self, prefix: str, decorate: Decorate, node: Node, ttl: float) -> None:
        super().__init__(_set_up("mem://", size=SIZE), prefix, decorate, node, ttl)

    async def aclose(self) -> None:
        await self._cache.close()


def _in_redis(prefix: str, decorate: Decorate, node: Node, ttl: float) -> _Cashews:
    """Without `aclose`: the connections are the node's."""
    return _Cashews(_set_up("redis://node", connection_pool_class=_Pool(node)), prefix, decorate, node, ttl)


def _set_up(url: str, **settings: Any) -> cashews.Cache:
    cache = cashews.Cache()
    cache.setup(url, **settings)
    return cache


class _Pool:
    """In the place of the class of its connection pool: makes one of connections to the node's Redis."""

    def __init__(self, node: Node) -> None:
        self._connections: Any = node.redis.connection_pool

    def from_url(self, url: str, **options: Any) -> BlockingConnectionPool:
        own = {name: options[name] for name in ("max_connections", "socket_timeout")}
        return BlockingConnectionPool(
            timeout=10,  # seconds to wait for a connection, as cashews has it
            connection_class=self._connections.connection_class,
            **self._connections.connection_kwargs | own,
        )


_STRATEGIES: dict[str, tuple[str, Decorate]] = {
    "simple": ("", lambda cache, ttl: cache(ttl=ttl, key=_KEY)),
    "unprotected": ("", lambda cache, ttl: cache(ttl=ttl, key=_KEY, protected=False)),
    "lock": ("", lambda cache, ttl: cache(ttl=ttl, key=_KEY, lock=True)),
    "early": ("early:v2:", lambda cache, ttl: cache.early(ttl=ttl, early_ttl=0.7 * ttl, key=_KEY)),
    "soft": ("soft:", lambda cache, ttl: cache.soft(ttl=2 * ttl, soft_ttl=ttl, key=_KEY)),
}

VARIANTS = {
    **{name: partial(_InMemory, *strategy) for name, strategy in _STRATEGIES.items()},
    "redis": partial(_in_redis, *_STRATEGIES["simple"]),
    **{f"redis-{name}": partial(_in_redis, *_STRATEGIES[name]) for name in ("lock", "early", "soft")},
}
