"""S3-FIFO: three static FIFO queues.

Yang, Zhang, Qiu, Yue, Rashmi, FIFO Queues are All You Need for Cache Eviction, SOSP 2023. Most keys are asked once and
leave by the small queue; what was used there, or is remembered, gets into the main one.

                 ┌────────────┐ frequency < 2  ┌ ─ ─ ─ ─ ─ ─ ─ ┐ forget
    insert ─────►│ small 1/10 ├──── evict ────►  ghost 9/10     ──────►
                 └─────┬──────┘                │ (keys only)   │
           frequency   │                       └ ─ ─ ─ ┬ ─ ─ ─ ┘
           >= 2        ▼                               │ insert of one remembered
                 ┌────────────┐◄───────────────────────┘
               ┌─┤ main  9/10 ├──── frequency 0: evict
               │ └─────▲──────┘
               └───────┘ frequency > 0: back in, with one less
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["S3Fifo"]

_MOST = 3
_TO_MAIN = 2


class S3Fifo(Policy[K, V]):
    """Evicts from the small queue, or from the main one when that is too long; a hit adds one to a frequency of 0 to 3.

    The variant of libCacheSim, equal to it from twenty entries on: the small queue has a tenth, the ghost remembers
    nine tenths, rounded down and at least one; a key with frequency 2 or more moves to the main queue, where it starts
    at 0; while nothing has been evicted yet, what finds the small queue full goes to the main one.

    >>> cache = S3Fifo(10)
    >>> for key in range(10):
    ...     cache[key] = key
    >>> cache[0], cache[0]
    (0, 0)
    >>> cache[10] = 10  # 0 moves to main, which is too long then: its oldest goes
    >>> 0 in cache, 1 in cache
    (True, False)
    """

    weighs = False

    def _start(self) -> None:
        size = int(self.maxsize)
        self._small_limit = max(1, size // 10)
        self._main_limit = size - self._small_limit
        self._ghost_limit = max(1, 9 * size // 10)
        self._small: OrderedDict[K, int] = OrderedDict()
        self._main: OrderedDict[K, int] = OrderedDict()
        """The frequency of each key, oldest first."""
        self._ghost: OrderedDict[K, None] = OrderedDict()
        self._remembered = False
        """Whether the key that arrives was in the ghost."""
        self._has_evicted = False

    def _hit(self, key: K) -> None:
        queue = self._small if key in self._small else self._main
        queue[key] = min(queue[key] + 1, _MOST)

    def _arrive(self, key: K) -> None:
        self._remembered = key in self._ghost
        if self._remembered:
            del self._ghost[key]

    def _insert(self, key: K) -> None:
        filling = not self._has_evicted and len(self._small) >= self._small_limit
        queue = self._main if self._remembered or filling else self._small
        queue[key] = 0

    def _evict(self) -> K:
        self._has_evicted = True
        if len(self._main) <= self._main_limit:
            while self._small:
                key, frequency = self._small.popitem(last=False)
                if frequency < _TO_MAIN:
                    self._remember(key)
                    return key
                self._main[key] = 0
        while True:
            key, frequency = self._main.popitem(last=False)
            if frequency == 0:
                return key
            self._main[key] = frequency - 1

    def _remove(self, key: K) -> None:
        queue = self._small if key in self._small else self._main
        del queue[key]

    def _remember(self, key: K) -> None:
        self._ghost[key] = None
        if len(self._ghost) > self._ghost_limit:
            self._ghost.popitem(last=False)
