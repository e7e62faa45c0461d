"""W-TinyLFU, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.hashing import splitmix64
from cachesim.curves.kernels.lists import empty_lists, last, put_first, unlink
from cachesim.curves.kernels.logs import grown

__all__ = ["WTinyLfu"]

_WINDOW, _PROBATION, _PROTECTED = range(3)
_HEADS = 3
_ROWS = 4
_MOST = 15


class WTinyLfu:
    """What `cachesim.policies.WTinyLfu` does on a stream.

    Nodes 0 to 2 are the heads of window, probation and protected, those of the keys come after them. The state of a
    key: the number of its list plus one; 0 if it is not in the cache. The sketch is `FrequencySketch` of the same size.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        window = max(1, size // 100)
        self._limits = size, window, 8 * (size - window) // 10
        self._lengths = 0, 0, 0
        self._sample = 10 * size
        self._uses = 0
        self._sketch = np.zeros((_ROWS, 1 << (4 * size - 1).bit_length()), np.uint8)
        self._state = np.zeros(1, np.int8)
        self._links = empty_lists(_HEADS)

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._state = grown(self._state, chunk.distinct)
        self._links = grown(self._links, 2 * (_HEADS + chunk.distinct))
        misses, self._lengths, self._uses = _run(
            chunk.ids,
            chunk.stable_keys(),
            self._limits,
            self._lengths,
            self._sample,
            self._uses,
            self._sketch,
            self._state,
            self._links,
        )
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    stable_keys: NDArray[np.uint64],
    limits: tuple[int, int, int],
    lengths: tuple[int, int, int],
    sample: int,
    uses: int,
    sketch: NDArray[np.uint8],
    state: NDArray[np.int8],
    links: NDArray[np.int32],
) -> tuple[int, tuple[int, int, int], int]:
    size, most_window, most_protected = limits
    window, probation, protected = lengths
    misses = 0
    for key in ids:
        _count(sketch, stable_keys[key])
        uses += 1
        if uses == sample:
            uses //= 2
            _halve(sketch)
        node = _HEADS + key
        held = state[key]
        if held:
            unlink(links, node)
            if held - 1 != _PROBATION:
                put_first(links, held - 1, node)
                continue
            put_first(links, _PROTECTED, node)
            state[key] = _PROTECTED + 1
            if protected < most_protected:
                protected += 1
                probation -= 1
            else:
                demoted = last(links, _PROTECTED)
                unlink(links, demoted)
                put_first(links, _PROBATION, demoted)
                state[demoted - _HEADS] = _PROBATION + 1
            continue
        misses += 1
        if window + probation + protected == size:
            evicted = candidate = last(links, _WINDOW)
            if probation + protected > 0:
                victim = last(links, _PROBATION if probation > 0 else _PROTECTED)
                chances = _frequency(sketch, stable_keys[candidate - _HEADS])
                if chances > _frequency(sketch, stable_keys[victim - _HEADS]):
                    evicted = victim
            unlink(links, evicted)
            state[evicted - _HEADS] = 0
            if evicted == candidate:
                window -= 1
            elif probation > 0:
                probation -= 1
            else:
                protected -= 1
        put_first(links, _WINDOW, node)
        state[key] = _WINDOW + 1
        window += 1
        if window > most_window:
            candidate = last(links, _WINDOW)
            unlink(links, candidate)
            put_first(links, _PROBATION, candidate)
            state[candidate - _HEADS] = _PROBATION + 1
            window -= 1
            probation += 1
    return misses, (window, probation, protected), uses


@kernel
def _count(sketch: NDArray[np.uint8], stable_key: np.uint64) -> None:
    """One more use of a key, in each row."""
    mixed = splitmix64(stable_key)
    for row in range(_ROWS):
        place = _place(mixed, row, sketch.shape[1])
        counter = sketch[row, place]
        sketch[row, place] = counter + (counter < _MOST)


@kernel
def _halve(sketch: NDArray[np.uint8]) -> None:
    """Lets what was counted so far count for half, rounded down."""
    for row in range(_ROWS):
        for place in range(sketch.shape[1]):
            sketch[row, place] >>= 1


@kernel
def _frequency(sketch: NDArray[np.uint8], stable_key: np.uint64) -> int:
    """The least of a key's counters."""
    mixed = splitmix64(stable_key)
    frequency = _MOST
    for row in range(_ROWS):
        frequency = min(frequency, sketch[row, _place(mixed, row, sketch.shape[1])])
    return frequency


@kernel
def _place(mixed: np.uint64, row: int, length: int) -> np.uint64:
    """Where the counter of a key is in a row."""
    low, high = mixed & np.uint64(0xFFFFFFFF), (mixed >> np.uint64(32)) | np.uint64(1)
    return (low + np.uint64(row) * high) & np.uint64(length - 1)
