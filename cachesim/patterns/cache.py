"""What every pattern is built on: options, clock and chance as arguments, loads, and the decorator."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any, ClassVar, TypeVar

from cachesim.patterns.events import EVERY_KIND, Event, Kind
from cachesim.patterns.flights import Flights, Ticket
from cachesim.patterns.keys import key_template
from cachesim.patterns.options import LoadTimeout, Options

__all__ = ["Cache", "Stats", "wall_clock"]

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
Observer = Callable[[Event], None]


def wall_clock() -> float:
    """Seconds of `time.time`, looked up at each call so that simulated time is told inside a simulation."""
    return time.time()


@dataclass(frozen=True)
class Stats:
    """What a cache has done so far, and how many loads and writes are under way now."""

    hits: int = 0
    stale_hits: int = 0
    loads: int = 0
    joins: int = 0
    errors: int = 0
    in_flight: int = 0


class Cache(ABC):
    """A cache pattern. A subclass says where values are looked for and kept.

    `clock` tells the time in seconds, `rng` draws the jitter, and `observe` is told every `Event`, or only those whose
    kind is in its attribute `kinds`, if it has one.
    """

    options_type: ClassVar[type[Options]] = Options

    def __init__(
        self, options: Options, *, clock: Callable[[], float], rng: random.Random | None, observe: Observer | None
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()
        self._observe = observe
        self._kinds = getattr(observe, "kinds", EVERY_KIND) if observe is not None else frozenset[str]()
        self._tells_hits = "hit" in self._kinds
        self._flights = Flights()
        self._hits = self._stale_hits = self._loads = self._joins = self._errors = 0

    @abstractmethod
    async def get_or_set(self, key: str, load: Callable[[], Awaitable[Any]], **changes: Any) -> Any:
        """The value of `key`; when there is none in the cache, what `load` returns, which is then kept.

        `changes` are options that differ for this call; who joins a load under way takes it as it is. Raises what
        `load` raises, `LoadTimeout`, `InvalidSetting` (a `ValueError`) for options, and `RuntimeError` when a load
        raises `asyncio.CancelledError`, so that nobody takes it for a cancellation of their own.
        """

    @abstractmethod
    async def set(self, key: str, value: Any, **changes: Any) -> None:
        """Keep `value`; a load begun before will not overwrite it. Raises `InvalidSetting` for options."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Forget `key`; a load begun before will not bring it back, and nobody who comes later joins it."""

    async def aclose(self) -> None:
        """Wait for what is being written, for a write goes on when its caller has left."""
        await self._flights.landed()

    @abstractmethod
    async def _store(self, key: str, value: Any, options: Options, ticket: Ticket) -> None:
        """Keep a loaded value, as long as its ticket is valid."""

    @property
    def stats(self) -> Stats:
        """A snapshot of the counts."""
        return Stats(self._hits, self._stale_hits, self._loads, self._joins, self._errors, len(self._flights))

    def cached(self, template: str) -> Callable[[F], F]:
        """A decorator: calls of the function are cached under the key that `template` makes of their arguments.

        The function's `key` attribute makes that key, to delete it by. Raises `ValueError` for a template that does not
        name every parameter.
        """

        def decorate(function: F) -> F:
            make_key = key_template(template, function)

            @functools.wraps(function)
            async def call(*args: Any, **options: Any) -> Any:
                return await self.get_or_set(make_key(*args, **options), lambda: function(*args, **options))

            call.key = make_key  # type: ignore[attr-defined]
            return call  # type: ignore[return-value]

        return decorate

    def _options_with(self, changes: dict[str, Any]) -> Options:
        return self._options.replace(**changes) if changes else self._options

    def _tell(self, kind: Kind, key: str, *, expires: float = nan, error: Exception | None = None) -> None:
        if kind in self._kinds:
            assert self._observe is not None
            self._observe(Event(kind, key, expires, error))

    def _lifetime(self, value: Any, options: Options) -> float:
        """Seconds that a value is fresh."""
        if value is None and options.negative_ttl is not None:
            return options.negative_ttl
        return options.ttl - self._rng.uniform(0.0, options.jitter) if options.jitter else options.ttl

    def _load(self, key: str, load: Callable[[], Awaitable[Any]], options: Options) -> Awaitable[Any]:
        """Load and keep; with single flight at most one load of a key at a time."""
        fetch = partial(self._fetch, key, load, options)
        if options.single_flight == "none":
            return self._flights.alone(key, fetch)
        if key in self._flights:
            self._joins += 1
            self._tell("join", key)
        return self._flights.share(key, fetch)

    async def _fetch(self, key: str, load: Callable[[], Awaitable[Any]], options: Options, ticket: Ticket) -> Any:
        self._loads += 1
        self._tell("load", key)
        try:
            limit = options.load_timeout
            value = await (load() if limit is None else _within(limit, key, load))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            failure = RuntimeError(f"the load of {key!r} raised CancelledError, though nobody cancelled it")
            self._failed(key, failure)
            raise failure from error
        except Exception as error:
            self._failed(key, error)
            raise
        await self._store(key, value, options, ticket)
        return value

    def _failed(self, key: str, error: Exception) -> None:
        self._errors += 1
        self._tell("error", key, error=error)

    def _serve_stale(self, key: str) -> None:
        self._stale_hits += 1
        self._tell("stale", key)


async def _within(limit: float, key: str, load: Callable[[], Awaitable[Any]]) -> Any:
    try:
        async with asyncio.timeout(limit) as clock:
            return await load()
    except Exception as error:
        if not clock.expired():  # the load's own, be it a TimeoutError
            raise
        raise LoadTimeout(f"the load of {key!r} took longer than {limit:g} s") from error
