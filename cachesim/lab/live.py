"""Real time: the same patterns on a Redis and a database that answer while one waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis.asyncio

__all__ = ["Database", "ask", "redis_client"]


def redis_client() -> redis.asyncio.Redis:
    """A client of the server that the environment variable REDIS_URL names, else of a new fakeredis.

    >>> type(redis_client()).__name__
    'FakeRedis'
    """
    import redis.asyncio as real

    if url := os.environ.get("REDIS_URL"):
        return real.Redis.from_url(url)
    import fakeredis

    return fakeredis.FakeAsyncRedis()


class Database:
    """A database that takes `load_time` seconds to read a row, and counts.

    `loads`: how many reads there were; `most_at_once`: how many of them were under way together at most.

    >>> database = Database(load_time=0.01)
    >>> asyncio.run(database.read("user:1"))
    {'key': 'user:1', 'load': 1}
    """

    def __init__(self, *, load_time: float) -> None:
        self.load_time, self.loads, self.most_at_once = load_time, 0, 0
        self._under_way = 0

    async def read(self, key: str) -> dict[str, object]:
        """A row: its key, and the how manieth load it came from."""
        self.loads += 1
        load = self.loads
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            await asyncio.sleep(self.load_time)
        finally:
            self._under_way -= 1
        return {"key": key, "load": load}


async def ask(get: Callable[[], Awaitable[object]], *, times: int, pause: float) -> None:
    """Await `get` so many times, with a pause in seconds after each."""
    for _ in range(times):
        await get()
        await asyncio.sleep(pause)
