"""SIEVE, compiled: the queue is an array, in which the hand closes up the keys that it passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.kernels.queued import SIEVE, Queued

__all__ = ["Sieve"]

_ABSENT, _PRESENT, _VISITED = range(3)


class Sieve:
    """What `cachesim.policies.Sieve` does on a stream; with a `ttl` or weights, what the queue of `Queued` does.

    The queue, oldest first: the keys before `passed`, a gap that the evicted leave, and those from `hand` to `end`.
    """

    def __init__(self, size: int, seed: int = 0, *, ttl: float | None = None) -> None:
        self._size = size
        self._queued = Queued(SIEVE, size, ttl)
        self._state = np.zeros(1, np.uint8)
        self._queue = np.zeros(1, np.uint32)
        self._pointers = 0, 0, 0

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        if self._queued.serves(chunk):
            return self._queued.run(chunk)
        self._state = grown(self._state, chunk.distinct)
        self._queue = grown(self._queue, 2 * min(self._size, chunk.distinct))
        misses, self._pointers = _run(chunk.ids.view(np.uint32), self._size, self._state, self._queue, self._pointers)
        return misses


@kernel
def _run(
    ids: NDArray[np.uint32],
    size: int,
    state: NDArray[np.uint8],
    queue: NDArray[np.uint32],
    pointers: tuple[int, int, int],
) -> tuple[int, tuple[int, int, int]]:
    passed, hand, end = pointers
    misses = 0
    for key in ids:
        if state[key] != _ABSENT:
            state[key] = _VISITED
            continue
        misses += 1
        if passed + end - hand == size:
            evicted = False
            while not evicted:
                oldest = queue[hand]
                hand += 1
                evicted = state[oldest] == _PRESENT
                state[oldest] -= 1  # from visited to present, or from present to absent
                if not evicted:
                    queue[passed] = oldest
                    passed += 1
                if hand == end:
                    passed, hand, end = 0, 0, passed
        if end == len(queue):
            waiting = end - hand
            queue[passed : passed + waiting] = queue[hand:end]
            hand, end = passed, passed + waiting
        queue[end] = key
        end += 1
        state[key] = _PRESENT
    return misses, (passed, hand, end)
