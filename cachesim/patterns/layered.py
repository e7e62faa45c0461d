"""Layered: a small cache in each process over one in Redis over the loader.

The first layer (L1) answers without a round trip, but each process has its own: what one writes the others must hear of
(`invalidations.py`). A process that does not listen, at first and while its connection is lost, does without L1. A fill
that was under way when a message came is not kept in L1. And with `l1_cap` no L1 entry outlives its L2 entry, or the
lifetimes of both would add up.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, Literal

import redis.asyncio

from cachesim.patterns.cache import Cache, Loader, Observer, Stats, wall_clock
from cachesim.patterns.cache_aside import CacheAside
from cachesim.patterns.envelope import Envelope
from cachesim.patterns.events import EVERY_KIND, Event
from cachesim.patterns.flights import Flights, Ticket
from cachesim.patterns.in_process import InProcess
from cachesim.patterns.invalidations import Invalidations, PubSubInvalidations, StreamInvalidations
from cachesim.patterns.leased import AWAY
from cachesim.patterns.options import CommonOptions, Lifetime, Options
from cachesim.patterns.redis_cache import RedisOptions
from cachesim.settings import Count

__all__ = ["Layered"]

_OF_L1 = frozenset({"hit", "stale", "miss", "join", "stored", "expired", "deleted", "evicted"})
"""What L1 has to tell: its loads are looks into L2, which are no loads to anybody else."""
_CHANNELS: dict[str, type[Invalidations]] = {"pubsub": PubSubInvalidations, "stream": StreamInvalidations}


class LayeredOptions(RedisOptions):
    """`l1_ttl`: lifetime in L1; None for `ttl`. `l1_size`: how many values L1 holds. `l1_cap`: no longer than in L2."""

    fixed: ClassVar[tuple[str, ...]] = ("namespace", "l1_ttl", "l1_size", "l1_cap", "invalidation")

    l1_ttl: Lifetime | None = None
    l1_size: Count = 10_000
    l1_cap: bool = True
    invalidation: Literal["none", "pubsub", "stream"] = "pubsub"


class FirstLayer(InProcess):
    """L1: its loader is L2, which tells until when what it returns may be kept; None: not at all."""

    layer = "l1"
    cap = True

    async def read(self, key: str, load: Callable[[], Awaitable[Envelope]]) -> Any:
        """The value of `key`, from L1 or from L2, of which one caller asks for all who come meanwhile."""
        asked = False

        async def ask() -> Envelope:
            nonlocal asked
            asked = True
            return await load()

        found = await self.get_or_set(key, ask)
        if not isinstance(found, Envelope):
            return found
        if not asked and found.fresh_until is not None and found.fresh_until < self._clock():
            self._serve_stale(key)  # of the one who asked L2 has told so
        return found.value

    async def _store(self, value: Envelope, options: Options, ticket: Ticket, seconds: float) -> Envelope:
        left = 0.0 if value.fresh_until is None else value.fresh_until - self._clock()
        if ticket.valid and left > 0:
            lifetime = self._lifetime(value.value, options)
            self._keep(ticket.key, value.value, min(lifetime, left) if self.cap else lifetime, options)
        return value


class SecondLayer(CacheAside):
    """L2: its values say until when they are fresh."""

    layer = "l2"

    def _serve(self, envelope: Envelope) -> Envelope:
        return envelope

    def _envelope(self, value: Any, options: Any, seconds: float) -> tuple[Envelope, float]:
        lifetime = self._lifetime(value, options)
        return Envelope(value, self._clock() + lifetime), lifetime + (options.stale_if_error or 0.0)


class _Partly:
    """An observer that is told only some kinds of events."""

    def __init__(self, observe: Observer, kinds: frozenset[str]) -> None:
        self._observe = observe
        self.kinds = getattr(observe, "kinds", EVERY_KIND) & kinds

    def __call__(self, event: Event) -> None:
        self._observe(event)


class Layered(Cache):
    """A cache in each process over one in Redis; `l1` and `l2` are caches themselves, with `stats` of their own.

    `stats` takes both together: a miss is one in both, and what is under way goes on behind L1. A write or a delete is
    told to the other processes; until they hear of it they may serve what they hold, and where a message is lost, until
    `l1_ttl` is over.

    >>> import asyncio, fakeredis
    >>> cache = Layered(fakeredis.FakeAsyncRedis(), ttl=60, l1_ttl=1, invalidation="none")
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> asyncio.run(cache.get_or_set("user:1", load))
    {'name': 'Ada'}
    """

    options_type: ClassVar[type[CommonOptions]] = LayeredOptions

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        ttl: float,
        jitter: float = 0.0,
        single_flight: Literal["none", "process", "cluster"] = "process",
        negative_ttl: float | None = None,
        stale_if_error: float | None = None,
        load_timeout: float | None = None,
        namespace: str = "cache",
        l1_ttl: float | None = None,
        l1_size: int = 10_000,
        l1_cap: bool = True,
        invalidation: Literal["none", "pubsub", "stream"] = "pubsub",
        clock: Callable[[], float] = wall_clock,
        rng: random.Random | None = None,
        observe: Observer | None = None,
    ) -> None:
        second: Any = {
            "ttl": ttl,
            "jitter": jitter,
            "single_flight": single_flight,
            "negative_ttl": negative_ttl,
            "stale_if_error": stale_if_error,
            "load_timeout": load_timeout,
            "namespace": namespace,
        }
        self._options = LayeredOptions(
            **second, l1_ttl=l1_ttl, l1_size=l1_size, l1_cap=l1_cap, invalidation=invalidation
        )
        self.l1 = FirstLayer(
            ttl=l1_ttl or ttl,
            size=l1_size,
            single_flight="none" if single_flight == "none" else "process",
            negative_ttl=negative_ttl,
            stale_if_error=stale_if_error,
            clock=clock,
            rng=rng,
            observe=None if observe is None else _Partly(observe, _OF_L1),
        )
        self.l1.cap = l1_cap
        self.l2 = SecondLayer(redis, **second, clock=clock, rng=rng, observe=observe)
        self._writes = Flights()
        self._invalidations: Invalidations | None = None
        if invalidation != "none":
            channel = f"{namespace}:invalidations"
            failed = partial(self.l2.failed, channel)
            self._invalidations = _CHANNELS[invalidation](
                redis, channel, heard=self.l1.forget, lost=self.l1.clear, failed=failed
            )

    async def get_or_set(self, key: str, load: Loader, **changes: Any) -> Any:
        self._check(changes)
        read = partial(self.l2.get_or_set, key, load, **changes)
        if self._invalidations is not None and not self._invalidations.listening:
            self._invalidations.start()
            return (await read()).value
        return await self.l1.read(key, read)

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        self._check(changes)
        await self._writes.carry(key, lambda _: self._write(key, partial(self.l2.set, key, value, **changes)))

    async def delete(self, key: str) -> None:
        await self._writes.carry(key, lambda _: self._write(key, partial(self.l2.delete, key)))

    async def _write(self, key: str, write: Callable[[], Awaitable[None]]) -> None:
        """Redis first: whoever hears of it, and looks there, must not find the old value."""
        await write()
        self.l1.forget(key)
        if self._invalidations is not None:
            try:
                await self._invalidations.tell(key)
            except AWAY as error:
                self.l2.failed(key, error)

    async def aclose(self) -> None:
        if self._invalidations is not None:
            await self._invalidations.aclose()
        await self._writes.landed()
        await self.l1.aclose()
        await self.l2.aclose()

    @property
    def stats(self) -> Stats:
        first, second = self.l1.stats, self.l2.stats
        return Stats(
            hits=first.hits + second.hits,
            stale_hits=first.stale_hits + second.stale_hits,
            misses=second.misses,
            loads=second.loads,
            joins=first.joins + second.joins,
            errors=second.errors,
            in_flight=second.in_flight + len(self._writes),
        )

    def _check(self, changes: dict[str, Any]) -> None:
        """Refuse what cannot differ from call to call, before anything is done."""
        if changes:
            self._options.replace(**changes)
