"""Released cache libraries and ASGI applications as caches under test, with no change to them.

A *variant* is one way of using a library that its documentation shows: `cashews:lock` is cashews with `lock=True`. Each
library has a module here, whose `VARIANTS` make the cache of a node, `(node, ttl) -> cache`; its library is imported
when one of them is asked for. Nodes are processes: they share Redis and nothing else, and two caches made one after the
other share nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, NamedTuple

from cachesim.adapters.applications import AsgiError, asgi
from cachesim.world.nodes import Factory, Node

__all__ = [
    "CACHES",
    "AsgiError",
    "Library",
    "MissingLibraryError",
    "UnknownLibraryError",
    "asgi",
    "library_cache",
    "names",
    "versions",
]


class Library(NamedTuple):
    """A library in one way of using it.

    `distribution`: what pip calls it. `variant`: which of the `VARIANTS` in its module. `use`: what makes it that one.
    """

    distribution: str
    variant: str
    use: str

    @property
    def module(self) -> str:
        """Where its variants are made."""
        return f"cachesim.adapters.{self.distribution.replace('-', '_')}"


class UnknownLibraryError(ValueError):
    """No adapter has this name; the message lists those that there are."""


class MissingLibraryError(ImportError):
    """The library of an adapter is not installed; the message says what to install."""


_USES: Mapping[str, Mapping[str, str]] = {
    "aiocache": {
        "cached": "@cached, in memory",
        "stampede": "@cached_stampede, in memory",
        "redis": "@cached, in Redis",
        "redis-stampede": "@cached_stampede, in Redis",
    },
    "async-lru": {
        "ttl": "@alru_cache(ttl=...)",
    },
    "cachetools": {
        "ttl": "a TTLCache that is looked into, then filled",
        "lock": "the same within an asyncio.Lock",
    },
    "cachetools-async": {
        "cached": "@cached over a TTLCache of cachetools",
    },
    "cashews": {
        "simple": "@cache, in memory",
        "unprotected": "@cache(protected=False), in memory",
        "lock": "@cache(lock=True), in memory",
        "early": "@cache.early, in memory",
        "soft": "@cache.soft, in memory",
        "redis": "@cache, in Redis",
        "redis-lock": "@cache(lock=True), in Redis",
        "redis-early": "@cache.early, in Redis",
        "redis-soft": "@cache.soft, in Redis",
    },
    "hishel": {
        "sqlite": "an httpx client with a cache in SQLite, of an origin that says max-age",
        "redis": "an httpx client with a cache in Redis, of an origin that says max-age",
    },
}

CACHES: Mapping[str, Library] = MappingProxyType(
    {
        f"{distribution}:{variant}": Library(distribution, variant, use)
        for distribution, variants in _USES.items()
        for variant, use in variants.items()
    }
)
"""Every adapter of a library by its name, `LIBRARY:VARIANT`."""


def names() -> list[str]:
    """The names of all adapters, `LIBRARY:VARIANT`.

    >>> "cashews:lock" in names()
    True
    """
    return list(CACHES)


def library_cache(name: str, *, ttl: float) -> Factory:
    """A factory of caches of a library, which keep a value for `ttl` seconds.

    Raises `UnknownLibraryError` for a name that is not in `CACHES`, and `MissingLibraryError` if its library is not
    installed.

    >>> library_cache("cashews:locks", ttl=10)
    Traceback (most recent call last):
    cachesim.adapters.UnknownLibraryError: no adapter is called 'cashews:locks'; there are aiocache:cached, ...
    """
    library = _library(name)
    try:
        import_module(library.module)
    except ImportError as error:
        message = f"{name} needs {library.distribution}; pip install 'cachesim[libraries]'"
        raise MissingLibraryError(message) from error
    return _LibraryFactory(name, ttl)


@dataclass(frozen=True)
class _LibraryFactory:
    """A factory that can be sent to another process."""

    name: str
    ttl: float

    def __call__(self, node: Node) -> Any:
        library = CACHES[self.name]
        return import_module(library.module).VARIANTS[library.variant](node, self.ttl)


def versions(names: Iterable[str]) -> dict[str, str]:
    """The version of each library that these adapters use, by the name of its distribution.

    Raises `UnknownLibraryError` for a name that is not in `CACHES`.
    """
    distributions = dict.fromkeys(_library(name).distribution for name in names)
    return {distribution: version(distribution) for distribution in distributions}


def _library(name: str) -> Library:
    if name not in CACHES:
        raise UnknownLibraryError(f"no adapter is called {name!r}; there are {', '.join(CACHES)}")
    return CACHES[name]
