"""FIFO, LRU, CLOCK and SIEVE with lifetimes, with weights, or both: one queue, compiled.

Each key in the cache has a place in the queue; where it was before is left empty. The policies differ in what a hit
does, and in what the hand, which looks for a victim from the oldest on, does with a key that was hit.

The lifetime is the same for all, so that fills expire in their order: a log of fills has the next to expire first. When
room is needed, those that have expired are counted out; the hand takes them out of the queue as it comes by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.positions import FIRST, bit, next_one

__all__ = ["CLOCK", "FIFO", "LRU", "NOBODY", "SIEVE", "Fills", "Queued", "forget", "with_low_numbers"]

FIFO, LRU, CLOCK, SIEVE = range(4)

NOBODY = (1 << 32) - 1

_MOST_FILLS = 1 << 31
"""At the start of a chunk: numbers fit 32 bits."""


class _Keys(NamedTuple):
    """What is known of each key."""

    place: NDArray[np.uint32]
    visited: NDArray[np.uint8]
    weight: NDArray[np.int64]
    expires: NDArray[np.float64]
    fill: NDArray[np.uint32]
    """The number of its fill: its place in the log, plus the number at which the log begins."""


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
        """With room for several times what can be in the cache."""
        room = 4 * most + 4096
        return Fills(grown(self.key, room), grown(self.expires, room))


class Queued:
    """A cache of one policy: `FIFO`, `LRU`, `CLOCK` or `SIEVE`."""

    def __init__(self, policy: int, size: int, ttl: float | None) -> None:
        self._policy, self._size, self._ttl = policy, size, ttl
        self._keys = _Keys(
            np.zeros(1, np.uint32), np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.uint32)
        )
        self._queue = _Queue(np.zeros(2, np.uint64), np.zeros(FIRST, np.uint32))
        self._fills = Fills(np.zeros(1, np.uint32), np.full(1, np.inf))
        self._pointers = FIRST, FIRST, 0
        self._fill_pointers = 0, 0, 0

    def serves(self, chunk: Chunk) -> bool:
        """Whether there are lifetimes or weights: without, each policy has a quicker loop."""
        return self._ttl is not None or chunk.weights is not None

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._grow(chunk)
        misses, self._pointers, self._fill_pointers = _run(
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
            self._fill_pointers,
        )
        return misses

    def _grow(self, chunk: Chunk) -> None:
        place, visited, weight, expires, fill = self._keys
        fill, self._fill_pointers = with_low_numbers(fill, self._fill_pointers)
        self._keys = _Keys(
            grown(place, chunk.distinct),
            grown(visited, chunk.distinct),
            grown(weight, chunk.distinct),
            grown(expires, chunk.distinct),
            grown(fill, chunk.distinct),
        )
        most = min(self._size, chunk.distinct) if chunk.weights is None else chunk.distinct
        key = grown(self._queue.key, 8 * most + 4096)
        self._queue = _Queue(grown(self._queue.taken, len(key) // 64 + 1), key)
        if self._ttl is not None:
            self._fills = self._fills.grown(most)


def with_low_numbers(
    fill: NDArray[np.uint32], pointers: tuple[int, int, int]
) -> tuple[NDArray[np.uint32], tuple[int, int, int]]:
    """The keys' fills, and the pointers of the log: numbered anew if there is little room for more."""
    base, oldest, end = pointers
    if base < _MOST_FILLS:
        return fill, pointers
    return np.maximum(fill, base - 1) - np.uint32(base - 1), (1, oldest, end)


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
    pointers: tuple[int, int, int],
    fill_pointers: tuple[int, int, int],
) -> tuple[int, tuple[int, int, int], tuple[int, int, int]]:
    place, visited, held, expires, fill = keys
    taken, key_at = queue
    fill_key, fill_expires = fills
    hand, end, used = pointers
    base, oldest_fill, next_fill = fill_pointers
    misses = 0
    room = len(key_at) - len(key_at) // 4
    for i in range(len(ids)):
        if end > room:
            hand, end = _close_up(taken, key_at, place, fill, base + oldest_fill, hand, end)
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
                    filled = fill[key] - base
                    if filled >= oldest_fill:
                        fill_key[filled] = NOBODY
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
                if times is not None and fill[victim] < base + oldest_fill:
                    place[victim] = 0
                elif policy < CLOCK or not visited[victim]:
                    place[victim] = 0
                    used -= 1 if weights is None else held[victim]
                    if times is not None:
                        fill_key[fill[victim] - base] = NOBODY
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
                    while hand < end and fill[key_at[hand]] < base + oldest_fill:
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
                    base += next_fill
                    next_fill = forget(fill_key, fill_expires, fill, base, oldest_fill, next_fill)
                    oldest_fill = 0
                expires[key] = now + ttl
                fill_key[next_fill] = key
                fill_expires[next_fill] = expires[key]
                fill[key] = base + next_fill
                next_fill += 1
                fill_expires[next_fill] = np.inf
        place[key] = end
        key_at[end] = key
        taken[end >> 6] |= bit(end)
        end += 1
    return misses, (hand, end, used), (base, oldest_fill, next_fill)


@kernel
def _close_up(
    taken: NDArray[np.uint64],
    key_at: NDArray[np.uint32],
    place: NDArray[np.uint32],
    fill: NDArray[np.uint32],
    oldest: int,
    hand: int,
    end: int,
) -> tuple[int, int]:
    """Moves the keys whose fill is not before `oldest` to the first places; returns the new hand and end."""
    new_hand = new_end = FIRST
    at = next_one(taken, FIRST, end)
    while at < end:
        key = key_at[at]
        taken[at >> 6] &= ~bit(at)
        place[key] = 0
        if fill[key] >= oldest:
            new_hand += at < hand
            taken[new_end >> 6] |= bit(new_end)
            key_at[new_end] = key
            place[key] = new_end
            new_end += 1
        at = next_one(taken, at + 1, end)
    return new_hand, new_end


@kernel
def forget(
    fill_key: NDArray[np.uint32],
    fill_expires: NDArray[np.float64],
    fill: NDArray[np.uint32],
    base: int,
    oldest: int,
    end: int,
) -> int:
    """Closes up the log, without what is before `oldest` and the fills of nobody; returns how many are left.

    They get new numbers, from `base` on, higher than any before: the number of a fill that has gone stays behind.
    """
    kept = 0
    for old in range(oldest, end):
        key = fill_key[old]
        if key != NOBODY:
            fill_key[kept] = key
            fill_expires[kept] = fill_expires[old]
            fill[key] = base + kept
            kept += 1
    fill_expires[kept] = np.inf
    return kept
