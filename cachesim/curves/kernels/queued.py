"""FIFO, LRU, CLOCK and SIEVE with lifetimes, with weights, or both: one queue, compiled.

Each key in the cache has a place in the queue; where it was before is left empty. The policies differ in what a hit
does, and in what the hand, which looks for a victim from the oldest on, does with a key that was hit.

When room is needed, the fills that have expired are counted out (`fills`); the hand takes their keys out of the queue
as it comes by.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.fills import (
    NOBODY,
    Fills,
    append,
    close_up_fills,
    count_out,
    empty_fills,
    grown_fills,
    room_left,
    strike,
    with_low_numbers,
)
from cachesim.curves.kernels.logs import grown
from cachesim.curves.positions import FIRST, bit, next_one

__all__ = ["CLOCK", "FIFO", "LRU", "SIEVE", "Queued"]

FIFO, LRU, CLOCK, SIEVE = range(4)

_Keys: TypeAlias = tuple[
    NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint32]
]
"""Of each key: its place in the queue, 0 for none; whether it was hit; its weight; when it expires; its last fill."""

_Queue: TypeAlias = tuple[NDArray[np.uint64], NDArray[np.uint32]]
"""The places: which are taken, as bits; and by which key."""


class Queued:
    """A cache of one policy: `FIFO`, `LRU`, `CLOCK` or `SIEVE`."""

    def __init__(self, policy: int, size: int, ttl: float | None) -> None:
        self._policy, self._size, self._ttl = policy, size, ttl
        self._keys: _Keys = (
            np.zeros(1, np.uint32),
            np.zeros(1, np.uint8),
            np.zeros(1, np.int64),
            np.zeros(1, np.float64),
            np.zeros(1, np.uint32),
        )
        self._queue: _Queue = np.zeros(2, np.uint64), np.zeros(FIRST, np.uint32)
        self._fills = empty_fills()
        self._pointers = FIRST, FIRST, 0
        self._fill_bounds = 0, 0, 0

    def serves(self, chunk: Chunk) -> bool:
        """Whether there are lifetimes or weights: without, each policy has a quicker loop."""
        return self._ttl is not None or chunk.weights is not None

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._grow(chunk)
        misses, self._pointers, self._fill_bounds = _run(
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
            self._fill_bounds,
        )
        return misses

    def _grow(self, chunk: Chunk) -> None:
        place, visited, weight, expires, fill = self._keys
        fill, self._fill_bounds = with_low_numbers(fill, self._fill_bounds)
        self._keys = (
            grown(place, chunk.distinct),
            grown(visited, chunk.distinct),
            grown(weight, chunk.distinct),
            grown(expires, chunk.distinct),
            grown(fill, chunk.distinct),
        )
        most = min(self._size, chunk.distinct) if chunk.weights is None else chunk.distinct
        taken, key_at = self._queue
        key_at = grown(key_at, 8 * most + 4096)
        self._queue = grown(taken, len(key_at) // 64 + 1), key_at
        if self._ttl is not None:
            self._fills = grown_fills(self._fills, most)


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
    fill_bounds: tuple[int, int, int],
) -> tuple[int, tuple[int, int, int], tuple[int, int, int]]:
    place, visited, held, expires, fill = keys
    taken, key_at = queue
    hand, end, used = pointers
    misses = 0
    room = len(key_at) - len(key_at) // 4
    for i in range(len(ids)):
        if end > room:
            hand, end = _close_up(keys, queue, fill_bounds, hand, end)
        key = ids[i]
        at = place[key]
        hit = at != 0
        if times is not None:
            now = times[i]
            hit = hit & (now < expires[key])
        if hit:
            if policy == LRU:
                taken[at >> 6] &= ~bit(at)
                end = _put_last(place, queue, end, key)
            else:
                visited[key] = 1
            continue
        misses += 1
        weight = 1 if weights is None else weights[i]
        if times is not None:
            if at != 0:
                used -= _take_out_expired(weights, keys, queue, fills, fill_bounds, key)
            if used + weight > size or policy == SIEVE:
                fill_bounds, used = count_out(fills, fill_bounds, now, used, None if weights is None else held)
        if weight <= size:
            hand, end, used = _make_room(
                policy, size - weight, weights, ttl, keys, queue, fills, fill_bounds, (hand, end, used)
            )
        if policy == SIEVE:
            hand = _pass_on(ttl, keys, queue, fill_bounds, hand, end)
        if weight > size:
            continue
        used += weight
        visited[key] = 0
        if weights is not None:
            held[key] = weight
        if times is not None:
            if room_left(fills, fill_bounds) == 0:
                fill_bounds = close_up_fills(fills, fill, fill_bounds)
            expires[key] = now + ttl
            fill_bounds = append(fills, fill, fill_bounds, key, now + ttl)
        end = _put_last(place, queue, end, key)
    return misses, (hand, end, used), fill_bounds


@kernel
def _take_out_expired(
    weights: NDArray[np.int64] | None,
    keys: _Keys,
    queue: _Queue,
    fills: Fills,
    fill_bounds: tuple[int, int, int],
    key: int,
) -> int:
    """Takes a key that is asked for too late out of the queue; returns how much it still used."""
    place, _, held, _, fill = keys
    taken, _ = queue
    taken[place[key] >> 6] &= ~bit(place[key])
    place[key] = 0
    if strike(fills, fill_bounds, fill[key]):
        return 1 if weights is None else held[key]
    return 0


@kernel
def _make_room(
    policy: int,
    most: int,
    weights: NDArray[np.int64] | None,
    ttl: float | None,
    keys: _Keys,
    queue: _Queue,
    fills: Fills,
    fill_bounds: tuple[int, int, int],
    pointers: tuple[int, int, int],
) -> tuple[int, int, int]:
    """The hand goes on until no more than `most` is used; returns the pointers then."""
    place, visited, held, _, fill = keys
    taken, key_at = queue
    fill_key, _ = fills
    hand, end, used = pointers
    first, oldest, _ = fill_bounds
    while used > most:
        hand = next_one(taken, hand, end)
        if hand == end:
            hand = next_one(taken, FIRST, end)
        victim = key_at[hand]
        taken[hand >> 6] &= ~bit(hand)
        if ttl is not None and fill[victim] < oldest:
            place[victim] = 0  # it was counted out
        elif policy in (FIFO, LRU) or not visited[victim]:
            place[victim] = 0
            used -= 1 if weights is None else held[victim]
            if ttl is not None:
                fill_key[fill[victim] - first] = NOBODY
        else:
            visited[victim] = 0
            if policy == CLOCK:
                end = _put_last(place, queue, end, victim)
            else:
                taken[hand >> 6] |= bit(hand)
        hand += 1
    return hand, end, used


@kernel
def _pass_on(
    ttl: float | None, keys: _Keys, queue: _Queue, fill_bounds: tuple[int, int, int], hand: int, end: int
) -> int:
    """SIEVE's hand goes on to the next key, before a new one is there; returns where it is then.

    On its way it takes out the keys whose fills are counted out.
    """
    place, _, _, _, fill = keys
    taken, key_at = queue
    _, oldest, _ = fill_bounds
    hand = next_one(taken, hand, end)
    if ttl is not None:
        while hand < end and fill[key_at[hand]] < oldest:
            taken[hand >> 6] &= ~bit(hand)
            place[key_at[hand]] = 0
            hand = next_one(taken, hand, end)
    return FIRST if hand == end else hand


@kernel
def _put_last(place: NDArray[np.uint32], queue: _Queue, end: int, key: int) -> int:
    """Gives a key the place at the end; returns the new end."""
    taken, key_at = queue
    place[key] = end
    key_at[end] = key
    taken[end >> 6] |= bit(end)
    return end + 1


@kernel
def _close_up(keys: _Keys, queue: _Queue, fill_bounds: tuple[int, int, int], hand: int, end: int) -> tuple[int, int]:
    """Moves the keys whose fills are not counted out to the first places; returns the new hand and end."""
    place, _, _, _, fill = keys
    taken, key_at = queue
    _, oldest, _ = fill_bounds
    new_hand = new_end = FIRST
    at = next_one(taken, FIRST, end)
    while at < end:
        key = key_at[at]
        taken[at >> 6] &= ~bit(at)
        place[key] = 0
        if fill[key] >= oldest:
            new_hand += at < hand
            new_end = _put_last(place, queue, new_end, key)
        at = next_one(taken, at + 1, end)
    return new_hand, new_end
