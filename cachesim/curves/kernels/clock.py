"""CLOCK, compiled: a ring of slots, and a hand that goes around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.kernels.queued import CLOCK, Queued

__all__ = ["Clock"]

_ABSENT, _PRESENT, _VISITED = range(3)


class Clock:
    """What `cachesim.policies.Clock` does on a stream; with a `ttl` or weights, what the queue of `Queued` does."""

    def __init__(self, size: int, seed: int = 0, *, ttl: float | None = None) -> None:
        self._size = size
        self._queued = Queued(CLOCK, size, ttl)
        self._state = np.zeros(1, np.uint8)
        self._ring = np.zeros(1, np.uint32)
        self._pointers = 0, 0

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        if self._queued.serves(chunk):
            return self._queued.run(chunk)
        self._state = grown(self._state, chunk.distinct)
        self._ring = grown(self._ring, min(self._size, chunk.distinct))
        misses, self._pointers = _run(chunk.ids.view(np.uint32), self._size, self._state, self._ring, self._pointers)
        return misses


@kernel
def _run(
    ids: NDArray[np.uint32], size: int, state: NDArray[np.uint8], ring: NDArray[np.uint32], pointers: tuple[int, int]
) -> tuple[int, tuple[int, int]]:
    hand, used = pointers
    misses = 0
    for key in ids:
        if state[key] != _ABSENT:
            state[key] = _VISITED
            continue
        misses += 1
        if used < size:
            used += 1
        else:
            while state[ring[hand]] == _VISITED:
                state[ring[hand]] = _PRESENT
                hand += 1
                if hand == size:
                    hand = 0
            state[ring[hand]] = _ABSENT
        ring[hand] = key
        state[key] = _PRESENT
        hand += 1
        if hand == size:
            hand = 0
    return misses, (hand, used)
