"""Early recompute as tutorials print it: XFetch without its logarithm.

The printed test keeps a value while `now - delta * beta * u < expiry`, u uniform in [0, 1). What is taken away from
`now` can only delay: nobody is ever early, and a read that comes r past the expiry is served the expired value with
probability 1 - r / (beta * delta), until beta * delta past it. In the paper it is `ln(u)`, which is negative (Vattani,
Chierichetti, Lowenstein, PVLDB 8(8), 2015). `theory.no_logarithm_stampede_size` has what is left of the protection.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar, Literal

import orjson
import redis.asyncio

from cachesim.patterns.cache import Loader, Observer, wall_clock
from cachesim.patterns.events import Event
from cachesim.patterns.options import TimeToLive
from cachesim.settings import NonNegative, Setting

__all__ = ["EarlyRecompute"]


class EarlyRecomputeOptions(TimeToLive):
    """`beta`: as in XFetch. `single_flight`: "process", a lock for each key around the whole read."""

    beta: NonNegative = 1.0
    single_flight: Literal["none", "process"] = "none"


class EarlyRecompute:
    """A cache in Redis whose values are meant to be loaded anew, now and then, before they expire."""

    options_type: ClassVar[type[Setting]] = EarlyRecomputeOptions

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        ttl: float,
        beta: float = 1.0,
        single_flight: Literal["none", "process"] = "none",
        clock: Callable[[], float] = wall_clock,
        rng: random.Random | None = None,
        observe: Observer = lambda event: None,
    ) -> None:
        self._redis, self._ttl, self._beta = redis, ttl, beta
        self._clock, self._rng, self._observe = clock, rng or random.Random(), observe
        self.locks: defaultdict[str, Any] = defaultdict(nullcontext if single_flight == "none" else asyncio.Lock)

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, loaded if it is not there, or if the draw says so."""
        async with self.locks[key]:
            data = await self._redis.get(key)
            if data is not None:
                value, delta, expiry = orjson.loads(data)
                now = self._clock()
                if now - delta * self._beta * self._rng.random() < expiry:
                    if now >= expiry:
                        self._observe(Event("stale", key))
                    return value
            began = self._clock()
            value = await load()
            await self._keep(key, value, self._clock() - began)
            return value

    async def set(self, key: str, value: Any) -> None:
        """Keep `value`."""
        await self._keep(key, value, 0.0)

    async def _keep(self, key: str, value: Any, delta: float) -> None:
        data = orjson.dumps([value, delta, self._clock() + self._ttl])
        await self._redis.set(key, data, px=int(2 * self._ttl * 1000))

    async def delete(self, key: str) -> None:
        """Forget `key`."""
        await self._redis.delete(key)

    async def aclose(self) -> None:
        """Nothing to wait for."""
