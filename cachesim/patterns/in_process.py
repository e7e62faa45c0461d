"""In-process: values kept in this process's memory, bounded, with a lifetime and any eviction policy.

On `cachesim.policies`, which say which value goes when there is no room; lifetimes are kept beside, so that any policy
can have them. A value is usable before its deadline. Everybody gets the same object: treat it as read-only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, ClassVar, Literal

import cachetools

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.flights import Ticket
from cachesim.patterns.loading import LoadingCache
from cachesim.patterns.options import CommonOptions, Options
from cachesim.policies import POLICIES, Policy
from cachesim.settings import Count

__all__ = ["InProcess"]

PolicyName = Literal[
    "fifo", "lru", "lfu", "random", "clock", "sieve", "slru", "2q", "arc", "s3-fifo", "lirs", "w-tinylfu"
]


class InProcessOptions(Options):
    """`size`: how many values at most. `policy`: which goes first. `renew`: a read renews the lifetime."""

    fixed: ClassVar[tuple[str, ...]] = ("size", "policy", "renew")

    size: Count = 10_000
    policy: PolicyName = "lru"
    renew: bool = False


class Entry:
    """A value, fresh before `expires`, kept for stale serves before `dead`."""

    __slots__ = ("dead", "expires", "lifetime", "value")

    def __init__(self, value: Any, lifetime: float, expires: float, dead: float) -> None:
        self.value, self.lifetime, self.expires, self.dead = value, lifetime, expires, dead

    def renew(self, now: float) -> None:
        """Start the lifetime anew."""
        self.dead += now + self.lifetime - self.expires
        self.expires = now + self.lifetime


class InProcess(LoadingCache):
    """A bounded cache in the memory of this process, with single flight.

    >>> import asyncio
    >>> cache = InProcess(ttl=60, size=100)
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> asyncio.run(cache.get_or_set("user:1", load))
    {'name': 'Ada'}
    """

    options_type: ClassVar[type[CommonOptions]] = InProcessOptions

    def __init__(
        self,
        *,
        ttl: float,
        jitter: float = 0.0,
        single_flight: Literal["none", "process"] = "process",
        negative_ttl: float | None = None,
        stale_if_error: float | None = None,
        load_timeout: float | None = None,
        size: int = 10_000,
        policy: PolicyName = "lru",
        renew: bool = False,
        clock: Callable[[], float] = wall_clock,
        rng: random.Random | None = None,
        observe: Observer | None = None,
    ) -> None:
        super().__init__(
            ttl=ttl,
            jitter=jitter,
            single_flight=single_flight,
            negative_ttl=negative_ttl,
            stale_if_error=stale_if_error,
            load_timeout=load_timeout,
            size=size,
            policy=policy,
            renew=renew,
            clock=clock,
            rng=rng,
            observe=observe,
        )
        seed: dict[str, Any] = {"seed": self._rng.getrandbits(64)} if policy == "random" else {}
        self._entries: Policy[str, Entry] = POLICIES[policy](size, evicted=self._evicted, **seed)
        self._renew = renew
        self._deadlines: list[tuple[float, int, str, Entry]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._entries)

    async def get_or_set(self, key: str, load: Loader, **changes: Any) -> Any:
        now, entry = self._clock(), self._held(key)
        if entry is not None and now < entry.dead:
            self._entries[key]  # a use, of a stale value too; one nobody can be served any more is as good as gone
        if entry is not None and now < entry.expires:
            if self._renew:
                entry.renew(now)
            self._hit(key)
            return entry.value
        options = self.options_with(changes)
        self._missed(key)
        try:
            return await self._load(key, load, options)
        except Exception:
            if entry is None or self._clock() >= entry.expires + (options.stale_if_error or 0.0):
                raise
            self._serve_stale(key)
            return entry.value

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        options = self.options_with(changes)
        self._flights.invalidate(key)
        self._keep(key, value, self._lifetime(value, options), options)

    async def delete(self, key: str) -> None:
        self.forget(key)

    def forget(self, key: str) -> None:
        """What `delete` does, at once."""
        self._flights.invalidate(key)
        if key in self._entries:
            del self._entries[key]  # not pop, which would be a use
            self._tell("deleted", key)

    def clear(self) -> None:
        """Forget every key."""
        for key in (*self._entries, *self._flights.keys()):
            self.forget(key)

    async def _store(self, value: Any, options: Options, ticket: Ticket, seconds: float) -> Any:
        if ticket.valid:
            self._keep(ticket.key, value, self._lifetime(value, options), options)
        return value

    def _keep(self, key: str, value: Any, lifetime: float, options: Options) -> None:
        now = self._clock()
        self._drop_dead(now)
        expires = now + lifetime
        entry = Entry(value, lifetime, expires, expires + (options.stale_if_error or 0.0))
        self._entries[key] = entry
        heappush(self._deadlines, (entry.dead, next(self._order), key, entry))
        self._tell("stored", key, expires=entry.dead)

    def _evicted(self, key: str, entry: Entry) -> None:
        self._tell("evicted", key)

    def _drop_dead(self, now: float) -> None:
        """Make room of what nobody can be served any more, before anything useful is evicted."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            _, order, key, entry = heappop(deadlines)
            if self._held(key) is not entry:
                continue
            if entry.dead > now:  # renewed meanwhile
                heappush(deadlines, (entry.dead, order, key, entry))
            else:
                del self._entries[key]
                self._tell("expired", key)
        if len(deadlines) > 2 * len(self._entries) + 64:  # most belong to values replaced or evicted since
            deadlines[:] = [item for item in deadlines if self._held(item[2]) is item[3]]
            heapify(deadlines)

    def _held(self, key: str) -> Entry | None:
        """The entry of `key`, without the policy taking it for a use."""
        return cachetools.Cache.__getitem__(self._entries, key) if key in self._entries else None
