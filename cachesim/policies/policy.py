"""What the policies have in common: a cachetools cache in which a policy says who goes.

cachetools asks its caches for a victim without telling them who comes in. ARC, 2Q, S3-FIFO, LIRS and W-TinyLFU decide
by that, so here a new key is announced first (`_arrive`), then room is made (`_evict`, as often as it takes), then the
key takes its place (`_insert`). A policy is its queues and what these steps do to them; it never touches a value.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

import cachetools

__all__ = ["K", "Policy", "V"]

K = TypeVar("K")
V = TypeVar("V")


class Policy(cachetools.Cache[K, V]):
    """A bounded cache, used as any of cachetools; the subclass says which key goes when there is no room.

    To read a present key or to set it anew is an access. To read an absent one is a miss and leaves the cache as it is;
    setting it is the insertion. `del` removes a key without the policy remembering it; `popitem` removes the one that
    would be evicted next.

    `maxsize`: entries, or what `getsizeof` (value -> size) counts, bytes for instance. `evicted` is called with the key
    and the value of each that had to make room, before the new one is in. Raises `ValueError` for a value larger than
    `maxsize`, which evicts nothing, and for `getsizeof` where the policy divides the cache by entries.
    """

    weighs: ClassVar[bool] = True
    """Whether values may have sizes of their own."""

    def __init__(
        self,
        maxsize: int,
        getsizeof: Callable[[V], float] | None = None,
        *,
        evicted: Callable[[K, V], object] | None = None,
    ) -> None:
        if getsizeof is not None and not self.weighs:
            raise ValueError(f"{type(self).__name__}: getsizeof is not allowed; its queues are so many entries long")
        super().__init__(maxsize, getsizeof)
        self._evicted = evicted
        self._start()

    def __getitem__(self, key: K) -> V:
        if key not in self:
            return self.__missing__(key)
        self._hit(key)
        return super().__getitem__(key)

    def __setitem__(self, key: K, value: V) -> None:
        size = self.getsizeof(value)
        if not 0 <= size <= self.maxsize:
            raise ValueError(f"value of size {size} is not allowed; from 0 to {self.maxsize}, the size of the cache")
        if key in self:
            self._hit(key)
            growth = size - self.getsizeof(super().__getitem__(key))
            while self.currsize + growth > self.maxsize:
                self._make_room()
        if key not in self:  # it never was, or it had to go itself
            self._arrive(key)
            while self.currsize + size > self.maxsize:
                self._make_room()
            self._insert(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        self._remove(key)

    def __copy__(self) -> Policy[K, V]:
        raise TypeError(f"{type(self).__name__}: a copy would share its queues; use copy.deepcopy")

    def popitem(self) -> tuple[K, V]:
        """Remove and return the key, and its value, that would be evicted next; raises `KeyError` if there is none."""
        if not self:
            raise KeyError(f"{type(self).__name__} is empty")
        key = self._evict()
        value = super().__getitem__(key)
        super().__delitem__(key)
        return key, value

    def clear(self) -> None:
        """Forget everything, what had been evicted too."""
        super().clear()
        self._start()

    def _make_room(self) -> None:
        key, value = self.popitem()
        if self._evicted is not None:
            self._evicted(key, value)

    @abstractmethod
    def _start(self) -> None:
        """The queues of an empty cache."""

    @abstractmethod
    def _hit(self, key: K) -> None:
        """A key that is in the cache has been used."""

    def _arrive(self, key: K) -> None:
        """A key that is not in the cache will be, as soon as there is room."""

    @abstractmethod
    def _evict(self) -> K:
        """Choose who goes, and take it out of the queues. The cache is not empty; it may not be full."""

    @abstractmethod
    def _insert(self, key: K) -> None:
        """There is room: the key that arrived takes its place."""

    @abstractmethod
    def _remove(self, key: K) -> None:
        """A key has been deleted: out of the queues without a trace."""
