"""SLRU, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.lists import empty_lists, last, put_first, unlink
from cachesim.curves.kernels.logs import grown

__all__ = ["Slru"]

_SEGMENTS = 4


class Slru:
    """What `cachesim.policies.Slru` does on a stream.

    Nodes 0 to 3 are the heads of the segments, those of the keys come after them. The state of a key: its segment plus
    one; 0 if it is not in the cache.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        count = min(_SEGMENTS, size)
        upper = size // count
        self._limits = np.array([size - (count - 1) * upper] + [upper] * (count - 1))
        self._lengths = np.zeros(count, np.int64)
        self._state = np.zeros(1, np.int8)
        self._links = empty_lists(_SEGMENTS)

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._state = grown(self._state, chunk.distinct)
        self._links = grown(self._links, 2 * (_SEGMENTS + chunk.distinct))
        return _run(chunk.ids, self._limits, self._lengths, self._state, self._links)


@kernel
def _run(
    ids: NDArray[np.int32],
    limits: NDArray[np.int64],
    lengths: NDArray[np.int64],
    state: NDArray[np.int8],
    links: NDArray[np.int32],
) -> int:
    size, used, highest = limits.sum(), lengths.sum(), len(limits) - 1
    misses = 0
    for key in ids:
        node = _SEGMENTS + key
        if state[key]:
            low = state[key] - 1
            high = min(low + 1, highest)
            unlink(links, node)
            put_first(links, high, node)
            if low == high:
                continue
            state[key] = high + 1
            if lengths[high] < limits[high]:
                lengths[high] += 1
                lengths[low] -= 1
            else:
                demoted = last(links, high)
                unlink(links, demoted)
                put_first(links, low, demoted)
                state[demoted - _SEGMENTS] = low + 1
            continue
        misses += 1
        if used < size:
            used += 1
        else:
            lowest = 0
            while lengths[lowest] == 0:
                lowest += 1
            lengths[lowest] -= 1
            victim = last(links, lowest)
            unlink(links, victim)
            state[victim - _SEGMENTS] = 0
        segment = 0
        while lengths[segment] == limits[segment]:
            segment += 1
        lengths[segment] += 1
        put_first(links, segment, node)
        state[key] = segment + 1
    return misses
