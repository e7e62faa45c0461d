"""LIRS, compiled: the stack, the queue, and the evicted keys that the stack remembers, as lists."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.lists import empty_lists, last, put_first, unlink
from cachesim.curves.kernels.logs import grown

__all__ = ["Lirs"]

_STACK, _QUEUE, _REMEMBERED = range(3)
_HEADS = 3
_HIR, _LIR, _EVICTED = 1, 2, 3
_KIND = 3  # the bits that tell which
_STACKED = 4


class Lirs:
    """What `cachesim.policies.Lirs` does on a stream.

    Nodes 0 to 2 are the heads of the lists. Each key has two nodes after them, one for the stack and the next for one
    of the others. The state of a key: HIR, LIR or evicted, plus `_STACKED` while the stack holds it; 0: none of these.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._limits = size, size - max(1, size // 100), 2 * size
        self._lengths = 0, 0, 0
        self._state = np.zeros(1, np.int8)
        self._links = empty_lists(_HEADS)

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        self._state = grown(self._state, chunk.distinct)
        self._links = grown(self._links, 2 * (_HEADS + 2 * chunk.distinct))
        misses, self._lengths = _run(chunk.ids, self._limits, self._lengths, self._state, self._links)
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    limits: tuple[int, int, int],
    lengths: tuple[int, int, int],
    state: NDArray[np.int8],
    links: NDArray[np.int32],
) -> tuple[int, tuple[int, int, int]]:
    size, most_lir, most_remembered = limits
    used, lir, remembered = lengths
    misses = 0
    for key in ids:
        node = _HEADS + 2 * key
        kind, stacked = state[key] & _KIND, state[key] & _STACKED
        if kind == _LIR:
            unlink(links, node)
            put_first(links, _STACK, node)
            remembered -= _prune(state, links)
            continue
        if kind != 0:
            unlink(links, node + 1)
        if kind != _HIR:
            misses += 1
            remembered -= kind == _EVICTED
            if used < size:
                used += 1
            else:
                remembered += _evict(state, links)
                if remembered > most_remembered:
                    _forget(state, links)
                    remembered -= 1
        if stacked:
            unlink(links, node)
        put_first(links, _STACK, node)
        if not stacked and lir == most_lir:
            put_first(links, _QUEUE, node + 1)
            state[key] = _HIR + _STACKED
            continue
        state[key] = _LIR + _STACKED
        lir += 1
        remembered -= _prune(state, links)
        if lir > most_lir:
            oldest = last(links, _STACK)
            unlink(links, oldest)
            put_first(links, _QUEUE, oldest + 1)
            state[(oldest - _HEADS) >> 1] = _HIR
            lir -= 1
            remembered -= _prune(state, links)
    return misses, (used, lir, remembered)


@kernel
def _prune(state: NDArray[np.int8], links: NDArray[np.int32]) -> int:
    """Takes what lies below the oldest LIR key out of the stack; returns how many keys are forgotten by that."""
    forgotten = 0
    while True:
        node = last(links, _STACK)
        key = (node - _HEADS) >> 1
        if node == _STACK or state[key] == _LIR + _STACKED:
            return forgotten
        unlink(links, node)
        if state[key] == _HIR + _STACKED:
            state[key] = _HIR
        else:
            unlink(links, node + 1)
            state[key] = 0
            forgotten += 1


@kernel
def _evict(state: NDArray[np.int8], links: NDArray[np.int32]) -> bool:
    """Evicts the oldest of the queue; returns whether it is remembered, which it is if the stack holds it."""
    node = last(links, _QUEUE)
    key = (node - 1 - _HEADS) >> 1
    unlink(links, node)
    if state[key] == _HIR:
        state[key] = 0
        return False
    put_first(links, _REMEMBERED, node)
    state[key] = _EVICTED + _STACKED
    return True


@kernel
def _forget(state: NDArray[np.int8], links: NDArray[np.int32]) -> None:
    """Forgets, of the keys that are remembered, the one evicted first."""
    node = last(links, _REMEMBERED)
    unlink(links, node)
    unlink(links, node - 1)
    state[(node - 1 - _HEADS) >> 1] = 0
