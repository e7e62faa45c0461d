"""RANDOM: any key, with equal chance.

Bélády, A Study of Replacement Algorithms for a Virtual-Storage Computer, IBM Systems Journal 5(2), 1966. Under
independent references it has the hit ratio of FIFO (Gelenbe, IEEE Transactions on Computers C-22(6), 1973).

      ┌─────┬─────┬─────┬─────┬─────┐
      │     │     │  ×  │     │last │      × drawn: the last one takes its slot,
      └─────┴─────┴──▲──┴─────┴──┬──┘        and the new key comes at the end
                     └───────────┘
"""

from __future__ import annotations

from collections.abc import Callable

from cachesim.policies.hashing import SplitMix64
from cachesim.policies.policy import K, Policy, V

__all__ = ["Random"]


class Random(Policy[K, V]):
    """Evicts any key; equal seeds evict equal keys.

    The victim is that in slot `SplitMix64(seed).below(len)`, drawn at each eviction; slots are in order of arrival, but
    that the last key moves to the slot of one that goes.

    >>> cache = Random(2, seed=3)
    >>> for key in "abcde":
    ...     cache[key] = key
    >>> list(cache)
    ['b', 'e']
    """

    def __init__(
        self,
        maxsize: int,
        getsizeof: Callable[[V], float] | None = None,
        *,
        evicted: Callable[[K, V], object] | None = None,
        seed: int = 0,
    ) -> None:
        self._generator = SplitMix64(seed)
        super().__init__(maxsize, getsizeof, evicted=evicted)

    def _start(self) -> None:
        self._keys: list[K] = []
        self._slots: dict[K, int] = {}

    def _hit(self, key: K) -> None:
        pass

    def _insert(self, key: K) -> None:
        self._slots[key] = len(self._keys)
        self._keys.append(key)

    def _evict(self) -> K:
        key = self._keys[self._generator.below(len(self._keys))]
        self._remove(key)
        return key

    def _remove(self, key: K) -> None:
        slot, last = self._slots[key], self._keys.pop()
        self._slots[last] = slot
        del self._slots[key]
        if last != key:
            self._keys[slot] = last
