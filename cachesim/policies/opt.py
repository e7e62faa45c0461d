"""OPT: the fewest misses possible, by looking ahead.

Bélády, A Study of Replacement Algorithms for a Virtual-Storage Computer, IBM Systems Journal 5(2), 1966 (MIN); that
none misses less: Mattson et al. 1970 (see `lru.py`).

    the stream:  a  b  c  a  d  b  a  c …
                          ▲
                          now │ next uses:  a 6   b 5   c 7
                              └─ d comes in, c goes: its next use is farthest away
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from cachesim.policies.policy import K, Policy, V

__all__ = ["Opt"]


class Opt(Policy[K, V]):
    """Evicts the key whose next use is farthest away; `keys` is the whole stream of requests to come.

    Each access and each insertion is the next request of the stream; raises `ValueError` if it is for another key, or
    the stream is at its end. Among keys that are never used again, that whose last use was latest goes first. Every
    new key is let in, as in demand paging. `clear` does not start the stream anew.

    >>> stream = "abcadbac"
    >>> cache = Opt(3, stream)
    >>> for key in "abcad":
    ...     cache[key] = key
    >>> list(cache)
    ['a', 'b', 'd']
    """

    weighs = False

    def __init__(self, maxsize: int, keys: Iterable[K], *, evicted: Callable[[K, V], object] | None = None) -> None:
        self._stream = list(keys)
        self._next_uses = _next_uses(self._stream)
        self._now = 0
        super().__init__(maxsize, evicted=evicted)

    def _start(self) -> None:
        self._farthest: list[tuple[int, K]] = []
        """A heap of (-next use, key). Uses that have come lie below all others; of those, some are of deleted keys."""

    def _hit(self, key: K) -> None:
        self._arrive(key)
        self._insert(key)

    def _arrive(self, key: K) -> None:
        if self._now == len(self._stream) or self._stream[self._now] != key:
            due = "none is left" if self._now == len(self._stream) else f"{self._stream[self._now]!r} is due"
            raise ValueError(f"request {self._now} for {key!r} is not allowed; {due} in the stream")

    def _insert(self, key: K) -> None:
        heappush(self._farthest, (-self._next_uses[self._now], key))
        self._now += 1

    def _evict(self) -> K:
        while True:
            _, key = heappop(self._farthest)
            if key in self:
                return key

    def _remove(self, key: K) -> None:
        pass


def _next_uses(stream: list[K]) -> list[int]:
    """When the key of each request is asked next; for a key's last request a time after the end, no two the same."""
    following: dict[K, int] = {}
    next_uses = [0] * len(stream)
    for now in reversed(range(len(stream))):
        next_uses[now] = following.get(stream[now], len(stream) + now)
        following[stream[now]] = now
    return next_uses
