"""The caches that are held against a log while it is read: all at once, for nobody knows yet which is the right one."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.advice.slots import Slots
from cachesim.advice.unbounded import Unbounded
from cachesim.curves.chunks import Chunk
from cachesim.curves.kernels import kernel_class
from cachesim.curves.stack_distances import StackDistances

__all__ = ["CELLS", "LIFETIMES", "RIVALS", "ROUND_SIZES", "SIZES", "Caches", "Cell", "lru_kernel"]

_STEPS = (100, 125, 160, 200, 250, 300, 400, 500, 650, 800)
SIZES = tuple(step * 10**power // 100 for power in range(1, 9) for step in _STEPS)
"""Entries without a lifetime: ten to each power of ten, from 10 on."""

ROUND_SIZES = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
"""Entries with a lifetime."""

LIFETIMES = (10.0, 60.0, 600.0, 3600.0, 86400.0)
"""Seconds from the fill."""

RIVALS = ("sieve", "s3-fifo")
"""What might evict better than lru, at the round sizes."""


class Cell(NamedTuple):
    """One of the caches. No size: room for every key. No lifetime: values are kept until they are evicted."""

    size: int | None
    ttl: float | None
    policy: str = "lru"


_SIZED = [*(Cell(size, None) for size in SIZES), Cell(None, None)]
_MORTAL = [Cell(size, ttl) for ttl in LIFETIMES for size in ROUND_SIZES]
_RIVAL = [Cell(size, None, policy) for policy in RIVALS for size in ROUND_SIZES]
_ROOMY = [Cell(None, ttl) for ttl in LIFETIMES]

CELLS = {cell: place for place, cell in enumerate((*_SIZED, *_MORTAL, *_RIVAL, *_ROOMY))}
"""The place of each in what `Caches.run` gives."""


def lru_kernel(cell: Cell) -> Slots | Unbounded:
    """One of the caches with a lifetime, empty."""
    assert cell.ttl is not None
    return Unbounded([cell.ttl]) if cell.size is None else Slots(cell.size, ttl=cell.ttl)


class Caches:
    """All of `CELLS`, empty; they run in the threads of `pool`."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._distances = StackDistances()
        self._kernels = [
            *map(lru_kernel, _MORTAL),
            *(kernel_class(cell.policy)(cell.size) for cell in _RIVAL),
            Unbounded(LIFETIMES),
        ]

    def run(self, chunk: Chunk) -> NDArray[np.int64]:
        """How many requests of the chunk hit in each of the caches."""
        misses = self._pool.map(lambda kernel: kernel.run(chunk), self._kernels)
        distances = self._distances.run(chunk)
        reused = np.searchsorted(SIZES, distances[distances >= 0], side="right")  # hits from this size on
        hits = np.cumsum(np.bincount(reused, minlength=len(_SIZED)))
        return np.concatenate([hits, len(chunk.ids) - np.hstack(list(misses))])
