"""SIEVE: a hand that moves over a queue in which nothing moves.

Zhang, Yang, Yue, Vigfusson, Rashmi, SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for Web Caches,
NSDI 2024. A hit sets the visited bit. The hand goes from the oldest key to the newest, clears the bits it finds set,
evicts the first key whose bit is not, and stays there for the next time; from the newest it goes on at the oldest.

                        evict
                          ▲        ◄─── hand
      ┌─────┬─────┬─────┬─┴───┬─────╥─────┬─────┐
    ─►│  0  │  1  │  1  │  0  │  1  ║  0  │  0  │    a key that was visited becomes 0 and keeps its place;
      └─────┴─────┴─────┴─────┴─────╨─────┴─────┘    CLOCK would make it the newest
    insert           ahead            passed
        new                                 old
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Sieve"]


class Sieve(Policy[K, V]):
    """Evicts the first key, from the hand on, that was not used since the hand passed it last.

    The queue is kept in two pieces, cut at the hand, each with its oldest key first. When nothing lies ahead of the
    hand any more, after an eviction or a deletion, what it has passed does.

    >>> cache = Sieve(3)
    >>> cache["a"] = cache["b"] = cache["c"] = 1
    >>> cache["a"]
    1
    >>> cache["d"] = 1  # evicts b; the hand has passed a
    >>> cache["e"] = 1
    >>> list(cache)
    ['a', 'd', 'e']
    """

    def _start(self) -> None:
        self._ahead: OrderedDict[K, bool] = OrderedDict()
        """The visited bit of each key from the hand on to the newest."""
        self._passed: OrderedDict[K, bool] = OrderedDict()
        """And of those behind it."""

    def _hit(self, key: K) -> None:
        piece = self._ahead if key in self._ahead else self._passed
        piece[key] = True

    def _insert(self, key: K) -> None:
        self._ahead[key] = False

    def _evict(self) -> K:
        while True:
            key, visited = self._ahead.popitem(last=False)
            if visited:
                self._passed[key] = False
            self._wrap()
            if not visited:
                return key

    def _remove(self, key: K) -> None:
        piece = self._ahead if key in self._ahead else self._passed
        del piece[key]
        self._wrap()

    def _wrap(self) -> None:
        if not self._ahead:
            self._ahead, self._passed = self._passed, self._ahead
