"""What the patterns over Redis share: loading under a lease, serving stale, recomputing, writing.

A pattern says in `get_or_set` what it does with what it finds, and in `_envelope` how long it keeps what it loads.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, Literal, TypeGuard

import redis.asyncio

from cachesim.patterns.cache import Loader, Observer
from cachesim.patterns.envelope import Envelope, seal
from cachesim.patterns.flights import Ticket
from cachesim.patterns.leased import LEASE, Found, LeasedRedis
from cachesim.patterns.loading import LoadingCache
from cachesim.patterns.options import CommonOptions, LoadFailed, TimeToLive
from cachesim.patterns.renewal import Renewal

__all__ = ["CommonRedisOptions", "RedisCache", "RedisOptions"]

_FIRST_PAUSE = 0.01
"""Seconds until a waiting process looks again; later a tenth of the time it has waited."""
_LONGEST_WAIT = 30.0
"""Seconds, where there is no `load_timeout`, after which it waits no longer and loads for itself."""
_MOST_IN_BACKGROUND = 1000

Recomputing = Literal["early", "refresh"]


class CommonRedisOptions(CommonOptions):
    """`single_flight`: also "cluster", one load of a key at a time in all processes. `namespace`: how keys begin."""

    fixed: ClassVar[tuple[str, ...]] = ("namespace",)

    single_flight: Literal["none", "process", "cluster"] = "process"  # type: ignore[assignment]
    namespace: str = "cache"


class RedisOptions(CommonRedisOptions, TimeToLive):
    """The options that most patterns over Redis share."""


class RedisCache(LoadingCache):
    """A cache in Redis.

    `redis` is any `redis.asyncio` client; its `socket_timeout` and `retry` bound how long a hanging Redis holds callers
    up. Values are what JSON can tell. A delete that cannot reach Redis leaves the value there until it expires.
    """

    options_type: ClassVar[type[CommonOptions]] = RedisOptions
    keeps = (*LoadingCache.keeps, "no_stale_read_after_delete")
    keeps_alone = ()

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        clock: Callable[[], float],
        rng: random.Random | None,
        observe: Observer | None,
        **options: Any,
    ) -> None:
        super().__init__(clock=clock, rng=rng, observe=observe, **options)
        prefix = f"{self._options.namespace}:v1:"
        self._renewal = Renewal(LEASE / 3, self._renew)
        self._redis = LeasedRedis(redis, prefix=prefix, clock=clock, failed=self.failed, orphaned=self._release)

    def _envelope(self, value: Any, options: Any, seconds: float) -> tuple[Envelope, float]:
        """A value to keep, and the seconds that Redis keeps it."""
        lifetime = self._lifetime(value, options)
        if options.stale_if_error is None:
            return Envelope(value), lifetime
        return Envelope(value, self._clock() + lifetime), lifetime + options.stale_if_error

    async def set(self, key: str, value: Any, **changes: Any) -> None:
        options = self.options_with(changes)
        await self._flights.write(key, partial(self._put, value, options))

    async def delete(self, key: str) -> None:
        await self._flights.write(key, lambda _: self._redis.drop(key))

    def _look(self, key: str, options: Any, mode: Literal["", "claim"] = "") -> Awaitable[Found]:
        exclusive = options.single_flight == "cluster"
        return self._redis.look(key, mode, exclusive=exclusive, since=self._flights.departures)

    def _is_fresh(self, envelope: Envelope | None) -> TypeGuard[Envelope]:
        return envelope is not None and (envelope.fresh_until is None or self._clock() <= envelope.fresh_until)

    def _serve(self, envelope: Envelope) -> Any:
        """What a caller is given."""
        return envelope.value

    # Loading for a caller

    async def _load_or_serve_stale(self, key: str, load: Loader, options: Any, found: Found) -> Envelope:
        """Nothing fresh was found: load, and if that fails serve what is there, if it may be served."""
        stale = found.envelope
        if stale is not None:
            found = await self._look(key, options, "claim")
            if self._is_fresh(found.envelope):
                self._hit(key)
                return self._overtaken_by(found.envelope, key, found)
            if found.lease is not None:  # else Redis has gone, and cannot say what has become of the value
                stale = found.envelope
        self._missed(key)
        try:
            return await self._load_under(key, load, options, found)
        except Exception:
            if stale is None or self._clock() > (stale.fresh_until or 0.0) + (options.stale_if_error or 0.0):
                raise
            self._serve_stale(key)
            return stale

    def _overtaken_by(self, envelope: Envelope, key: str, found: Found) -> Envelope:
        """Somebody else has stored a value just now: the lease made by this look is of no use."""
        if found.mine:
            self._release(key, found.lease)
        return envelope

    def _load_under(self, key: str, load: Loader, options: Any, found: Found) -> Awaitable[Envelope]:
        """Load and keep; with single flight in the cluster, the owner of the lease loads for all."""
        if options.single_flight == "cluster":
            if found.mine and self._flights.joinable(key, found.lease, found.since) is not None:
                self._release(key, found.lease)  # of no use to who joins a load that has begun meanwhile
            fetch = partial(self._fetch_or_wait, load, options, found.mine)
            return self._join_or_start(key, fetch, found.lease, found.since)
        return self._load(key, load, options, found.lease, found.since)

    async def _fetch_or_wait(self, load: Loader, options: Any, mine: bool, ticket: Ticket) -> Envelope:
        """Load as the owner of the lease, or wait for what its owner stores, and take over when it is gone."""
        key, waited = ticket.key, 0.0
        while not mine and ticket.lease is not None:
            pause = max(_FIRST_PAUSE, waited / 10)
            waited += pause
            if waited > (options.load_timeout or _LONGEST_WAIT):
                ticket.lease = None
                break
            await asyncio.sleep(pause)
            others = b"" if self._redis.owns(ticket.lease) else ticket.lease  # a failure of its own was told already
            found = await self._redis.look(key, "peek", exclusive=True, awaited=others)
            if found.lease is None and found.envelope is not None and not self._is_fresh(found.envelope):
                found = await self._look(key, options, "claim")
            if self._is_fresh(found.envelope):
                return self._overtaken_by(found.envelope, key, found)
            if found.lease == b"!" + ticket.lease:
                raise LoadFailed(f"the load of {key!r} under another lease has failed")
            ticket.lease, mine = found.lease, found.mine
        loaded: Envelope = await self._fetch(load, options, ticket)
        return loaded

    # Loading in the background

    def _recompute(self, key: str, load: Loader, options: Any, kind: Recomputing, seen: Envelope) -> None:
        """Load in the background, if nobody does so already."""
        if self._flights.joinable(key) is None and self._flights.in_background < _MOST_IN_BACKGROUND:
            self._flights.launch(key, partial(self._recompute_now, load, options, kind, seen))

    async def _recompute_now(
        self, load: Loader, options: Any, kind: Recomputing, seen: Envelope, ticket: Ticket
    ) -> Envelope:
        key = ticket.key
        found = await self._look(key, options, "claim")
        if found.envelope is not None and found.envelope != seen:
            return self._overtaken_by(found.envelope, key, found)
        if not found.mine:
            return seen
        if self._flights.joinable(key) is not ticket.flight:  # somebody who found nothing has begun to load meanwhile
            return await self._load_under(key, load, options, found)
        ticket.lease = found.lease
        self._tell(kind, key)
        loaded: Envelope = await self._fetch(load, options, ticket)
        return loaded

    # Loading at all

    async def _fetch(self, load: Loader, options: Any, ticket: Ticket) -> Any:
        """Ask the origin and keep what it says; renew the lease meanwhile, and give it up if that fails."""
        self._renewal.hold(ticket)
        try:
            value, seconds = await self._ask((ticket.key,), load, options)
            return await self._store(value, options, ticket, seconds)
        except (Exception, asyncio.CancelledError) as error:
            self._release(ticket.key, ticket.lease, failed=isinstance(error, Exception))
            raise
        finally:
            self._renewal.drop(ticket)

    def _renew(self, ticket: Ticket) -> None:
        if (lease := ticket.lease) is not None and ticket.valid:
            self._flights.send(ticket.key, lambda _: self._redis.renew(ticket.key, lease))

    def _release(self, key: str, lease: bytes | None, *, failed: bool = False) -> None:
        if lease is not None and self._redis.owns(lease):
            self._flights.send(key, lambda _: self._redis.release(key, lease, failed=failed))

    async def _store(self, value: Any, options: Any, ticket: Ticket, seconds: float) -> Envelope:
        envelope, kept = self._envelope(value, options, seconds)
        data = seal(*envelope)
        if ticket.lease is None or not ticket.valid:
            return envelope
        stored = await self._flights.land(ticket, partial(self._keep, data, kept))
        return envelope if stored else envelope._replace(fresh_until=None)  # something newer has overtaken it

    async def _keep(self, data: bytes, kept: float, ticket: Ticket) -> bool:
        assert ticket.lease is not None
        stored = await self._redis.store(ticket.key, ticket.lease, data, kept)
        if stored and not ticket.valid:
            await self._redis.undo(ticket.key, data)
        return stored and ticket.valid

    async def _put(self, value: Any, options: Any, ticket: Ticket) -> None:
        """Keep what was written; nothing if that fails, or if another write has come after it in this process."""
        envelope, kept = self._envelope(value, options, 0.0)
        await self._put_or_drop(ticket, seal(*envelope), kept)

    async def _put_or_drop(self, ticket: Ticket, data: bytes, kept: float, version: int | None = None) -> None:
        if not await self._redis.put(ticket.key, data, kept, version):
            await self._redis.drop(ticket.key)
        elif not ticket.valid:
            await self._redis.undo(ticket.key, data)
