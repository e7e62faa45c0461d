"""LRU, compiled: positions of last use as bits, and a tail from which on they are in the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.kernels.queued import LRU, NOBODY, Fills, Queued, forget, with_low_numbers
from cachesim.curves.positions import FIRST, bit, close_up, next_one

__all__ = ["Lru"]


class _Lifetimes(NamedTuple):
    """What lifetimes take besides."""

    expires: NDArray[np.float64]
    """When each key does."""
    fill: NDArray[np.uint32]
    """Where each key is in the log of fills."""
    key_at: NDArray[np.uint32]
    """The key at each position."""


class Lru:
    """What `cachesim.policies.Lru` does on a stream; with weights, what the queue of `Queued` does."""

    def __init__(self, size: int, seed: int = 0, *, ttl: float | None = None) -> None:
        self._size, self._ttl = size, ttl
        self._queued = Queued(LRU, size, ttl)
        self._last = np.zeros(1, np.uint32)
        self._live = np.zeros(2, np.uint64)
        self._pointers = FIRST, FIRST, 0
        self._lifetimes = _Lifetimes(np.zeros(1), np.zeros(1, np.uint32), np.zeros(1, np.uint32))
        self._fills = Fills(np.zeros(1, np.uint32), np.full(1, np.inf))
        self._fill_pointers = 0, 0, 0
        self.evictions: int | None = None
        """Of values that could have been used; None: not counted, without a lifetime or with weights."""

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        if chunk.weights is not None:
            return self._queued.run(chunk)
        ids = chunk.ids.view(np.uint32)
        self._last = grown(self._last, chunk.distinct)
        self._live = grown(self._live, chunk.distinct // 8 + 64)
        if self._ttl is None or chunk.times is None:
            misses, self._pointers = _run(ids, self._size, self._last, self._live, self._pointers)
            return misses
        expires, fill, key_at = self._lifetimes
        fill, self._fill_pointers = with_low_numbers(fill, self._fill_pointers)
        self._lifetimes = _Lifetimes(
            grown(expires, chunk.distinct), grown(fill, chunk.distinct), grown(key_at, 64 * len(self._live))
        )
        self._fills = self._fills.grown(min(self._size, chunk.distinct))
        misses, evictions, self._pointers, self._fill_pointers = _run_with_lifetimes(
            ids,
            chunk.times,
            self._ttl,
            self._size,
            self._last,
            self._live,
            self._lifetimes,
            self._fills,
            self._pointers,
            self._fill_pointers,
        )
        self.evictions = (self.evictions or 0) + evictions
        return misses


@kernel
def _run(
    ids: NDArray[np.uint32],
    size: int,
    last: NDArray[np.uint32],
    live: NDArray[np.uint64],
    pointers: tuple[int, int, int],
) -> tuple[int, tuple[int, int, int]]:
    """`last`: the position of each key's last use. A full cache's tail moves past the next live one at each miss.

    Written without a branch for hits and misses, which cannot be predicted; a bit below the tail is cleared in vain.
    """
    tail, end, used = pointers
    misses = start = 0
    room = 64 * (len(live) - 1)
    while start < len(ids):
        if end == room:
            end = close_up(live, last, tail)
            tail = FIRST
        stop = min(len(ids), start + room - end)
        for key in ids[start:stop]:
            old = last[key]
            miss = old < tail
            misses += miss
            last[key] = end
            live[end >> 6] |= bit(end)
            live[old >> 6] &= ~bit(old)
            end += 1
            if used < size:
                used += miss
            else:
                beyond = next_one(live, tail, end) + 1
                tail = beyond if miss else tail
        start = stop
    return misses, (tail, end, used)


@kernel
def _run_with_lifetimes(
    ids: NDArray[np.uint32],
    times: NDArray[np.float64],
    ttl: float,
    size: int,
    last: NDArray[np.uint32],
    live: NDArray[np.uint64],
    lifetimes: _Lifetimes,
    fills: Fills,
    pointers: tuple[int, int, int],
    fill_pointers: tuple[int, int, int],
) -> tuple[int, int, tuple[int, int, int], tuple[int, int, int]]:
    """As the loop of `Queued`, and a fifth quicker: with the tail nothing needs to be written about who is evicted."""
    expires, fill, key_at = lifetimes
    fill_key, fill_expires = fills
    tail, end, used = pointers
    base, oldest_fill, next_fill = fill_pointers
    misses = evictions = start = 0
    room, fill_room = 64 * (len(live) - 1), len(fill_key) - 1
    while start < len(ids):
        if end == room:
            end = close_up(live, last, tail)
            tail = FIRST
            for key in range(len(last)):
                key_at[last[key]] = key
        if next_fill == fill_room:
            base += next_fill
            next_fill = forget(fill_key, fill_expires, fill, base, oldest_fill, next_fill)
            oldest_fill = 0
        stop = min(len(ids), start + room - end, start + fill_room - next_fill)
        for i in range(start, stop):
            key = ids[i]
            now = times[i]
            old = last[key]
            live[old >> 6] &= ~bit(old)
            if (old < tail) | (expires[key] <= now):
                misses += 1
                filled = fill[key] - base
                if old >= tail and filled >= oldest_fill:
                    fill_key[filled] = NOBODY
                    used -= 1
                if used == size:
                    while fill_expires[oldest_fill] <= now:
                        used -= fill_key[oldest_fill] != NOBODY
                        oldest_fill += 1
                    while used == size:
                        tail = next_one(live, tail, end) + 1
                        filled = fill[key_at[tail - 1]] - base
                        if filled >= oldest_fill:
                            fill_key[filled] = NOBODY
                            used -= 1
                            evictions += 1
                used += 1
                expires[key] = now + ttl
                fill[key] = base + next_fill
                fill_key[next_fill] = key
                fill_expires[next_fill] = now + ttl
                next_fill += 1
                fill_expires[next_fill] = np.inf
            last[key] = end
            live[end >> 6] |= bit(end)
            key_at[end] = key
            end += 1
        start = stop
    return misses, evictions, (tail, end, used), (base, oldest_fill, next_fill)
