"""SLRU: segmented LRU.

Karedla, Love, Wherry, Caching Strategies to Improve Disk System Performance, IEEE Computer 27(3), 1994, with two
segments; here four, each a quarter (S4LRU: Huang et al., An Analysis of Facebook Photo Caching, SOSP 2013), as in
libCacheSim.

              ┌──────────┐
    segment 3 │ LRU  1/4 ├─┐  hit: to the front of the segment above (in the highest: to its front)
              └────▲─────┘ │  a segment that is now too long: its last to the front of the one below
    segment 2 │ LRU  1/4 │◄┘
              └────▲─────┘
    segment 1 │ LRU  1/4 │
              └────▲─────┘
    segment 0 │ LRU  1/4 ├──► evict
              └────▲─────┘
                insert
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Slru"]


class Slru(Policy[K, V]):
    """Evicts the least recently used key of the lowest segment that is not empty; each hit lifts a key by one.

    A new key goes to the lowest segment with room: the cache fills from below. What a quarter leaves over belongs to
    segment 0; a cache of less than four entries has as many segments. Equal to libCacheSim where four divides the size.

    >>> cache = Slru(4)
    >>> for key in "abcd":
    ...     cache[key] = key
    >>> cache["a"]
    'a'
    >>> cache["e"] = "e"  # a was lifted, so b came down
    >>> sorted(cache)
    ['a', 'c', 'd', 'e']
    """

    weighs = False

    def _start(self) -> None:
        size = int(self.maxsize)
        count = max(1, min(4, size))
        upper = size // count
        self._limits = [size - (count - 1) * upper] + [upper] * (count - 1)
        self._segments: list[OrderedDict[K, None]] = [OrderedDict() for _ in self._limits]
        """Lowest first; in each the least recently used key first."""

    def _hit(self, key: K) -> None:
        low = self._segment(key)
        high = min(low + 1, len(self._segments) - 1)
        del self._segments[low][key]
        self._segments[high][key] = None
        if len(self._segments[high]) > self._limits[high]:
            demoted, _ = self._segments[high].popitem(last=False)
            self._segments[low][demoted] = None

    def _insert(self, key: K) -> None:
        segment = next(
            segment for segment, limit in zip(self._segments, self._limits, strict=True) if len(segment) < limit
        )
        segment[key] = None

    def _evict(self) -> K:
        return next(segment for segment in self._segments if segment).popitem(last=False)[0]

    def _remove(self, key: K) -> None:
        del self._segments[self._segment(key)][key]

    def _segment(self, key: K) -> int:
        return next(number for number, segment in enumerate(self._segments) if key in segment)
