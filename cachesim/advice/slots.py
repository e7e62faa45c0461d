"""LRU with a lifetime, compiled, for many small caches side by side: 4 bytes a key of the stream, the rest a slot.

Decides as `cachesim.policies.Lru` in `replay` does, on every request. The kernel of `cachesim.curves` is quicker, and
keeps some hundred bytes a key, which is too much for dozens of caches at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel

__all__ = ["Slots"]


class _Rings(NamedTuple):
    """Two rings of slots, from the one that goes first to the one that goes last; both begin and end at the rim."""

    key: NDArray[np.int32]
    """In each slot; the last slot is the rim, which holds none."""

    expires: NDArray[np.float64]
    use_before: NDArray[np.int32]
    """By last use."""

    use_after: NDArray[np.int32]
    fill_before: NDArray[np.int32]
    """By fill, which is the order in which values expire."""

    fill_after: NDArray[np.int32]
    free: NDArray[np.int32]
    """Slots without a value: as many of the first as there are."""


class Slots:
    """A cache of this size whose values live `ttl` seconds from their fill."""

    def __init__(self, size: int, *, ttl: float) -> None:
        self._ttl, self._left = ttl, size
        use_before, use_after, fill_before, fill_after = np.full((4, size + 1), size, np.int32)
        self._rings = _Rings(
            key=np.zeros(size + 1, np.int32),
            expires=np.zeros(size + 1),
            use_before=use_before,
            use_after=use_after,
            fill_before=fill_before,
            fill_after=fill_after,
            free=np.arange(size, dtype=np.int32),
        )
        self._slot_of = np.zeros(0, np.int32)

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        assert chunk.times is not None
        if len(self._slot_of) < chunk.distinct:
            more = np.full(2 * chunk.distinct - len(self._slot_of), -1, np.int32)
            self._slot_of = np.concatenate([self._slot_of, more])
        misses, self._left = _run(chunk.ids, chunk.times, self._ttl, self._slot_of, self._rings, self._left)
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    times: NDArray[np.float64],
    ttl: float,
    slot_of: NDArray[np.int32],
    rings: _Rings,
    left: int,
) -> tuple[int, int]:
    """`left`: how many slots are free. Returns the misses, and how many are then."""
    rim = len(rings.key) - 1
    misses = 0
    for i in range(len(ids)):
        key, now = ids[i], times[i]
        slot = slot_of[key]
        if slot >= 0 and now < rings.expires[slot]:
            _unlink(rings.use_before, rings.use_after, slot)
            _append(rings.use_before, rings.use_after, rim, slot)
            continue
        misses += 1
        oldest = rings.fill_after[rim]
        while oldest != rim and rings.expires[oldest] <= now:
            left = _forget(rings, slot_of, oldest, left)
            oldest = rings.fill_after[rim]
        if left == 0:
            left = _forget(rings, slot_of, rings.use_after[rim], left)
        left -= 1
        slot = rings.free[left]
        slot_of[key], rings.key[slot], rings.expires[slot] = slot, key, now + ttl
        _append(rings.use_before, rings.use_after, rim, slot)
        _append(rings.fill_before, rings.fill_after, rim, slot)
    return misses, left


@kernel
def _forget(rings: _Rings, slot_of: NDArray[np.int32], slot: int, left: int) -> int:
    """Frees a slot; returns how many are free then."""
    slot_of[rings.key[slot]] = -1
    _unlink(rings.use_before, rings.use_after, slot)
    _unlink(rings.fill_before, rings.fill_after, slot)
    rings.free[left] = slot
    return left + 1


@kernel
def _unlink(before: NDArray[np.int32], after: NDArray[np.int32], slot: int) -> None:
    after[before[slot]] = after[slot]
    before[after[slot]] = before[slot]


@kernel
def _append(before: NDArray[np.int32], after: NDArray[np.int32], rim: int, slot: int) -> None:
    last = before[rim]
    after[last] = slot
    before[slot], after[slot] = last, rim
    before[rim] = slot
