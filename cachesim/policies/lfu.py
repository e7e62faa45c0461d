"""LFU: least frequently used.

Shah, Mitra, Matani, An O(1) Algorithm for Implementing the LFU Cache Eviction Scheme, 2010 (the classes); the policy is
older: Aho, Denning, Ullman, Principles of Optimal Page Replacement, JACM 18(1), 1971.

      uses   keys, in the order in which they came into the class
            ┌─────┬─────┐
       7    │     │     │                     a hit takes a key to the end of the class above
            ├─────┼─────┼─────┐
       2    │     │     │     │◄─┐
            ├─────┼─────┼─────┤  │ hit
       1    │ old │     │ new ├──┘ ◄── insert
            └──┬──┴─────┴─────┘
               └─► evict: the oldest of the lowest class
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Lfu"]


class Lfu(Policy[K, V]):
    """Evicts the key with the fewest uses; of these, the one that has had so many for the longest time.

    Uses count from the insertion, which is the first; an evicted key's are forgotten.

    >>> cache = Lfu(2)
    >>> cache["a"] = cache["b"] = 1
    >>> cache["a"]
    1
    >>> cache["c"] = 1
    >>> list(cache)
    ['a', 'c']
    """

    def _start(self) -> None:
        self._uses: dict[K, int] = {}
        self._classes: dict[int, OrderedDict[K, None]] = {}
        """The keys by their uses; no class is empty."""
        self._fewest = 1
        """No class is lower; there may be none so low after an eviction or a deletion."""

    def _hit(self, key: K) -> None:
        uses = self._uses[key]
        self._remove(key)
        self._place(key, uses + 1)

    def _insert(self, key: K) -> None:
        self._place(key, 1)
        self._fewest = 1

    def _evict(self) -> K:
        if self._fewest not in self._classes:
            self._fewest = min(self._classes)
        key = next(iter(self._classes[self._fewest]))
        self._remove(key)
        return key

    def _remove(self, key: K) -> None:
        uses = self._uses.pop(key)
        del self._classes[uses][key]
        if not self._classes[uses]:
            del self._classes[uses]

    def _place(self, key: K, uses: int) -> None:
        self._uses[key] = uses
        self._classes.setdefault(uses, OrderedDict())[key] = None
