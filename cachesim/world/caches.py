"""What answers at a node: a pattern of this package or somebody's own cache, made to look alike.

A *factory* is called once per node with a `Node`. It returns an object with `async get(key)`, or just an
`async def (key)`; `async get_many(keys)`, which returns a list, `async set(key, value)`, `async delete(key)` and
`async aclose()` are used if they are there.
"""

from __future__ import annotations

import functools
from asyncio import Event
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from inspect import isawaitable, signature
from typing import Any, NamedTuple

from cachesim import pitfalls
from cachesim.patterns import PATTERNS, Conditional
from cachesim.pitfalls import PITFALLS
from cachesim.settings import Count, Setting, shown
from cachesim.world.http import http_factory
from cachesim.world.loop import SimulationError
from cachesim.world.nodes import Factory, Node

__all__ = ["CACHES", "Kind", "Server"]


class _PatternCache:
    """A pattern, or its pitfall, whose loader is the node's database."""

    get_many: Callable[[Sequence[str]], Awaitable[list[Any]]] | None = None
    set: Callable[[str, Any], Awaitable[None]] | None = None

    def __init__(self, pattern: Callable[..., Any], options: Mapping[str, Any], node: Node) -> None:
        self._database = node.database
        takes = _arguments(pattern)
        places = {"redis": node.redis, "store": node.database.write}
        observe = node.observe.with_layers() if "l1_ttl" in takes else node.observe
        tools = {"clock": node.clock, "rng": node.rng, "observe": observe}
        cache = self._cache = pattern(
            *(places[name] for name in places if name in takes),
            **{name: tool for name, tool in tools.items() if name in takes},
            **options,
        )
        get_or_set, read = cache.get_or_set, node.database.read
        self.get = lambda key: get_or_set(key, partial(read, key))
        self.delete, self.aclose = cache.delete, cache.aclose
        if "store" in takes:
            self.set = cache.set
        if hasattr(cache, "get_or_set_many"):
            self.get_many = self._get_many

    async def _get_many(self, keys: Sequence[str]) -> list[Any]:
        return await self._cache.get_or_set_many(keys, self._read_many)  # type: ignore[no-any-return]

    async def _read_many(self, keys: Sequence[str]) -> dict[str, Any]:
        return dict(zip(keys, await self._database.read_many(keys), strict=True))


@functools.cache
def _arguments(pattern: Callable[..., Any]) -> frozenset[str]:
    """What a pattern takes; a run of thousands of schedules makes it as often."""
    return frozenset(signature(pattern).parameters)


class Kind(NamedTuple):
    """A cache that a scenario can name: its options, and what makes a factory of them."""

    options_type: type[Setting]
    factory: Callable[[Mapping[str, Any]], Factory]


class ConditionalOptions(Setting):
    """`weak`: tags that promise equal content rather than equal bytes. `largest`: bytes of a body that is tagged."""

    weak: bool = False
    largest: Count = 2**20


def _of(pattern: Callable[..., Any], options_type: type[Setting]) -> Kind:
    return Kind(options_type, lambda options: lambda node: _PatternCache(pattern, options, node))


CACHES: dict[str, Kind] = {
    "none": Kind(Setting, lambda options: lambda node: node.database.read),
    **{name: _of(pattern, pattern.options_type) for name, pattern in PATTERNS.items()},
    "conditional": Kind(ConditionalOptions, lambda options: http_factory(partial(Conditional, **options))),
    **{f"pitfall:{name}": _of(pitfall, pitfall.options_type) for name, pitfall in PITFALLS.items()},
    "pitfall:conditional": Kind(Setting, lambda options: http_factory(pitfalls.Conditional)),
}
"""Every cache by the name that scenarios give it; "none" asks the database every time."""


class Server:
    """A node's cache as the world calls it.

    `answering`: how many requests it has begun, counted where nodes restart; `retired` is there when it is to answer no
    new ones, and set when the last is answered.
    """

    def __init__(self, node: Node, factory: Factory) -> None:
        cache = factory(node)
        get = getattr(cache, "get", cache)
        if not callable(get):
            raise SimulationError(
                f"the cache factory returned {cache!r}; it must return an object with `async get(key)`, "
                "or an `async def (key)`"
            )
        self.get: Callable[[str], Awaitable[Any]] = get if isinstance(cache, _PatternCache) else partial(_awaited, get)
        many = getattr(cache, "get_many", None)
        self.get_many = None if many is None else partial(_awaited_list, many)
        self.cache, self._database = cache, node.database
        self._set: Callable[[str, Any], Awaitable[Any]] | None = getattr(cache, "set", None)
        self._delete: Callable[[str], Awaitable[Any]] | None = getattr(cache, "delete", None)
        self.node, self.awake = node, node.awake
        self.answering = 0
        self.retired: Event | None = None

    async def write(self, key: str, value: Any) -> None:
        """Write through the cache if it can, else write the database and delete the key from the cache."""
        if self._set is not None:
            await self.set(key, value)
            return
        await self._database.write(key, value)
        if self._delete is not None:
            await self.delete(key)

    async def set(self, key: str, value: Any) -> None:
        """Have the cache write a value, in the database too."""
        assert self._set is not None
        await self._set(key, value)

    async def delete(self, key: str) -> None:
        """Have the cache forget a key that was written."""
        assert self._delete is not None
        await self._delete(key)

    async def aclose(self) -> None:
        """Close the cache, if it can be closed."""
        if (aclose := getattr(self.cache, "aclose", None)) is not None:
            await aclose()


async def _awaited(get: Callable[[str], Any], key: str) -> Any:
    answer = get(key)
    if not isawaitable(answer):
        raise SimulationError(f"the cache's `get` returned {answer!r}; it must be `async def get(key)`")
    return await answer


async def _awaited_list(get_many: Callable[[list[str]], Any], keys: list[str]) -> list[Any]:
    answer, n = get_many(keys), len(keys)
    if not isawaitable(answer):
        raise SimulationError(f"the cache's `get_many` returned {answer!r}; it must be `async def get_many(keys)`")
    values = await answer
    if not isinstance(values, list) or len(values) != n:
        raise SimulationError(
            f"the cache's `get_many` of {n} keys returned {shown(values)}; it must be a list of {n} values"
        )
    return values
