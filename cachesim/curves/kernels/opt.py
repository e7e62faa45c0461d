"""OPT (Bélády's MIN), compiled: the cache as the set of its keys' next uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.positions import bit

__all__ = ["Opt"]


class Opt:
    """What `cachesim.policies.Opt` does on a stream, which must be given whole, in one chunk.

    A request hits if now is among the next uses of what is cached; a miss evicts the latest of them. They are bits in
    words, each word has a bit in the words above, and each of those one in the words at the top: there the search for
    the latest starts. What is not used again is only counted, and goes first.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size

    def run(self, chunk: Chunk) -> int:
        """How many requests of the stream miss."""
        return _run(chunk.ids, chunk.distinct, self._size)


@kernel
def _run(ids: NDArray[np.int32], distinct: int, size: int) -> int:
    end = len(ids)
    next_uses = _next_uses(ids, distinct)
    uses = np.zeros((end >> 6) + 1, np.uint64)
    words = np.zeros((end >> 12) + 1, np.uint64)
    words_of_words = np.zeros((end >> 18) + 1, np.uint64)
    misses = to_be_used = not_used_again = 0
    for now in range(end):
        if uses[now >> 6] & bit(now):
            uses[now >> 6] ^= bit(now)
            to_be_used -= 1
        else:
            misses += 1
            if to_be_used + not_used_again == size:
                if not_used_again > 0:
                    not_used_again -= 1
                else:
                    latest = _latest(uses, words, words_of_words)
                    uses[latest >> 6] ^= bit(latest)
                    to_be_used -= 1
        use = next_uses[now]
        if use == end:
            not_used_again += 1
        else:
            uses[use >> 6] |= bit(use)
            words[use >> 12] |= bit(use >> 6)
            words_of_words[use >> 18] |= bit(use >> 12)
            to_be_used += 1
    return misses


@kernel
def _next_uses(ids: NDArray[np.int32], distinct: int) -> NDArray[np.int32]:
    """When the key of each request is asked next; after its last one: the length of the stream."""
    end = len(ids)
    next_uses = np.empty(end, np.int32)
    following = np.full(distinct, end, np.int32)
    for now in range(end - 1, -1, -1):
        next_uses[now] = following[ids[now]]
        following[ids[now]] = now
    return next_uses


@kernel
def _latest(uses: NDArray[np.uint64], words: NDArray[np.uint64], words_of_words: NDArray[np.uint64]) -> int:
    """The highest use; there must be one. The bits of words that have become empty are cleared on the way."""
    top = len(words_of_words) - 1
    while True:
        while not words_of_words[top]:
            top -= 1
        middle = (top << 6) + _highest(words_of_words[top])
        if not words[middle]:
            words_of_words[top] ^= bit(middle)
            continue
        low = (middle << 6) + _highest(words[middle])
        if not uses[low]:
            words[middle] ^= bit(low)
            continue
        return (low << 6) + _highest(uses[low])


@kernel
def _highest(word: np.uint64) -> int:
    """The place of its highest bit, which there must be."""
    place = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(step):
            word >>= np.uint64(step)
            place += step
    return place
