"""Batches as tutorials print them: MGET, one query for what is missing, and the rows put in by position.

What goes wrong: `SELECT … WHERE id IN (…)` returns no row for what is absent and one for what is asked twice, so that
from there on everybody gets somebody else's row, and it is cached under the wrong key; an absent row is asked for each
time; a value loaded by somebody else at this moment is loaded once more; and the values are stored in as many round
trips as there are, to expire together later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
import redis.asyncio

from cachesim.patterns.batch import LoadMany
from cachesim.patterns.cache import Loader
from cachesim.patterns.options import TimeToLive
from cachesim.settings import Setting

__all__ = ["Batch"]


class Batch:
    """A cache in Redis that is asked for many keys at once."""

    options_type: ClassVar[type[Setting]] = TimeToLive

    def __init__(self, redis: redis.asyncio.Redis, *, ttl: float) -> None:
        self._redis, self._ttl = redis, ttl

    async def get_or_set_many(self, keys: Sequence[str], load: LoadMany) -> list[Any]:
        """The values of `keys`; `load(missing)` returns rows, whose order is taken for that of `missing`."""
        values = [None if data is None else orjson.loads(data) for data in await self._redis.mget(keys)]
        missing = [position for position, value in enumerate(values) if value is None]
        if missing:
            rows = await load([keys[position] for position in missing])
            for position, row in zip(missing, rows.values(), strict=False):
                values[position] = row
                await self.set(keys[position], row)
        return values

    async def get_or_set(self, key: str, load: Loader) -> Any:
        """The value of `key`, loaded if it is not there."""

        async def load_many(keys: list[str]) -> dict[str, Any]:
            return {key: await load() for key in keys}

        (value,) = await self.get_or_set_many([key], load_many)
        return value

    async def set(self, key: str, value: Any) -> None:
        """Keep `value`."""
        await self._redis.set(key, orjson.dumps(value), px=int(self._ttl * 1000))

    async def delete(self, key: str) -> None:
        """Forget `key`."""
        await self._redis.delete(key)

    async def aclose(self) -> None:
        """Nothing to wait for."""
