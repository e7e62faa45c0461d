"""Sets of positions as bits, 64 to a word, for compiled loops.

A loop that walks a stream counts its requests, and marks the position of each key's last use. Positions run out; then
those that are marked are closed up, so that a stream of any length needs memory for its distinct keys alone.

Arrays of positions and of keys are unsigned: the compiler then knows that an index is not negative, and checks nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.compiling import kernel

__all__ = ["FIRST", "bit", "close_up", "count_ones", "next_one"]

FIRST = 64
"""The first position: the word before it is for keys that have none, whose position is 0."""


@kernel
def bit(position: int) -> np.uint64:
    """The bit of a position in its word."""
    return np.uint64(1) << np.uint64(position & 63)


@kernel
def count_ones(word: np.uint64) -> np.int64:
    """How many bits of a word are set: sums over 2, 4, 8 bits, in which LLVM knows the one instruction for it."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def next_one(words: NDArray[np.uint64], start: int, end: int) -> int:
    """The first position of the set from `start` on; `end` if there is none before it. `end` has a word too."""
    word = words[start >> 6] >> np.uint64(start & 63)
    while word == 0:
        start = (start | 63) + 1
        if start >= end:
            return end
        word = words[start >> 6]
    return int(start + count_ones((word & -word) - np.uint64(1)))


@kernel
def close_up(words: NDArray[np.uint64], last: NDArray[np.uint32], tail: int) -> int:
    """Numbers the keys whose `last` is in the set, and no lower than `tail`, from `FIRST` on, in their order.

    The set becomes what they have then, the others' `last` becomes 0. Returns the position after them.
    """
    words[: tail >> 6] = 0
    words[tail >> 6] &= ~(bit(tail) - np.uint64(1))
    ranks = np.empty(len(words), np.int64)
    end = FIRST
    for i in range(len(words)):
        ranks[i] = end
        end += int(count_ones(words[i]))
    for key in range(len(last)):
        old = last[key]
        last[key] = 0 if old < tail else ranks[old >> 6] + count_ones(words[old >> 6] & (bit(old) - np.uint64(1)))
    words[:] = 0
    words[FIRST >> 6 : end >> 6] = ~np.uint64(0)
    words[end >> 6] = bit(end) - np.uint64(1)
    return end
