"""S3-FIFO, compiled: the small queue and its ghosts are one log of fills, the main queue is a ring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import FAR, close_up, grown, with_room

__all__ = ["S3Fifo"]


class S3Fifo:
    """What `cachesim.policies.S3Fifo` does on a stream.

    The state of a key: in the main queue `FAR` plus its frequency; in the small one, or among the ghosts, 4 times the
    position of its fill plus its frequency.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        small = max(1, size // 10)
        self._sizes = size, small, max(1, 9 * size // 10)
        self._state = np.zeros(1, np.int64)
        self._fills = self._main = np.zeros(1, np.int32)
        self._pointers = 1, 1, 1, 0, 0, 0

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        size, small, ghosts = self._sizes
        ghosts_from, _, fills_to, main_from, main_to, _ = self._pointers
        self._state = grown(self._state, chunk.distinct)
        self._fills = with_room(self._fills, ghosts_from, fills_to, min(small + ghosts, chunk.distinct))
        self._main = with_room(self._main, main_from, main_to, min(size, chunk.distinct))
        misses, self._pointers = _run(chunk.ids, self._sizes, self._state, self._fills, self._main, self._pointers)
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    sizes: tuple[int, int, int],
    state: NDArray[np.int64],
    fills: NDArray[np.int32],
    main: NDArray[np.int32],
    pointers: tuple[int, int, int, int, int, int],
) -> tuple[int, tuple[int, int, int, int, int, int]]:
    """The small queue is the fills from `small_from` to `fills_to`; those before it, from `ghosts_from` on, are ghosts.

    Not all of them: one that is asked for again leaves its fill behind, so that the ghosts are counted.
    """
    size, small, most_ghosts = sizes
    ghosts_from, small_from, fills_to, main_from, main_to, ghosts = pointers
    fills_mask, main_mask = len(fills) - 1, len(main) - 1
    misses = 0
    for key in ids:
        old = state[key]
        if old >= small_from << 2:
            state[key] = old + (old & 3 != 3)
            continue
        misses += 1
        remembered = old >= ghosts_from << 2
        if remembered:
            state[key] = FAR
            ghosts -= 1
        full = fills_to - small_from + main_to - main_from == size
        if full:
            evicted = False
            if main_to - main_from <= size - small:
                evicted, small_from, main_to = _evict_from_small(state, fills, main, small_from, fills_to, main_to)
            if evicted:
                ghosts_from, ghosts = _forget(state, fills, ghosts_from, ghosts + 1, most_ghosts)
            else:
                main_from, main_to = _evict_from_main(state, main, main_from, main_to)
        if remembered or (not full and fills_to - small_from >= small):
            state[key] = FAR
            main[main_to & main_mask] = key
            main_to += 1
        else:
            if fills_to - ghosts_from > fills_mask:
                small_from, fills_to = close_up(fills, state, 2, ghosts_from, small_from, fills_to)
            state[key] = fills_to << 2
            fills[fills_to & fills_mask] = key
            fills_to += 1
    return misses, (ghosts_from, small_from, fills_to, main_from, main_to, ghosts)


@kernel
def _evict_from_small(
    state: NDArray[np.int64],
    fills: NDArray[np.int32],
    main: NDArray[np.int32],
    small_from: int,
    fills_to: int,
    main_to: int,
) -> tuple[bool, int, int]:
    """Moves the oldest to the main queue until one was used too little for it, which becomes a ghost.

    Returns whether there was one, where the small queue begins, and where the main one ends.
    """
    fills_mask, main_mask = len(fills) - 1, len(main) - 1
    while small_from < fills_to:
        oldest = fills[small_from & fills_mask]
        small_from += 1
        if state[oldest] & 3 < 2:
            return True, small_from, main_to
        state[oldest] = FAR
        main[main_to & main_mask] = oldest
        main_to += 1
    return False, small_from, main_to


@kernel
def _forget(
    state: NDArray[np.int64], fills: NDArray[np.int32], ghosts_from: int, ghosts: int, most: int
) -> tuple[int, int]:
    """Forgets the oldest ghosts until no more than `most` are left; returns where they begin, and how many they are."""
    mask = len(fills) - 1
    while ghosts > most:
        ghosts -= state[fills[ghosts_from & mask]] >> 2 == ghosts_from
        ghosts_from += 1
    return ghosts_from, ghosts


@kernel
def _evict_from_main(
    state: NDArray[np.int64], main: NDArray[np.int32], main_from: int, main_to: int
) -> tuple[int, int]:
    """Gives the oldest another round, for a use less, until one has none left; returns where the queue is then."""
    mask = len(main) - 1
    while True:
        oldest = main[main_from & mask]
        main_from += 1
        if state[oldest] == FAR:
            state[oldest] = 0
            return main_from, main_to
        state[oldest] -= 1
        main[main_to & mask] = oldest
        main_to += 1
