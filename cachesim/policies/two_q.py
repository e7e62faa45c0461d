"""2Q: a FIFO that sifts, a list of what it let go, and an LRU for what came back.

Johnson, Shasha, 2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm, VLDB 1994 (full
version).

                ┌────────────────┐ evict ┌ ─ ─ ─ ─ ─ ─ ─ ─ ┐
    insert ────►│ A1in  FIFO 1/4 ├──────►  A1out  FIFO 1/2    forget
                └────────────────┘       │ (keys only)     ├──────►
                 a hit moves nothing     └ ─ ─ ─ ┬ ─ ─ ─ ─ ┘
                ┌────────────────┐               │ insert of one remembered
         evict ◄┤ Am    LRU  3/4 │◄──────────────┘
                └────────────────┘
                 a hit: to the front
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["TwoQ"]


class TwoQ(Policy[K, V]):
    """Evicts the oldest key of A1in while that is longer than a quarter, else the least recently used of Am.

    A hit in A1in counts for nothing: uses soon after each other belong together (correlated references). A1in has a
    quarter and A1out remembers half as many keys as the cache has entries, rounded down and at least one. Equal to
    libCacheSim from ten entries on.

    >>> cache = TwoQ(4)
    >>> for key in "abcdea":  # e evicted a, which A1out remembered
    ...     cache[key] = key
    >>> for key in "fgh":
    ...     cache[key] = key
    >>> list(cache)
    ['a', 'f', 'g', 'h']
    """

    weighs = False

    def _start(self) -> None:
        self._a1in_limit = max(1, int(self.maxsize) // 4)
        self._a1out_limit = max(1, int(self.maxsize) // 2)
        self._a1in: OrderedDict[K, None] = OrderedDict()
        self._a1out: OrderedDict[K, None] = OrderedDict()
        self._am: OrderedDict[K, None] = OrderedDict()
        self._remembered = False
        """Whether the key that arrives was in A1out."""

    def _hit(self, key: K) -> None:
        if key in self._am:
            self._am.move_to_end(key)

    def _arrive(self, key: K) -> None:
        self._remembered = key in self._a1out
        if self._remembered:
            del self._a1out[key]

    def _insert(self, key: K) -> None:
        queue = self._am if self._remembered else self._a1in
        queue[key] = None

    def _evict(self) -> K:
        if self._am and len(self._a1in) <= self._a1in_limit:
            return self._am.popitem(last=False)[0]
        key, _ = self._a1in.popitem(last=False)
        self._a1out[key] = None
        if len(self._a1out) > self._a1out_limit:
            self._a1out.popitem(last=False)
        return key

    def _remove(self, key: K) -> None:
        queue = self._am if key in self._am else self._a1in
        del queue[key]
