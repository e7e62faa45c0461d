"""Stack distances: for each request, how many other keys were used since its key was used last.

Mattson, Gecsei, Slutz, Traiger, Evaluation Techniques for Storage Hierarchies, IBM Systems Journal 9(2), 1970: an LRU
cache of `size` entries hits iff the distance is below `size`, so their histogram is the hit-rate curve, exact at every
size.

The position of each key's last use is a bit. A distance is the number of bits after the key's own. To count them, each
word knows how many bits are before it among the 32 words of its group, each group the same among the 32 of its own, and
so on: a tree of few levels. A bit that goes changes the counts of one group at each level, side by side in wide
registers, and without a branch. Nothing comes after the newest bit, so a new one changes no count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown
from cachesim.curves.numbering import Numbering
from cachesim.curves.positions import FIRST, bit, close_up, count_ones

__all__ = ["StackDistances", "stack_distances"]

_FAN_OUT = 32


class StackDistances:
    """The distances in a stream, chunk by chunk, and their histogram: all of LRU's curve in one pass.

    Takes 16 bytes for each distinct key, up to twice that while arrays grow, and 4 for each request of a chunk.
    """

    def __init__(self) -> None:
        self.requests = 0
        """How many there have been."""
        self._distinct = 0
        self._histogram = np.zeros(0, np.int64)
        self._last = np.zeros(0, np.uint32)
        self._end = FIRST
        self._words = np.zeros(0, np.uint64)
        self._before, self._levels = np.zeros(0, np.int32), np.zeros(0, np.int64)

    @property
    def histogram(self) -> NDArray[np.int64]:
        """How many requests have distance 0, 1, ...; the others are first uses, (distinct,)."""
        return self._histogram[: self._distinct]

    def run(self, chunk: Chunk) -> NDArray[np.int32]:
        """The distance of each request of the chunk, -1 for the first use of a key, (n,)."""
        self._make_room(chunk.distinct)
        distances = np.empty(len(chunk.ids), np.int32)
        self._end = _run(
            chunk.ids.view(np.uint32),
            self._last,
            self._words,
            self._before,
            self._levels,
            self._distinct,
            self._end,
            self._histogram,
            distances,
        )
        self.requests += len(chunk.ids)
        self._distinct = chunk.distinct
        return distances

    def _make_room(self, distinct: int) -> None:
        """Four positions for each key, so that they are seldom closed up."""
        self._last = grown(self._last, distinct)
        self._histogram = grown(self._histogram, distinct)
        words = grown(self._words, distinct // 16 + 64)
        if len(words) > len(self._words):
            self._words = words
            sizes = [-(-len(words) // _FAN_OUT)]
            while sizes[-1] > 1:
                sizes.append(-(-sizes[-1] // _FAN_OUT))
            self._levels = _FAN_OUT * np.cumsum([0, *sizes[:-1]])
            self._before = np.zeros(_FAN_OUT * sum(sizes), np.int32)
            _count(self._words, self._before, self._levels)


@kernel
def _run(
    ids: NDArray[np.uint32],
    last: NDArray[np.uint32],
    words: NDArray[np.uint64],
    before: NDArray[np.int32],
    levels: NDArray[np.int64],
    distinct: int,
    end: int,
    histogram: NDArray[np.int64],
    distances: NDArray[np.int32],
) -> int:
    """`before`: the counts of all levels, the words' first; `levels`: where each begins."""
    room = 64 * (len(words) - 1)
    for i in range(len(ids)):
        if end == room:
            end = close_up(words, last, FIRST)
            _count(words, before, levels)
        if end & 63 == 0:
            _begin(end >> 6, words, before, levels)
        old = last[ids[i]]
        last[ids[i]] = end
        if old == 0:
            distinct += 1
            distances[i] = -1
        else:
            word = words[old >> 6]
            words[old >> 6] = word & ~bit(old)
            rank = count_ones(word & (bit(old) - np.uint64(1)))
            node = old >> 6
            for level in levels:
                rank += before[level + node]
                start = level + (node & ~31)
                _take_one(before[start : start + _FAN_OUT], node & 31)
                node >>= 5
            distances[i] = distinct - 1 - rank
            histogram[distances[i]] += 1
        words[end >> 6] |= bit(end)
        end += 1
    return end


@kernel
def _take_one(group: NDArray[np.int32], node: int) -> None:
    """One bit less before each node of the group that comes after this one.

    The length is not written as a number: LLVM would unroll the loop instead of doing its steps side by side.
    """
    for i in range(len(group)):
        group[i] -= np.int32(i) > np.int32(node)


@kernel
def _begin(word: int, words: NDArray[np.uint64], before: NDArray[np.int32], levels: NDArray[np.int64]) -> None:
    """The counts of a word, and of the groups that begin with it, from those just before; it is the newest."""
    count = count_ones(words[word - 1])
    node = word
    for level in levels:
        count += before[level + node - 1]
        if node & 31:
            before[level + node] = count
            return
        before[level + node] = 0
        node >>= 5


@kernel
def _count(words: NDArray[np.uint64], before: NDArray[np.int32], levels: NDArray[np.int64]) -> None:
    """All counts, from the bits."""
    before[0] = 0
    for word in range(1, len(words)):
        _begin(word, words, before, levels)


def stack_distances(ids: NDArray[np.integer]) -> NDArray[np.int32]:
    """How many other keys were used since the last use of each request's key; -1 for a first use, (n,).

    `ids`: keys as numbers, dense or not, (n,).

    >>> stack_distances(np.array([ord(key) for key in "abcbadac"]))
    array([-1, -1, -1,  1,  2, -1,  1,  3], dtype=int32)
    """
    numbering = Numbering()
    numbers = numbering.number(ids)
    return StackDistances().run(Chunk(numbers, numbering.distinct, numbering.stable_keys))
