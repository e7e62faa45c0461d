"""ARC, compiled: T1 and B1 are one log of fills, T2 and B2 one log of uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.chunks import Chunk
from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import FAR, close_up, first_live, grown, with_room

__all__ = ["Arc"]


class Arc:
    """What `cachesim.policies.Arc` does on a stream.

    The state of a key: in T2, or B2, the position of its last use, from `FAR` on; in T1, or B1, that of its fill.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._p = 0.0
        self._state = np.zeros(1, np.int64)
        self._fills = self._uses = np.zeros(1, np.int32)
        self._pointers = 1, 1, 1, FAR, FAR, FAR
        self._lengths = 0, 0, 0, 0

    def run(self, chunk: Chunk) -> int:
        """How many requests of the chunk miss."""
        b1_from, _, fills_to, b2_from, _, uses_to = self._pointers
        self._state = grown(self._state, chunk.distinct)
        self._fills = with_room(self._fills, b1_from, fills_to, min(self._size, chunk.distinct))
        self._uses = with_room(self._uses, b2_from, uses_to, min(2 * self._size, chunk.distinct))
        misses, self._p, self._pointers, self._lengths = _run(
            chunk.ids, self._size, self._p, self._state, self._fills, self._uses, self._pointers, self._lengths
        )
        return misses


@kernel
def _run(
    ids: NDArray[np.int32],
    size: int,
    p: float,
    state: NDArray[np.int64],
    fills: NDArray[np.int32],
    uses: NDArray[np.int32],
    pointers: tuple[int, int, int, int, int, int],
    lengths: tuple[int, int, int, int],
) -> tuple[int, float, tuple[int, int, int, int, int, int], tuple[int, int, int, int]]:
    b1_from, t1_from, fills_to, b2_from, t2_from, uses_to = pointers
    t1, b1, t2, b2 = lengths
    fills_mask, uses_mask = len(fills) - 1, len(uses) - 1
    misses = 0
    for key in ids:
        position = state[key]
        if position < t2_from:
            if t1_from <= position < FAR:
                t1 -= 1
            else:
                misses += 1
                in_b1 = b1_from <= position < FAR
                in_b2 = position >= b2_from
                if in_b1:
                    p = min(p + max(b2 / b1, 1.0), float(size))
                    b1 -= 1
                    state[key] = 0
                elif in_b2:
                    p = max(p - max(b1 / b2, 1.0), 0.0)
                    b2 -= 1
                    state[key] = 0
                elif b1 > 0 and t1 + b1 == size:
                    b1_from = first_live(fills, state, b1_from) + 1
                    b1 -= 1
                elif t1 + b1 < size and t1 + t2 + b1 + b2 == 2 * size:
                    b2_from = first_live(uses, state, b2_from) + 1
                    b2 -= 1
                if t1 + t2 == size:
                    if t2 == 0 or (t1 > 0 and (t1 > p or (t1 == p and in_b2))):
                        t1_from = first_live(fills, state, t1_from) + 1
                        if t1 == size and not in_b2:
                            b1_from = t1_from  # B1 has no room
                        else:
                            b1 += 1
                        t1 -= 1
                    else:
                        t2_from = first_live(uses, state, t2_from) + 1
                        t2 -= 1
                        b2 += 1
                if not (in_b1 or in_b2):
                    if fills_to - b1_from > fills_mask:
                        t1_from, fills_to = close_up(fills, state, 0, b1_from, t1_from, fills_to)
                    state[key] = fills_to
                    fills[fills_to & fills_mask] = key
                    fills_to += 1
                    t1 += 1
                    continue
            t2 += 1
        if uses_to - b2_from > uses_mask:
            t2_from, uses_to = close_up(uses, state, 0, b2_from, t2_from, uses_to)
        state[key] = uses_to
        uses[uses_to & uses_mask] = key
        uses_to += 1
    return misses, p, (b1_from, t1_from, fills_to, b2_from, t2_from, uses_to), (t1, b1, t2, b2)
