"""What every pattern is built on: options, clock and chance as arguments, loads, and the decorator."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from cachesim.patterns.events import Event
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
    """What a cache has done so far, and the loads under way now."""

    hits: int = 0
    stale_hits: int = 0
    loads: int = 0
    joins: int = 0
    errors: int = 0
    in_flight: int = 0


class Cache(ABC):
    """A cache pattern. A subclass says where values are kept: `_lookup`, `_store` and `_forget`.

    `clock` tells the time in seconds, `rng` draws the jitter, and `observe` is told every `Event`.
    """

    Options: ClassVar[type[Options]] = Options

    def __init__(
        self, options: Options, *, clock: Callable[[], float], rng: random.Random | None, observe: Observer | None
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads expiry, keeps no secret
        self._observe = observe
        self._flights = Flights()
        self._hits = self._stale_hits = self._loads = self._joins = self._errors = 0

    @abstractmethod
    async def get_or_set(self, key: str, load: Callable[[], Awaitable[Any]], **changes: Any) -> Any:
        """The value of `key`; when there is none in the cache, what `load` returns, which is then kept.

        `changes` are options that differ for this call. Raises what `load` raises, and `LoadTimeout`.
        """

    @abstractmethod
    async def set(self, key: str, value: Any, **changes: Any) -> None:
        """Keep `value`; a load begun before will not overwrite it."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Forget `key`; a load begun before will not bring it back."""

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

    def _tell(self, event: Event) -> None:
        if self._observe is not None:
            self._observe(event)

    def _lifetime(self, value: Any, options: Options) -> float:
        """Seconds that a value is fresh."""
        if value is None and options.negative_ttl is not None:
            return options.negative_ttl
        return options.ttl - self._rng.uniform(0.0, options.jitter) if options.jitter else options.ttl

    async def _load(self, key: str, load: Callable[[], Awaitable[Any]], options: Options) -> Any:
        """Load and keep; at most once at a time with single flight."""

        async def load_and_store(ticket: Ticket) -> Any:
            value = await self._bounded(key, load, options.load_timeout)
            await self._store(key, value, options, ticket)
            return value

        if options.single_flight == "none":
            return await self._flights.alone(key, load_and_store)
        if self._flights.under_way(key):
            self._joins += 1
            self._tell(Event("join", key))
        return await self._flights.share(key, load_and_store)

    async def _bounded(self, key: str, load: Callable[[], Awaitable[Any]], limit: float | None) -> Any:
        self._loads += 1
        self._tell(Event("load", key))
        try:
            if limit is None:
                return await load()
            async with asyncio.timeout(limit) as clock:
                return await load()
        except Exception as error:
            self._failed(key, error)
            if limit is not None and clock.expired():
                raise LoadTimeout(f"the load of {key!r} took longer than {limit:g} s") from error
            raise

    def _failed(self, key: str, error: Exception) -> None:
        self._errors += 1
        self._tell(Event("error", key, error=error))

    def _hit(self, key: str) -> None:
        self._hits += 1
        if self._observe is not None:
            self._observe(Event("hit", key))

    def _serve_stale(self, key: str) -> None:
        self._stale_hits += 1
        self._tell(Event("stale", key))


