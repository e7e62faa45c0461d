"""LRU with a lifetime, compiled, for many small caches side by side: 4 bytes a key of the stream, the rest a slot.

Decides as `cachesim.policies.Lru` in `replay` does, on every request. The kernel of `cachesim.curves` is quicker, and
keeps some hundred bytes a key, which is too much for dozens of caches at once.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel

__all__ = ["Slots"]


_Values: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]
"""The key in each slot, and when it expires; and the slots without a value: as many of the first as there are."""

_Ring: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32]]
"""The slot before each, and the one after it: a ring from the one that goes first to the one that goes last.

Between these two is the rim, a last slot that holds no value.
"""


class Slots:
    """A cache of this size whose values live `ttl` seconds from their fill."""

    def __init__(self, size: int, *, ttl: float) -> None:
        self._ttl, self._left = ttl, size
        self._slot_of = np.zeros(0, np.int32)
        self._values: _Values = np.zeros(size, np.int32), np.zeros(size, np.float64), np.arange(size, dtype=np.int32)
        self._by_use, self._by_fill = _empty_ring(size), _empty_ring(size)

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        assert chunk.times is not None
        if len(self._slot_of) < chunk.distinct:
            more = np.full(2 * chunk.distinct - len(self._slot_of), -1, np.int32)
            self._slot_of = np.concatenate([self._slot_of, more])
        misses, self._left = _run(
            chunk.ids, chunk.times, self._ttl, self._slot_of, self._values, self._by_use, self._by_fill, self._left
        )
        return misses


def _empty_ring(size: int) -> _Ring:
    return np.full(size + 1, size, np.int32), np.full(size + 1, size, np.int32)


@kernel
def _run(
    ids: NDArray[np.int32],
    times: NDArray[np.float64],
    ttl: float,
    slot_of: NDArray[np.int32],
    values: _Values,
    by_use: _Ring,
    by_fill: _Ring,
    left: int,
) -> tuple[int, int]:
    """`left`: how many slots are free. Returns the misses, and how many are then.

    `by_fill` is also the order in which values expire.
    """
    key_in, expires, free = values
    _, next_used = by_use
    _, next_filled = by_fill
    rim = len(free)
    misses = 0
    for i in range(len(ids)):
        key, now = ids[i], times[i]
        slot = slot_of[key]
        if slot >= 0 and now < expires[slot]:
            _unlink(by_use, slot)
            _append(by_use, slot)
            continue
        misses += 1
        oldest = next_filled[rim]
        while oldest != rim and expires[oldest] <= now:
            left = _forget(slot_of, values, by_use, by_fill, oldest, left)
            oldest = next_filled[rim]
        if left == 0:
            left = _forget(slot_of, values, by_use, by_fill, next_used[rim], left)
        left -= 1
        slot = free[left]
        slot_of[key], key_in[slot], expires[slot] = slot, key, now + ttl
        _append(by_use, slot)
        _append(by_fill, slot)
    return misses, left


@kernel
def _forget(slot_of: NDArray[np.int32], values: _Values, by_use: _Ring, by_fill: _Ring, slot: int, left: int) -> int:
    """Frees a slot; returns how many are free then."""
    key_in, _, free = values
    slot_of[key_in[slot]] = -1
    _unlink(by_use, slot)
    _unlink(by_fill, slot)
    free[left] = slot
    return left + 1


@kernel
def _unlink(ring: _Ring, slot: int) -> None:
    before, after = ring
    after[before[slot]] = after[slot]
    before[after[slot]] = before[slot]


@kernel
def _append(ring: _Ring, slot: int) -> None:
    before, after = ring
    rim = len(after) - 1
    last = before[rim]
    after[last] = slot
    before[slot], after[slot] = last, rim
    before[rim] = slot
