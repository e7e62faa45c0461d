"""Caches with room for every key, compiled: several lifetimes at once, 8 bytes a key and lifetime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel

__all__ = ["Unbounded"]


class Unbounded:
    """A cache for each of these lifetimes in seconds, from the fill."""

    def __init__(self, ttls: Sequence[float]) -> None:
        self._ttls = np.array(ttls, np.float64)
        self._expires = np.zeros((0, len(ttls)))

    def run(self, chunk: Chunk) -> NDArray[np.int64]:
        """How many requests of the chunk miss in each."""
        if len(self._expires) < chunk.distinct:
            more = np.full((2 * chunk.distinct - len(self._expires), len(self._ttls)), -np.inf)
            self._expires = np.concatenate([self._expires, more])
        misses = np.zeros(len(self._ttls), np.int64)
        assert chunk.times is not None
        _run(chunk.ids, chunk.times, self._ttls, self._expires, misses)
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    times: NDArray[np.float64],
    ttls: NDArray[np.float64],
    expires: NDArray[np.float64],
    misses: NDArray[np.int64],
) -> None:
    for i in range(len(ids)):
        key, now = ids[i], times[i]
        for place in range(len(ttls)):
            if expires[key, place] <= now:
                expires[key, place] = now + ttls[place]
                misses[place] += 1
