"""Batch: many keys at once cost two round trips to Redis and one query of the database, however many they are.

One round trip looks for all of them, one query loads those that are missing, one round trip keeps what was loaded. Keys
that somebody else is loading are waited for, not loaded again. What is filled together would expire together, so
lifetimes differ by some jitter.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import redis.asyncio

from cachesim.patterns.cache import Observer, wall_clock
from cachesim.patterns.cache_aside import CacheAside
from cachesim.patterns.envelope import Envelope, seal
from cachesim.patterns.flights import Ticket
from cachesim.patterns.leased import Found
from cachesim.patterns.options import CommonOptions
from cachesim.patterns.redis_cache import RedisCache, RedisOptions
from cachesim.settings import Seconds

__all__ = ["Batch"]

LoadMany = Callable[[list[str]], Awaitable[Mapping[str, Any]]]


class BatchOptions(RedisOptions):
    """`jitter`: None for a tenth of `ttl`."""

    jitter: Seconds | None = None  # type: ignore[assignment]


class Batch(RedisCache):
    """A cache in Redis that is asked for many keys at once.

    >>> import asyncio, fakeredis
    >>> cache = Batch(fakeredis.FakeAsyncRedis(), ttl=60)
    >>> async def load(ids):
    ...     return {id: id.upper() for id in ids if id != "nobody"}
    >>> asyncio.run(cache.get_or_set_many(["a", "b", "nobody", "b"], load))
    ['A', 'B', None, 'B']
    """

    options_type: ClassVar[type[CommonOptions]] = BatchOptions

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        ttl: float,
        jitter: float | None = None,
        single_flight: Literal["none", "process", "cluster"] = "process",
        negative_ttl: float | None = None,
        stale_if_error: float | None = None,
        load_timeout: float | None = None,
        namespace: str = "cache",
        clock: Callable[[], float] = wall_clock,
        rng: random.Random | None = None,
        observe: Observer | None = None,
    ) -> None:
        super().__init__(
            redis,
            ttl=ttl,
            jitter=jitter,
            single_flight=single_flight,
            negative_ttl=negative_ttl,
            stale_if_error=stale_if_error,
            load_timeout=load_timeout,
            namespace=namespace,
            clock=clock,
            rng=rng,
            observe=observe,
        )

    get_or_set = CacheAside.get_or_set

    async def get_or_set_many(self, keys: Sequence[str], load: LoadMany, **changes: Any) -> list[Any]:
        """The values of `keys`, position by position, twice where a key stands twice; no keys cost nothing.

        `load(missing)` returns a mapping; a key that it lacks is an absent row, whose value is None. Raises what `load`
        raises, unless all that is missing may be served stale. Values past their lifetime that are at hand (with
        `stale_if_error`) cost a third round trip, and so do those that another process is loading for the cluster.
        """
        options = self.options_with(changes) if changes else self._options
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return []
        found = await self._look_many(wanted, options)
        fresh = {key for key in wanted if self._is_fresh(found[key].envelope)}  # stays so while others are claimed
        if held := [key for key in wanted if found[key].envelope and key not in fresh]:
            found |= await self._look_many(held, options, "claim")
            fresh.update(key for key in held if self._is_fresh(found[key].envelope))
        envelopes = {}
        missing = {}
        for key in wanted:
            if (envelope := found[key].envelope) is not None and key in fresh:
                self._hit(key)
                envelopes[key] = self._overtaken_by(envelope, key, found[key])
            else:
                self._missed(key)
                missing[key] = found[key]
        if missing:
            envelopes |= await self._load_missing(missing, load, options)
        return [envelopes[key].value for key in keys]

    async def _look_many(self, keys: Sequence[str], options: Any, mode: Literal["", "claim"] = "") -> dict[str, Found]:
        exclusive = options.single_flight == "cluster"
        looks = await self._redis.look_many(keys, mode, exclusive=exclusive, since=self._flights.departures)
        return dict(zip(keys, looks, strict=True))

    async def _load_missing(self, missing: Mapping[str, Found], load: LoadMany, options: Any) -> Mapping[str, Envelope]:
        """One load for all that nobody else is loading."""
        joins = options.single_flight != "none"
        for key, found in missing.items():
            if joins and self._flights.joinable(key, found.lease, found.since) is not None:
                self._joined(key)
                if found.mine:
                    self._release(key, found.lease)
            elif found.lease is not None and not found.mine:  # another process loads it: wait for what it stores
                wait = partial(self._fetch_or_wait, partial(_one, key, load), options, False)
                self._flights.launch(key, wait, found.lease, background=False)
        leases = {key: (found.lease, found.since) for key, found in missing.items()}
        try:
            return await self._flights.share_many(leases, partial(self._fetch_many, load, options), joins=joins)
        except Exception:
            oldest = self._clock() - (options.stale_if_error or 0.0)
            held = {key: found.envelope for key, found in missing.items() if found.envelope is not None}
            stale = {key: envelope for key, envelope in held.items() if oldest <= (envelope.fresh_until or 0.0)}
            if len(stale) < len(missing):
                raise
            for key in stale:
                self._serve_stale(key)
            return stale

    async def _fetch_many(self, load: LoadMany, options: Any, tickets: Sequence[Ticket]) -> Mapping[str, Envelope]:
        keys = [ticket.key for ticket in tickets]
        for ticket in tickets:
            self._renewal.hold(ticket)
        try:
            rows, seconds = await self._ask(keys, partial(load, keys), options)
            kept = {key: self._envelope(rows.get(key), options, seconds) for key in keys}
            sealed = {key: seal(*envelope) for key, (envelope, _) in kept.items()}
            valid = [ticket for ticket in tickets if ticket.valid and ticket.lease is not None]
            if valid:
                await self._flights.land(valid[0], lambda _: self._keep_many(valid, sealed, kept))
            return {key: envelope for key, (envelope, _) in kept.items()}
        except (Exception, asyncio.CancelledError) as error:
            for ticket in tickets:
                self._release(ticket.key, ticket.lease, failed=isinstance(error, Exception))
            raise
        finally:
            for ticket in tickets:
                self._renewal.drop(ticket)

    async def _keep_many(
        self, tickets: Sequence[Ticket], sealed: Mapping[str, bytes], kept: Mapping[str, tuple[Envelope, float]]
    ) -> None:
        rows = [(t.key, t.lease or b"", sealed[t.key], kept[t.key][1]) for t in tickets]
        for ticket, stored in zip(tickets, await self._redis.store_many(rows), strict=True):
            if stored and not ticket.valid:
                await self._redis.undo(ticket.key, sealed[ticket.key])

    def _lifetime(self, value: Any, options: Any) -> float:
        lifetime = super()._lifetime(value, options)
        return lifetime - self._rng.uniform(0.0, lifetime / 10) if options.jitter is None else lifetime


async def _one(key: str, load: LoadMany) -> Any:
    return (await load([key])).get(key)
