"""FIFO, compiled: fills are numbered, and a key is in the cache while its fill is one of the last `size`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import MOST_REQUESTS, Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.kernels.queued import FIFO, Queued

__all__ = ["Fifo"]

_MOST_FILLS = (1 << 32) - MOST_REQUESTS
"""At the start of a chunk: numbers fit 32 bits."""


class Fifo:
    """What `cachesim.policies.Fifo` does on a stream; with a `ttl` or weights, what the queue of `Queued` does."""

    def __init__(self, size: int, seed: int = 0, *, ttl: float | None = None) -> None:
        self._size = min(size, (1 << 31) - 1)  # there are no more keys than that
        self._queued = Queued(FIFO, size, ttl)
        self._filled = np.zeros(1, np.uint32)
        self._fills = self._size + 1

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        if self._queued.serves(chunk):
            return self._queued.run(chunk)
        self._filled = grown(self._filled, chunk.distinct)
        if self._fills > _MOST_FILLS:
            past = self._fills - self._size - 1
            self._filled -= np.minimum(self._filled, past)
            self._fills -= past
        fills = _run(chunk.ids.view(np.uint32), self._size, self._filled, self._fills)
        misses, self._fills = fills - self._fills, fills
        return misses


@kernel
def _run(ids: NDArray[np.uint32], size: int, filled: NDArray[np.uint32], fills: int) -> int:
    """`filled`: the number of each key's last fill, 0 for none; returns the number of the next.

    Written without a branch for hits and misses, which cannot be predicted.
    """
    for key in ids:
        number = int(filled[key])
        miss = fills - number > size
        filled[key] = fills if miss else number
        fills += miss
    return fills
