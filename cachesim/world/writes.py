"""Who writes: a share of the requests, through the cache, and others straight to the database, past it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from heapq import heappush
from itertools import repeat

import numpy as np
from simpy.events import NORMAL

from cachesim.settings import NonNegative, Setting, Share
from cachesim.world.database import Query, SimDatabase
from cachesim.world.traffic import Traffic

__all__ = ["Writes", "WritesBehind"]

_BLOCK = 4096


class Writes(Setting):
    """The `share` of requests that write, and how often each key is written `behind` the cache.

    `behind`: writes per second and key (Poisson), straight to the database: no cache is told. They are queries and
    raise versions, but they are no requests.
    """

    share: Share = 0.0
    behind: NonNegative = 0.0

    def of_requests(self, rng: np.random.Generator) -> Iterator[bool]:
        """Whether each request writes: each by itself."""
        share = self.share
        if share == 0:
            return repeat(False)
        return (number < share for block in iter(lambda: rng.random(_BLOCK).tolist(), None) for number in block)

    def past_the_cache(self, keys: Sequence[str], rng: np.random.Generator) -> Iterator[tuple[float, str]]:
        """Times (s) and keys of the writes behind the cache: the Poisson processes of all keys as one."""
        now, rate = 0.0, self.behind * len(keys)
        while True:
            gaps = (rng.standard_exponential(_BLOCK) / rate).tolist()
            for gap, index in zip(gaps, rng.integers(len(keys), size=_BLOCK).tolist(), strict=True):
                now += gap
                yield now, keys[index]


class WritesBehind:
    """Writes past the caches of a run, while its requests arrive. It stands in the queue as the next write."""

    def __init__(self, database: SimDatabase, traffic: Traffic, writes: Iterator[tuple[float, str]]) -> None:
        self._database, self._traffic, self._writes = database, traffic, writes
        self.fire = self._happen().__next__
        self.fire()

    @property
    def _cancelled(self) -> bool:
        return self._traffic.over

    def _happen(self) -> Generator[None, None, None]:
        loop = self._database.loop
        for time, key in self._writes:
            heappush(loop._queue, (time, NORMAL, next(loop._next_id), self))
            yield
            Query(self._database, (key,), node=-1, written=None)  # of no node, and what it writes nobody looks at
