"""What answers at a node: a pattern of this package or somebody's own cache, made to look alike.

A *factory* is called once per node with a `Node`. It returns an object with `async get(key)`, or just an
`async def (key)`; `async set(key, value)`, `async delete(key)` and `async aclose()` are used if they are there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isawaitable, signature
from typing import Any

from cachesim.patterns import PATTERNS
from cachesim.world.loop import SimulationError
from cachesim.world.nodes import Node

__all__ = ["Factory", "Server", "pattern_factory"]

Factory = Callable[[Node], Any]


class _PatternCache:
    """A pattern whose loader is the node's database."""

    def __init__(self, node: Node, name: str, options: Mapping[str, Any]) -> None:
        pattern = PATTERNS[name]
        client = (node.redis,) if "redis" in signature(pattern).parameters else ()
        cache = pattern(*client, clock=node.clock, rng=node.rng, observe=node.observe, **options)
        get_or_set, read = cache.get_or_set, node.database.read
        self.get = lambda key: get_or_set(key, partial(read, key))
        self.delete, self.aclose = cache.delete, cache.aclose


def pattern_factory(name: str, options: Mapping[str, Any]) -> Factory:
    """A factory for the pattern of that name; `"none"` asks the database every time."""
    if name == "none":
        return lambda node: node.database.read
    return lambda node: _PatternCache(node, name, options)


class Server:
    """A node's cache as the world calls it."""

    def __init__(self, node: Node, factory: Factory) -> None:
        cache = factory(node)
        get = getattr(cache, "get", cache)
        if not callable(get):
            raise SimulationError(
                f"the cache factory returned {cache!r}; it must return an object with `async get(key)`, "
                "or an `async def (key)`"
            )
        self.get: Callable[[str], Awaitable[Any]] = get if isinstance(cache, _PatternCache) else partial(_awaited, get)
        self._cache, self._database = cache, node.database

    async def write(self, key: str, value: Any) -> None:
        """Write through the cache if it can, else write the database and delete the key from the cache."""
        if (set_ := getattr(self._cache, "set", None)) is not None:
            await set_(key, value)
            return
        await self._database.write(key, value)
        if (delete := getattr(self._cache, "delete", None)) is not None:
            await delete(key)

    async def aclose(self) -> None:
        """Close the cache, if it can be closed."""
        if (aclose := getattr(self._cache, "aclose", None)) is not None:
            await aclose()


async def _awaited(get: Callable[[str], Any], key: str) -> Any:
    answer = get(key)
    if not isawaitable(answer):
        raise SimulationError(f"the cache's `get` returned {answer!r}; it must be `async def get(key)`")
    return await answer
