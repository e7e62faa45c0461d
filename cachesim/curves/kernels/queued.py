"""FIFO, LRU, CLOCK and SIEVE with lifetimes, with weights, or both: one queue, compiled.

Each key in the cache has a place in the queue; where it was before is left empty. The policies differ in what a hit does,
and in what the hand, which looks for a victim from the oldest on, does with a key that was hit.

A lifetime is the same for all, so that fills expire in their order: a log of fills has the next to expire first. What has
expired is taken out when room is needed: until then it is only not used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.positions import FIRST, bit, next_one

__all__ = ["CLOCK", "FIFO", "LRU", "NOBODY", "SIEVE", "Fills", "Queued", "forget"]

FIFO, LRU, CLOCK, SIEVE = range(4)

NOBODY = (1 << 32) - 1

class _Keys(NamedTuple):
    """What is known of each key."""

    place: NDArray[np.uint32]
    visited: NDArray[np.uint8]
    weight: NDArray[np.int64]
    expires: NDArray[np.float64]
    fill: NDArray[np.uint32]
    """Where it is in the log of fills."""


class _Queue(NamedTuple):
    """The places: which are taken (bits), and by which key."""

    taken: NDArray[np.uint64]
    key: NDArray[np.uint32]


class Fills(NamedTuple):
    """The log of fills, closed by one that never expires."""

    key: NDArray[np.uint32]
    """`NOBODY`, once the key has left the cache or was filled anew."""
    expires: NDArray[np.float64]

    def grown(self, most: int) -> Fills:
        """With room for many times what can be in the cache."""
        return Fills(*(grown(column, 8 * most + 4096) for column in self))


class Queued:
    """A cache of one policy: `FIFO`, `LRU`, `CLOCK` or `SIEVE`."""

    def __init__(self, policy: int, size: int, ttl: float | None) -> None:
        self._policy, self._size, self._ttl = policy, size, ttl
        self._keys = _Keys(*(np.zeros(1, dtype) for dtype in (np.uint32, np.uint8, np.int64, np.float64, np.uint32)))
        self._queue = _Queue(np.zeros(2, np.uint64), np.zeros(FIRST, np.uint32))
        self._fills = Fills(np.zeros(1, np.uint32), np.full(1, np.inf))
        self._pointers = FIRST, FIRST, 0, 0, 0

    def serves(self, chunk: Chunk) -> bool:
        """Whether there are lifetimes or weights: without, each policy has a quicker loop."""
        return self._ttl is not None or chunk.weights is not None

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._grow(chunk)
        misses, self._pointers = _run(
            self._policy,
            self._size,
            chunk.ids.view(np.uint32),
            chunk.weights,
            None if self._ttl is None else chunk.times,
            self._ttl,
            self._keys,
            self._queue,
            self._fills,
            self._pointers,
        )
        return misses

    def _grow(self, chunk: Chunk) -> None:
        self._keys = _Keys(*(grown(state, chunk.distinct) for state in self._keys))
        most = min(self._size, chunk.distinct) if chunk.weights is None else chunk.distinct
        key = grown(self._queue.key, 8 * most + 4096)
        self._queue = _Queue(grown(self._queue.taken, len(key) // 64 + 1), key)
        if self._ttl is not None:
            self._fills = self._fills.grown(most)


@kernel
def _run(
    policy: int,
    size: int,
    ids: NDArray[np.uint32],
    weights: NDArray[np.int64] | None,
    times: NDArray[np.float64] | None,
    ttl: float | None,
    keys: _Keys,
    queue: _Queue,
    fills: Fills,
    pointers: tuple[int, int, int, int, int],
) -> tuple[int, tuple[int, int, int, int, int]]:
    place, visited, held, expires, fill = keys
    taken, key_at = queue
    fill_key, fill_expires = fills
    hand, end, used, oldest_fill, next_fill = pointers
    misses = 0
    room = len(key_at) - len(key_at) // 4
    for i in range(len(ids)):
        if end > room:
            hand, end = _close_up(taken, key_at, place, fill, hand, end, oldest_fill)
        key = ids[i]
        at = place[key]
        hit = at != 0
        if times is not None:
            now = times[i]
            hit = hit & (now < expires[key])
        if hit:
            if policy != LRU:
                visited[key] = 1
                continue
            taken[at >> 6] &= ~bit(at)
        else:
            misses += 1
            weight = 1 if weights is None else weights[i]
            if times is not None:
                if at != 0:
                    taken[at >> 6] &= ~bit(at)
                    place[key] = 0
                    if fill[key] >= oldest_fill:
                        fill_key[fill[key]] = NOBODY
                        used -= 1 if weights is None else held[key]
                if used + weight > size or policy == SIEVE:
                    while fill_expires[oldest_fill] <= now:
                        if weights is None:
                            used -= fill_key[oldest_fill] != NOBODY
                        elif fill_key[oldest_fill] != NOBODY:
                            used -= held[fill_key[oldest_fill]]
                        oldest_fill += 1
            while size >= weight > size - used:
                hand = next_one(taken, hand, end)
                if hand == end:
                    hand = next_one(taken, FIRST, end)
                victim = key_at[hand]
                taken[hand >> 6] &= ~bit(hand)
                if times is not None and fill[victim] < oldest_fill:
                    place[victim] = 0
                elif policy < CLOCK or not visited[victim]:
                    place[victim] = 0
                    used -= 1 if weights is None else held[victim]
                    if times is not None:
                        fill_key[fill[victim]] = NOBODY
                else:
                    visited[victim] = 0
                    if policy == CLOCK:
                        place[victim] = end
                        key_at[end] = victim
                        taken[end >> 6] |= bit(end)
                        end += 1
                    else:
                        taken[hand >> 6] |= bit(hand)
                hand += 1
            if policy == SIEVE:
                hand = next_one(taken, hand, end)
                if times is not None:
                    while hand < end and fill[key_at[hand]] < oldest_fill:
                        taken[hand >> 6] &= ~bit(hand)
                        place[key_at[hand]] = 0
                        hand = next_one(taken, hand, end)
                if hand == end:
                    hand = FIRST
            if weight > size:
                continue
            used += weight
            visited[key] = 0
            if weights is not None:
                held[key] = weight
            if times is not None:
                if next_fill + 1 == len(fill_key):
                    hand, end = _close_up(taken, key_at, place, fill, hand, end, oldest_fill)
                    next_fill = forget(fill_key, fill_expires, fill, oldest_fill, next_fill)
                    oldest_fill = 0
                expires[key] = now + ttl
                fill_key[next_fill] = key
                fill_expires[next_fill] = expires[key]
                fill[key] = next_fill
                next_fill += 1
                fill_expires[next_fill] = np.inf
        place[key] = end
        key_at[end] = key
        taken[end >> 6] |= bit(end)
        end += 1
    return misses, (hand, end, used, oldest_fill, next_fill)


@kernel
def _close_up(
    taken: NDArray[np.uint64],
    key_at: NDArray[np.uint32],
    place: NDArray[np.uint32],
    fill: NDArray[np.uint32],
    hand: int,
    end: int,
    oldest_fill: int,
) -> tuple[int, int]:
    """Moves the keys down to the first places; returns where the hand and the end are now."""
    new_hand = new_end = FIRST
    at = next_one(taken, FIRST, end)
    while at < end:
        key = key_at[at]
        taken[at >> 6] &= ~bit(at)
        place[key] = 0
        if fill[key] >= oldest_fill:
            new_hand += at < hand
            taken[new_end >> 6] |= bit(new_end)
            key_at[new_end] = key
            place[key] = new_end
            new_end += 1
        at = next_one(taken, at + 1, end)
    return new_hand, new_end


@kernel
def forget(
    fill_key: NDArray[np.uint32], fill_expires: NDArray[np.float64], fill: NDArray[np.uint32], oldest: int, end: int
) -> int:
    """Drops the fills before `oldest`, and those of nobody; returns how many are left, now from 0 on."""
    kept = 0
    for old in range(oldest, end):
        key = fill_key[old]
        if key != NOBODY:
            fill_key[kept] = key
            fill_expires[kept] = fill_expires[old]
            fill[key] = kept
            kept += 1
    fill_expires[kept] = np.inf
    return kept
