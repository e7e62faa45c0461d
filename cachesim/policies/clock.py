"""CLOCK: FIFO with a second chance.

Corbató, A Paging Experiment with the Multics System, MIT Project MAC Report MAC-M-384, 1968. A hit sets the key's
reference bit and moves nothing. (Drawn, and written, with a hand that stands still while the keys go round.)

                insert
                  │    ┌──── second chance: bit 1 becomes 0 ───┐
                  ▼    ▼                                       │
                ┌─────┬─────┬─────┬─────┬─────┬─────┐          │
                │  0  │  0  │  1  │  0  │  1  │  1  ├─ hand ─►─┤
                └─────┴─────┴─────┴─────┴─────┴─────┘          │
                  new                           old            └─ bit is 0: evict
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Clock"]


class Clock(Policy[K, V]):
    """Evicts the oldest key that was not used since it came in, or came round.

    >>> cache = Clock(2)
    >>> cache["a"] = cache["b"] = 1
    >>> cache["a"]
    1
    >>> cache["c"] = 1
    >>> list(cache)
    ['a', 'c']
    """

    def _start(self) -> None:
        self._referenced: OrderedDict[K, bool] = OrderedDict()
        """The reference bit of each key; the hand stands at the first."""

    def _hit(self, key: K) -> None:
        self._referenced[key] = True

    def _insert(self, key: K) -> None:
        self._referenced[key] = False

    def _evict(self) -> K:
        while True:
            key, referenced = self._referenced.popitem(last=False)
            if not referenced:
                return key
            self._referenced[key] = False

    def _remove(self, key: K) -> None:
        del self._referenced[key]
