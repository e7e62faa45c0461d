"""What every pattern looks like from outside: read or load, write, forget, count, decorate."""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from cachesim.patterns.events import Event
from cachesim.patterns.keys import key_template
from cachesim.patterns.options import CommonOptions, Options

__all__ = ["Cache", "Loader", "Observer", "Stats", "wall_clock"]

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
Loader = Callable[[], Awaitable[Any]]
Observer = Callable[[Event], None]


def wall_clock() -> float:
    """Seconds of `time.time`, looked up at each call so that simulated time is told inside a simulation."""
    return time.time()


@dataclass(frozen=True)
class Stats:
    """What a cache has done so far, and how many loads and writes are under way now.

    A caller is served at once, `hits` or `stale_hits`, or finds nothing usable, `misses`; of these, `joins` waited for
    a load under way. `errors`: loads that failed, and commands to the cache's server.
    """

    hits: int = 0
    stale_hits: int = 0
    misses: int = 0
    loads: int = 0
    joins: int = 0
    errors: int = 0
    in_flight: int = 0


class Cache(ABC):
    """A cache pattern.

    Each takes `clock`, which tells the time in seconds, `rng`, which draws what is left to chance, and `observe`, which
    is told every `Event`, or only those whose kind is in its attribute `kinds`, if it has one.
    """

    options_type: ClassVar[type[CommonOptions]] = Options
    keeps: ClassVar[tuple[str, ...]] = (
        "no_cancelled_follower",
        "no_lock_held_for_ever",
        "tables_empty",
        "nothing_is_a_value",
    )
    """The invariants that hold whatever the order of things, by the names that `cachesim.find_race` knows.

    With single flight that of its scope, "single_flight" or "cluster_single_flight", holds besides.
    """
    keeps_alone: ClassVar[tuple[str, ...]] = ("no_stale_read_after_delete",)
    """Those that hold besides where one process alone uses the cache: others hear of a delete later, or never."""

    @abstractmethod
    async def get_or_set(self, key: str, load: Loader, **changes: Any) -> Any:
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

    @abstractmethod
    async def aclose(self) -> None:
        """Wait for what is being written and for what goes on in the background: both outlive their callers."""

    @property
    @abstractmethod
    def stats(self) -> Stats:
        """A snapshot of the counts."""

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
