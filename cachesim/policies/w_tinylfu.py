"""W-TinyLFU: a small window, and a contest at the door of the main part.

Einziger, Friedman, Manes, TinyLFU: A Highly Efficient Cache Admission Policy, ACM Transactions on Storage 13(4), 2017.

                 ┌────────────┐  candidate        victim  ┌────────────────┐
    insert ─────►│ window LRU ├────────────► ◇ ◄──────────┤ probation LRU  │◄─┐ too long:
                 │ 1 %        │              │            └─────┬────▲─────┘  │ its last
                 └────────────┘   the more frequent,            │    │ won    │
                                  by the sketch, stays      hit ▼    │        │
                                             │            ┌──────────┼─────┐  │
                                             └────────────│──────────┘     ├──┘
                                    the other: evict      │ protected LRU  │  probation and protected, main:
                                                          └────────────────┘  99 %; of these protected 80 %
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.frequency_sketch import FrequencySketch
from cachesim.policies.policy import K, Policy, V

__all__ = ["WTinyLfu"]


class WTinyLfu(Policy[K, V]):
    """Evicts the last of the window or of the main part, whichever was used less often of late; on a tie the window's.

    Every hit and every insertion is a use, counted (`FrequencySketch`) before anything else happens. The window has one
    entry in a hundred, rounded down and at least one, protected four fifths of the rest, rounded down. While there is
    room, the last of a full window goes to probation without a contest. The victim is the last of probation, or of
    protected if probation is empty. No doorkeeper: it would save memory, which is not short here.

    From the paper; Caffeine and libCacheSim differ in details. Held against a plain second version in the tests.

    >>> cache = WTinyLfu(2)
    >>> for key in "abb":
    ...     cache[key] = key
    >>> cache["c"] = "c"  # b, used twice, wins against a
    >>> list(cache)
    ['b', 'c']
    """

    weighs = False

    def _start(self) -> None:
        size = int(self.maxsize)
        self._window_limit = max(1, size // 100)
        self._protected_limit = 8 * (size - self._window_limit) // 10
        self._window: OrderedDict[K, None] = OrderedDict()
        self._probation: OrderedDict[K, None] = OrderedDict()
        self._protected: OrderedDict[K, None] = OrderedDict()
        self._sketch = FrequencySketch(max(1, size))

    def _hit(self, key: K) -> None:
        self._sketch.count(key)
        if key in self._window:
            self._window.move_to_end(key)
        elif key in self._protected:
            self._protected.move_to_end(key)
        else:
            del self._probation[key]
            self._protected[key] = None
            if len(self._protected) > self._protected_limit:
                demoted, _ = self._protected.popitem(last=False)
                self._probation[demoted] = None

    def _arrive(self, key: K) -> None:
        self._sketch.count(key)

    def _insert(self, key: K) -> None:
        self._window[key] = None
        if len(self._window) > self._window_limit:
            candidate, _ = self._window.popitem(last=False)
            self._probation[candidate] = None

    def _evict(self) -> K:
        main = self._probation or self._protected
        if not main:
            return self._window.popitem(last=False)[0]
        if not self._window:
            return main.popitem(last=False)[0]
        candidate, victim = next(iter(self._window)), next(iter(main))
        if self._sketch.frequency(candidate) <= self._sketch.frequency(victim):
            del self._window[candidate]
            return candidate
        del main[victim]
        del self._window[candidate]
        self._probation[candidate] = None
        return victim

    def _remove(self, key: K) -> None:
        for queue in (self._window, self._probation, self._protected):
            queue.pop(key, None)
