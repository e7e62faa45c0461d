"""2Q, compiled: A1in and A1out are one log of fills, Am is a log of uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import FAR, close_up, first_live, grown, with_room

__all__ = ["TwoQ"]


class TwoQ:
    """What `cachesim.policies.TwoQ` does on a stream.

    The state of a key: in Am the position of its last use, from `FAR` on; in A1in, or A1out, that of its fill.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._sizes = size, max(1, size // 4), max(1, size // 2)
        self._state = np.zeros(1, np.int64)
        self._fills = self._uses = np.zeros(1, np.int32)
        self._pointers = 1, 1, 1, 0, FAR, FAR, 0

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        size, _, a1out = self._sizes
        a1out_from, _, fills_to, _, am_from, uses_to, _ = self._pointers
        self._state = grown(self._state, chunk.distinct)
        self._fills = with_room(self._fills, a1out_from, fills_to, min(size + a1out, chunk.distinct))
        self._uses = with_room(self._uses, am_from, uses_to, min(size, chunk.distinct))
        misses, self._pointers = _run(chunk.ids, self._sizes, self._state, self._fills, self._uses, self._pointers)
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    sizes: tuple[int, int, int],
    state: NDArray[np.int64],
    fills: NDArray[np.int32],
    uses: NDArray[np.int32],
    pointers: tuple[int, int, int, int, int, int, int],
) -> tuple[int, tuple[int, int, int, int, int, int, int]]:
    size, most_a1in, most_a1out = sizes
    a1out_from, a1in_from, fills_to, a1out, am_from, uses_to, am = pointers
    fills_mask, uses_mask = len(fills) - 1, len(uses) - 1
    misses = 0
    for key in ids:
        position = state[key]
        if position < FAR:
            if position >= a1in_from:
                continue
            misses += 1
            remembered = position >= a1out_from
            if remembered:
                state[key] = 0
                a1out -= 1
            if fills_to - a1in_from + am == size:
                if am > 0 and fills_to - a1in_from <= most_a1in:
                    am_from = first_live(uses, state, am_from)
                    state[uses[am_from & uses_mask]] = 0
                    am_from += 1
                    am -= 1
                else:
                    a1in_from += 1
                    a1out += 1
                    while a1out > most_a1out:
                        a1out -= state[fills[a1out_from & fills_mask]] == a1out_from
                        a1out_from += 1
            if not remembered:
                if fills_to - a1out_from > fills_mask:
                    a1in_from, fills_to = close_up(fills, state, 0, a1out_from, a1in_from, fills_to)
                state[key] = fills_to
                fills[fills_to & fills_mask] = key
                fills_to += 1
                continue
            am += 1
        if uses_to - am_from > uses_mask:
            _, uses_to = close_up(uses, state, 0, am_from, am_from, uses_to)
        state[key] = uses_to
        uses[uses_to & uses_mask] = key
        uses_to += 1
    return misses, (a1out_from, a1in_from, fills_to, a1out, am_from, uses_to, am)
