"""LFU, compiled: keys without a hit are in a ring, the others in a heap that is told of hits only when it matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown, with_room

__all__ = ["Lfu"]

_TIME_BITS = 36
_ONE_USE = 1 << _TIME_BITS
_MOST_USES = 1 << 62


class Lfu:
    """What `cachesim.policies.Lfu` does on a stream.

    The state of a key is its rank, and the lowest goes: its uses and, in the lower 36 bits, the time of the last one; 0
    if it is not in the cache. That is enough for 2**36 requests; uses count up to 2**26, more than a victim has.

    A filled key comes into the ring. Of these the oldest without a hit goes, and those before it move to the heap. The
    heap has ranks as they were then; a rank only rises, so that one is put right when it comes to the top.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._state = np.zeros(1, np.int64)
        self._ring = np.zeros(1, np.int32)
        self._ranks = np.zeros(1, np.int64)
        self._ranked = np.zeros(1, np.int32)
        self._pointers = 0, 0, 0, 0

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        ring_from, ring_to, _, _ = self._pointers
        most = min(self._size, chunk.distinct)
        self._state = grown(self._state, chunk.distinct)
        self._ring = with_room(self._ring, ring_from, ring_to, most)
        self._ranks, self._ranked = grown(self._ranks, most), grown(self._ranked, most)
        misses, self._pointers = _run(
            chunk.ids, self._size, self._state, self._ring, self._ranks, self._ranked, self._pointers
        )
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    size: int,
    state: NDArray[np.int64],
    ring: NDArray[np.int32],
    ranks: NDArray[np.int64],
    ranked: NDArray[np.int32],
    pointers: tuple[int, int, int, int],
) -> tuple[int, tuple[int, int, int, int]]:
    ring_from, ring_to, heap, time = pointers
    mask = len(ring) - 1
    misses = 0
    for key in ids:
        time += 1
        rank = state[key]
        if rank > 0:
            if rank < _MOST_USES:
                rank += _ONE_USE
            state[key] = (rank & -_ONE_USE) + time
            continue
        misses += 1
        evicted = ring_to - ring_from + heap < size
        while not evicted and ring_from < ring_to:
            oldest = ring[ring_from & mask]
            ring_from += 1
            if state[oldest] < 2 * _ONE_USE:  # no hit
                state[oldest] = 0
                evicted = True
            else:
                _rise(ranks, ranked, heap, state[oldest], oldest)
                heap += 1
        if not evicted:
            while state[ranked[0]] != ranks[0]:
                _sink(ranks, ranked, heap, state[ranked[0]], ranked[0])
            state[ranked[0]] = 0
            heap -= 1
            _sink(ranks, ranked, heap, ranks[heap], ranked[heap])
        state[key] = _ONE_USE + time
        ring[ring_to & mask] = key
        ring_to += 1
    return misses, (ring_from, ring_to, heap, time)


@kernel
def _rise(ranks: NDArray[np.int64], ranked: NDArray[np.int32], place: int, rank: int, key: int) -> None:
    """From the free place at the end up to where its rank belongs."""
    while place > 0 and ranks[(place - 1) >> 1] > rank:
        above = (place - 1) >> 1
        ranks[place], ranked[place] = ranks[above], ranked[above]
        place = above
    ranks[place], ranked[place] = rank, key


@kernel
def _sink(ranks: NDArray[np.int64], ranked: NDArray[np.int32], length: int, rank: int, key: int) -> None:
    """From the top, whose entry is dropped, down to where its rank belongs."""
    place = 0
    while 2 * place + 1 < length:
        below = 2 * place + 1
        if below + 1 < length and ranks[below + 1] < ranks[below]:
            below += 1
        if ranks[below] >= rank:
            break
        ranks[place], ranked[place] = ranks[below], ranked[below]
        place = below
    ranks[place], ranked[place] = rank, key
