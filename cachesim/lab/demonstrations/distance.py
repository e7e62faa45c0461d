"""Redis as far away as it is in a data centre: each round trip takes its time, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cachesim.lab.live import redis_client

if TYPE_CHECKING:
    pass

__all__ = ["Distant"]


class Distant:
    """A client as `redis_client` makes it, `seconds` away; `round_trips` counts, a pipeline as one.

    >>> async def two_ways():
    ...     distant = Distant(seconds=0.001)
    ...     await distant.redis.get("a")
    ...     async with distant.redis.pipeline(transaction=False) as pipeline:
    ...         await pipeline.get("a").get("b").get("c").execute()
    ...     return distant.round_trips
    >>> asyncio.run(two_ways())
    2
    """

    def __init__(self, *, seconds: float) -> None:
        self.round_trips, self.redis = 0, redis_client()
        pool: Any = self.redis.connection_pool
        distant = self

        class Connection(pool.connection_class):  # type: ignore[misc]
            async def on_connect_check_health(self, *arguments: Any, **options: Any) -> None:
                """Greetings do not count."""
                before = distant.round_trips
                await super().on_connect_check_health(*arguments, **options)
                distant.round_trips = before

            async def send_packed_command(
                self, command: bytes | str | Iterable[bytes], check_health: bool = True
            ) -> None:
                distant.round_trips += 1
                await asyncio.sleep(seconds)
                await super().send_packed_command(command, check_health)

        pool.connection_class = Connection

    async def told(self, asking: Awaitable[Any]) -> str:
        """What it took to wait for something."""
        before, start = self.round_trips, perf_counter()
        await asking
        return f"{self.round_trips - before} round trips, {1000 * (perf_counter() - start):.0f} ms"
