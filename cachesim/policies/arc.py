"""ARC: adaptive replacement cache.

Megiddo, Modha, ARC: A Self-Tuning, Low Overhead Replacement Cache, FAST 2003. T1 holds keys used once of late, T2 those
used more often; B1 and B2 remember what each evicted. A key that comes back shows which of the two was too short, and
the target p for the length of T1 moves accordingly.

            forget ◄─ B1 (keys only) ◄─ T1 │ T2 ─► B2 (keys only) ─► forget
                     └──────────────┘ LRU ◄┼► LRU └──────────────┘
                            │          ▲   │   ▲         │
                            │   insert ┘   │   └ hit, in T1 or T2
                            └ p up ────────┴──► T2 ◄───── p down ┘     insert of one remembered
                          |T1| + |T2| <= c     |T1| + |B1| <= c     all four <= 2c
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Arc"]


class Arc(Policy[K, V]):
    """Evicts from T1 if that is longer than p, else from T2, the least recently used key; p adapts.

    As in the paper's figure 4, with p and the steps by which it moves as fractions; equal to libCacheSim. A key is
    forgotten by B1 and B2, and p moves, when one arrives, even if a deletion has left room for it.

    >>> cache = Arc(2)
    >>> cache["a"] = cache["b"] = 1
    >>> cache["a"]
    1
    >>> cache["c"] = cache["d"] = 1  # c and d are used once, a was twice
    >>> list(cache)
    ['a', 'd']
    """

    weighs = False

    def _start(self) -> None:
        self._p = 0.0
        self._t1: OrderedDict[K, None] = OrderedDict()
        self._t2: OrderedDict[K, None] = OrderedDict()
        self._b1: OrderedDict[K, None] = OrderedDict()
        self._b2: OrderedDict[K, None] = OrderedDict()
        self._remembered_in: OrderedDict[K, None] | None = None
        """Where the key that arrives was: B1, B2 or neither."""

    def _hit(self, key: K) -> None:
        if key in self._t1:
            del self._t1[key]
            self._t2[key] = None
        else:
            self._t2.move_to_end(key)

    def _arrive(self, key: K) -> None:
        c, b1, b2 = self.maxsize, self._b1, self._b2
        if key in b1:
            self._remembered_in = b1
            self._p = min(self._p + max(len(b2) / len(b1), 1.0), c)
            del b1[key]
        elif key in b2:
            self._remembered_in = b2
            self._p = max(self._p - max(len(b1) / len(b2), 1.0), 0.0)
            del b2[key]
        elif b1 and len(self._t1) + len(b1) == c:
            b1.popitem(last=False)
        elif len(self._t1) + len(b1) < c and len(self) + len(b1) + len(b2) == 2 * c:
            b2.popitem(last=False)

    def _insert(self, key: K) -> None:
        queue = self._t1 if self._remembered_in is None else self._t2
        queue[key] = None
        self._remembered_in = None

    def _evict(self) -> K:
        t1, t2 = self._t1, self._t2
        if self._remembered_in is None and len(t1) == self.maxsize:
            return t1.popitem(last=False)[0]  # B1 has no room
        if not t2 or (t1 and (len(t1) > self._p or (len(t1) == self._p and self._remembered_in is self._b2))):
            key, _ = t1.popitem(last=False)
            self._b1[key] = None
        else:
            key, _ = t2.popitem(last=False)
            self._b2[key] = None
        return key

    def _remove(self, key: K) -> None:
        queue = self._t1 if key in self._t1 else self._t2
        del queue[key]
