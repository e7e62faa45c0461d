"""The hash and the generator of `cachesim.policies.hashing`, compiled."""

from __future__ import annotations

import numpy as np

from cachesim.curves.compiling import kernel

__all__ = ["GOLDEN_GAMMA", "below", "splitmix64"]

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""What the state of the generator grows by at each draw."""

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@kernel
def splitmix64(x: np.uint64) -> np.uint64:
    """Mixes 64 bits so that each depends on all (Steele, Lea and Flood, Fast Splittable Generators, OOPSLA 2014)."""
    x = x + GOLDEN_GAMMA
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


@kernel
def below(state: np.uint64, n: int) -> int:
    """What a generator in this state draws from 0 to n - 1, n at most 2**32; its next state is one gamma further."""
    return int(((splitmix64(state) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
