"""Early recompute: each who reads a value draws whether to load it anew, the likelier the nearer its expiry.

XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, PVLDB 8(8), 2015): with a
load that takes delta, a read at `now` recomputes when

    now - delta * beta * ln(u) >= expiry,    u uniform in (0, 1]

so that, among many readers, most often one loads shortly before the expiry, and the others go on with the value. The
load's own duration delta is measured and stored with the value. The logarithm matters: without it nobody is ever early.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import log
from typing import Any, ClassVar, Literal

import redis.asyncio

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.envelope import Envelope
from cachesim.patterns.options import CommonOptions
from cachesim.patterns.redis_cache import RedisCache, RedisOptions
from cachesim.settings import NonNegative

__all__ = ["EarlyRecompute"]

_LINGER = 1.0
"""Seconds that Redis keeps a value past its expiry, for those who read it just before."""


class EarlyRecomputeOptions(RedisOptions):
    """`beta`: above 1 recomputes earlier, below 1 later, 0 never. `background`: nobody waits for an early recompute."""

    beta: NonNegative = 1.0
    background: bool = False


class EarlyRecompute(RedisCache):
    """A cache in Redis whose values are loaded anew, now and then, before they expire.

    In the foreground, the default, whoever draws the early recompute waits for it, as in the paper, and with
    `single_flight="none"` its figures hold. With single flight one recomputes at a time, and who draws it meanwhile is
    served the value at hand.

    >>> import asyncio, fakeredis
    >>> cache = EarlyRecompute(fakeredis.FakeAsyncRedis(), ttl=60, beta=1.0)
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> asyncio.run(cache.get_or_set("user:1", load))
    {'name': 'Ada'}
    """

    options_type: ClassVar[type[CommonOptions]] = EarlyRecomputeOptions

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
        beta: float = 1.0,
        background: bool = False,
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
            beta=beta,
            background=background,
            clock=clock,
            rng=rng,
            observe=observe,
        )

    async def get_or_set(self, key: str, load: Loader, **changes: Any) -> Any:
        options = self.options_with(changes) if changes else self._options
        found = await self._look(key, options)
        held = found.envelope
        if not self._is_fresh(held):
            return self._serve(await self._load_or_serve_stale(key, load, options, found))
        if self._is_due(held, options):
            if not options.background:
                return self._serve(await self._recompute_first(key, load, options, held))
            self._recompute(key, load, options, "early", held)
        self._hit(key)
        return self._serve(held)

    def _is_due(self, held: Envelope, options: Any) -> bool:
        """The draw of XFetch."""
        if held.fresh_until is None or held.seconds is None:  # a value of another pattern
            return False
        ahead: float = -held.seconds * options.beta * log(1.0 - self._rng.random())
        return self._clock() + ahead >= held.fresh_until

    async def _recompute_first(self, key: str, load: Loader, options: Any, held: Envelope) -> Envelope:
        """Recompute in the foreground, unless somebody else does; should it fail, the value at hand is still good."""
        alone = options.single_flight == "none"
        if not alone and self._flights.joinable(key) is not None:
            self._hit(key)
            return held
        found = await self._look(key, options, "claim")
        if found.envelope is None and found.lease is not None:  # deleted just now
            return await self._load_or_serve_stale(key, load, options, found)
        changed = found.envelope is not None and found.envelope != held
        if changed or not (alone or (found.mine and self._flights.joinable(key) is None)):
            self._hit(key)
            return self._overtaken_by(found.envelope or held, key, found)
        self._tell("early", key)
        try:
            return await self._load_under(key, load, options, found)
        except Exception:
            if not self._is_fresh(held):
                raise
            self._hit(key)
            return held

    def _envelope(self, value: Any, options: Any, seconds: float) -> tuple[Envelope, float]:
        lifetime = self._lifetime(value, options)
        kept = lifetime + max(_LINGER, options.stale_if_error or 0.0)
        return Envelope(value, self._clock() + lifetime, seconds), kept
