"""Queues as logs: rings of keys in the order in which they came, out of which nothing is ever unlinked.

Entries have positions, which only rise; a ring of 2**n places has the entry of a position at that position modulo 2**n.
Which entry of a key counts, its own state says: one is *live* while the state of its key, without the lowest bits where
these say more, is its position. A key that is used again gets a new entry, and the one it had is passed over. A queue
and the ghosts that it leaves are one log: the ghosts lie before the oldest entry of the queue.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.compiling import kernel

__all__ = ["FAR", "close_up", "first_live", "grown", "with_room"]

N = TypeVar("N", bound=np.generic)

FAR = 1 << 60
"""A multiple of it is where positions of a second and a third log start: a state says which log it is about."""


def grown(array: NDArray[N], count: int) -> NDArray[N]:
    """The array with room for so many, at least doubled if it grows; what is new is 0."""
    if count <= len(array):
        return array
    larger = np.zeros(max(count, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger


def with_room(log: NDArray[np.int32], start: int, end: int, live: int) -> NDArray[np.int32]:
    """The log with at least four places for each entry that may be live at once."""
    if 4 * live <= len(log):
        return log
    larger = np.zeros(1 << (4 * live - 1).bit_length(), np.int32)
    positions = np.arange(start, end)
    larger[positions & (len(larger) - 1)] = log[positions & (len(log) - 1)]
    return larger


@kernel
def first_live(log: NDArray[np.int32], state: NDArray[np.int64], position: int) -> int:
    """The first position from this one on with a live entry; there must be one."""
    mask = len(log) - 1
    while state[log[position & mask]] != position:
        position += 1
    return position


@kernel
def close_up(
    log: NDArray[np.int32], state: NDArray[np.int64], shift: int, start: int, middle: int, end: int
) -> tuple[int, int]:
    """Drops the entries from `start` on that are not live and moves the others down, when a ring is full.

    Returns where `middle` and `end` are now. Three places of four are free then: it costs little for each entry.
    """
    mask = len(log) - 1
    kept = new_middle = start
    for position in range(start, end):
        if position == middle:
            new_middle = kept
        key = log[position & mask]
        if state[key] >> shift == position:
            log[kept & mask] = key
            state[key] -= (position - kept) << shift
            kept += 1
    if middle == end:
        new_middle = kept
    return new_middle, kept
