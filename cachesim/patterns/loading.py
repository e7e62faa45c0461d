"""Caches that load: one load of a key at a time, its errors told, its time measured, its result kept."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf
from typing import Any, ClassVar

from cachesim.patterns.cache import Cache, Loader, Observer, Stats
from cachesim.patterns.events import EVERY_KIND, Event, Kind
from cachesim.patterns.flights import Flights, Ticket
from cachesim.patterns.options import CommonOptions, LoadTimeout

__all__ = ["LoadingCache"]


class LoadingCache(Cache):
    """A cache whose subclass says where values are looked for and kept."""

    layer: ClassVar[str] = ""
    """What its events say of the layer they come from."""

    def __init__(
        self, *, clock: Callable[[], float], rng: random.Random | None, observe: Observer | None, **options: Any
    ) -> None:
        self._options: Any = self.options_type(**options)
        self._clock = clock
        self._rng = rng or random.Random()
        self._observe = observe
        self._kinds = getattr(observe, "kinds", EVERY_KIND) if observe is not None else frozenset[str]()
        self._tells_hits = "hit" in self._kinds
        self._flights = Flights()
        self._hits = self._stale_hits = self._misses = self._loads = self._joins = self._errors = 0

    async def aclose(self) -> None:
        await self._flights.landed()

    @property
    def stats(self) -> Stats:
        under_way = len(self._flights)
        return Stats(self._hits, self._stale_hits, self._misses, self._loads, self._joins, self._errors, under_way)

    @abstractmethod
    async def _store(self, value: Any, options: Any, ticket: Ticket, seconds: float) -> Any:
        """Keep a value loaded in so many seconds while its ticket is valid; returns what its callers are given."""

    def options_with(self, changes: dict[str, Any]) -> Any:
        """The options of a call that changes some; raises `InvalidSetting`."""
        return self._options.replace(**changes) if changes else self._options

    def _tell(self, kind: Kind, key: str, **details: Any) -> None:
        if kind in self._kinds:
            assert self._observe is not None
            self._observe(Event(kind, key, **details, layer=self.layer))

    def _hit(self, key: str) -> None:
        self._hits += 1
        if self._tells_hits:
            self._tell("hit", key)

    def _serve_stale(self, key: str) -> None:
        self._stale_hits += 1
        self._tell("stale", key)

    def _missed(self, key: str) -> None:
        self._misses += 1
        self._tell("miss", key)

    def _joined(self, key: str) -> None:
        self._joins += 1
        self._tell("join", key)

    def failed(self, key: str, error: Exception) -> None:
        """A load, or a command to the cache's server, has failed."""
        self._errors += 1
        self._tell("error", key, error=error)

    def _lifetime(self, value: Any, options: CommonOptions) -> float:
        """Seconds that a value is fresh."""
        if value is None and options.negative_ttl is not None:
            return options.negative_ttl
        lifetime, jitter = options.lifetime, options.jitter
        return lifetime - self._rng.uniform(0.0, jitter) if jitter else lifetime

    def _load(
        self, key: str, load: Loader, options: CommonOptions, lease: bytes | None = None, since: float = inf
    ) -> Awaitable[Any]:
        """Load and keep; with single flight at most one load of a key at a time."""
        fetch = partial(self._fetch, load, options)
        if options.single_flight == "none":
            return self._flights.alone(key, fetch, lease)
        return self._join_or_start(key, fetch, lease, since)

    def _join_or_start(
        self, key: str, fetch: Callable[[Ticket], Awaitable[Any]], lease: bytes | None, since: float
    ) -> Awaitable[Any]:
        if self._flights.joinable(key, lease, since) is not None:
            self._joined(key)
        return self._flights.share(key, fetch, lease, since)

    async def _fetch(self, load: Loader, options: CommonOptions, ticket: Ticket) -> Any:
        """Ask the origin, and keep what it says."""
        value, seconds = await self._ask((ticket.key,), load, options)
        return await self._store(value, options, ticket, seconds)

    async def _ask(self, keys: Sequence[str], load: Loader, options: CommonOptions) -> tuple[Any, float]:
        """What the origin says, and how many seconds that took."""
        what, began = repr(keys[0]) if len(keys) == 1 else f"{len(keys)} keys", self._clock()
        self._loads += len(keys)
        for key in keys:
            self._tell("load", key)
        try:
            limit = options.load_timeout
            value = await (load() if limit is None else _within(limit, what, load))
        except Exception as error:
            self._load_failed(keys, error)
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            failure = RuntimeError(f"the load of {what} raised CancelledError, though nobody cancelled it")
            self._load_failed(keys, failure)
            raise failure from error
        seconds = self._clock() - began
        for key in keys:
            self._tell("loaded", key, seconds=seconds)
        return value, seconds

    def _load_failed(self, keys: Sequence[str], error: Exception) -> None:
        for key in keys:
            self.failed(key, error)


async def _within(limit: float, what: str, load: Loader) -> Any:
    try:
        async with asyncio.timeout(limit) as clock:
            return await load()
    except Exception as error:
        if not clock.expired():  # the load's own, be it a TimeoutError
            raise
        raise LoadTimeout(f"the load of {what} took longer than {limit:g} s") from error
