"""RANDOM, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.hashing import GOLDEN_GAMMA, below
from cachesim.curves.kernels.logs import grown

__all__ = ["Random"]


class Random:
    """What `cachesim.policies.Random` with this seed does on a stream.

    The state of a key: 1 if it is in the cache, else 0.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._state = np.zeros(1, np.int64)
        self._slots = np.zeros(1, np.int32)
        self._used = 0
        self._generator = np.uint64(seed & (1 << 64) - 1)

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._state = grown(self._state, chunk.distinct)
        self._slots = grown(self._slots, min(self._size, chunk.distinct))
        misses, self._used, generator = _run(
            chunk.ids, self._size, self._state, self._slots, self._used, self._generator
        )
        self._generator = np.uint64(generator)
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    size: int,
    state: NDArray[np.int64],
    slots: NDArray[np.int32],
    used: int,
    generator: np.uint64,
) -> tuple[int, int, np.uint64]:
    misses = 0
    for key in ids:
        if state[key]:
            continue
        misses += 1
        if used == size:
            slot = below(generator, size)
            generator += GOLDEN_GAMMA
            state[slots[slot]] = 0
            slots[slot] = slots[size - 1]  # the last one moves there
            used -= 1
        state[key] = 1
        slots[used] = key
        used += 1
    return misses, used, generator
