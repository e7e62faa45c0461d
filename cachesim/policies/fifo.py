"""FIFO: first in, first out.

Bélády, Nelson, Shedler, An Anomaly in Space-Time Characteristics of Certain Programs Running in a Paging Machine,
CACM 12(6), 1969, which shows that a larger cache can miss more.

      ┌─────┬─────┬─────┬─────┬─────┐
    ─►│ new │     │     │     │ old ├─► evict
      └─────┴─────┴─────┴─────┴─────┘
    insert      a hit moves nothing
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Fifo"]


class Fifo(Policy[K, V]):
    """Evicts the key that came in first. A value that is set anew comes in anew, as in cachetools.

    >>> cache = Fifo(2)
    >>> cache["a"] = cache["b"] = 1
    >>> cache["a"]
    1
    >>> cache["c"] = 1
    >>> list(cache)
    ['b', 'c']
    """

    def _start(self) -> None:
        self._queue: OrderedDict[K, None] = OrderedDict()
        """Oldest first."""

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self._queue.move_to_end(key)

    def _hit(self, key: K) -> None:
        pass

    def _insert(self, key: K) -> None:
        self._queue[key] = None

    def _evict(self) -> K:
        return self._queue.popitem(last=False)[0]

    def _remove(self, key: K) -> None:
        del self._queue[key]
