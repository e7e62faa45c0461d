"""How often keys were asked of late, in a few bits each: a count-min sketch that ages.

Cormode, Muthukrishnan, An Improved Data Stream Summary: The Count-Min Sketch and its Applications, Journal of
Algorithms 55(1), 2005; small counters and halving: Einziger, Friedman, Manes (see `w_tinylfu.py`).
"""

from __future__ import annotations

from cachesim.policies.hashing import splitmix64, stable_key

__all__ = ["FrequencySketch"]

ROWS = 4
_MOST = 15
_SAMPLE = 10


class FrequencySketch:
    """Counters of 4 bits (0 to 15) in four rows, each as long as the next power of two from four times `size` on.

    With h = splitmix64(stable_key(key)), low = h modulo 2**32 and high = (h >> 32) | 1, the key's counter in row i is
    at (low + i * high) modulo the length. Each use adds one to all four, up to 15. After 10 x `size` uses all counters
    are halved, rounded down, and half of those uses count towards the next time.
    """

    def __init__(self, size: int) -> None:
        length = 1 << (4 * size - 1).bit_length()
        self._mask = length - 1
        self._rows = [bytearray(length) for _ in range(ROWS)]
        self._sample = _SAMPLE * size
        self._uses = 0

    def count(self, key: object) -> None:
        """One more use of this key."""
        for row, place in zip(self._rows, self._places(key), strict=True):
            row[place] = min(row[place] + 1, _MOST)
        self._uses += 1
        if self._uses == self._sample:
            self._uses //= 2
            for row in self._rows:
                row[:] = bytes(counter >> 1 for counter in row)

    def frequency(self, key: object) -> int:
        """How often this key was used of late, or more: the least of its counters."""
        return min(row[place] for row, place in zip(self._rows, self._places(key), strict=True))

    def _places(self, key: object) -> list[int]:
        mixed = splitmix64(stable_key(key))
        low, high = mixed & 0xFFFFFFFF, mixed >> 32 | 1
        return [(low + i * high) & self._mask for i in range(ROWS)]
