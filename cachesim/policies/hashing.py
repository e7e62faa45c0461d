"""Hashes and chance that are the same in every process, on every machine, in Python and in compiled code.

All numbers are unsigned, of 64 bits. Python's own `hash()` is not: for text it differs from process to process.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import index
from typing import SupportsIndex

__all__ = ["SplitMix64", "splitmix64", "stable_key"]

_MASK = (1 << 64) - 1
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def stable_key(key: object) -> int:
    """A key as a number of 64 bits: an integer as it is, modulo 2**64; text by blake2b; anything else by its repr.

    >>> stable_key(7), stable_key(-1) == 2**64 - 1
    (7, True)
    >>> hex(stable_key("user:1"))
    '0xd47b7adda40c1a12'
    """
    if isinstance(key, int):
        return key & _MASK
    if isinstance(key, str):
        text = key
    elif isinstance(key, SupportsIndex):  # one of numpy's
        return index(key) & _MASK
    else:
        text = repr(key)
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def splitmix64(x: int) -> int:
    """Mixes 64 bits so that each depends on all (Steele, Lea and Flood, Fast Splittable Generators, OOPSLA 2014).

    >>> hex(splitmix64(0))
    '0xe220a8397b1dcdaf'
    """
    x = (x + _GOLDEN_GAMMA) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


class SplitMix64:
    """The generator of the same paper: a counter, mixed. Equal seeds draw equal numbers."""

    def __init__(self, seed: int = 0) -> None:
        self._state = seed & _MASK

    def below(self, n: int) -> int:
        """A number from 0 to n - 1, n at most 2**32: the upper half of the next output, scaled.

        >>> generator = SplitMix64(seed=1)
        >>> [generator.below(6) for _ in range(5)]
        [3, 4, 5, 2, 2]
        """
        output = splitmix64(self._state)
        self._state = (self._state + _GOLDEN_GAMMA) & _MASK
        return ((output >> 32) * n) >> 32
