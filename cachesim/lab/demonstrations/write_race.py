"""A write that overtakes a load, in real time."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

__all__ = ["Prices", "race"]


class Prices(NamedTuple):
    """What the reader got who came before the write, what the database has, and what the next reader got."""

    before: int
    committed: int
    after: int


async def race(cache: Any, key: str = "price:tea") -> Prices:
    """Read, and while the answer of the database is under way, change the price and delete the key."""
    committed = 10

    async def load() -> int:
        seen = committed
        await asyncio.sleep(0.1)
        return seen

    await cache.delete(key)
    reader = asyncio.create_task(cache.get_or_set(key, load))
    await asyncio.sleep(0.05)
    committed = 12
    await cache.delete(key)
    before = await reader
    return Prices(before, committed, await cache.get_or_set(key, load))
