"""LRU: least recently used.

Mattson, Gecsei, Slutz, Traiger, Evaluation Techniques for Storage Hierarchies, IBM Systems Journal 9(2), 1970: a cache
of C entries holds the C keys used last, so a larger one holds all that a smaller one does (the stack property).

        ┌──── hit ────┐
        ▼             │
      ┌─────┬─────┬───┴─┬─────┬─────┐
    ─►│ most│     │     │     │least├─► evict
      └─────┴─────┴─────┴─────┴─────┘
    insert     recently used
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Lru"]


class Lru(Policy[K, V]):
    """Evicts the key that has not been used for the longest time.

    >>> cache = Lru(2)
    >>> cache["a"] = cache["b"] = 1
    >>> cache["a"]
    1
    >>> cache["c"] = 1
    >>> list(cache)
    ['a', 'c']
    """

    def _start(self) -> None:
        self._queue: OrderedDict[K, None] = OrderedDict()
        """Least recently used first."""

    def _hit(self, key: K) -> None:
        self._queue.move_to_end(key)

    def _insert(self, key: K) -> None:
        self._queue[key] = None

    def _evict(self) -> K:
        return self._queue.popitem(last=False)[0]

    def _remove(self, key: K) -> None:
        del self._queue[key]
