"""The databases of the simulated Redis: those of fakeredis, with a ledger of what they hold and perhaps a bound.

A *value* is whatever stands at a key, but for the leases of the patterns: those are small, and in no ledger; a bound
neither counts nor evicts them.
"""

from __future__ import annotations

from math import inf
from typing import Any, Literal

import cachetools
import numpy as np
import redis
import simpy
from fakeredis._core._database import Database

from cachesim.patterns.scripts import LEASES
from cachesim.world.recorder import Recorder

__all__ = ["BoundedDatabase", "LedgerDatabase", "OrderedSet", "Policy"]

_PLACE = "redis"

Policy = Literal["lru", "lfu", "random"]


class OrderedSet(dict[Any, None]):
    """A set in order of addition, where fakeredis would go by the addresses of objects in memory."""

    def add(self, item: Any) -> None:
        self[item] = None

    def remove(self, item: Any) -> None:
        del self[item]

    def discard(self, item: Any) -> None:
        self.pop(item, None)


class LedgerDatabase(Database):
    """A database of the fake server that tells the recorder which values it stores and drops."""

    def __init__(self, lock: Any, env: simpy.Environment, recorder: Recorder) -> None:
        super().__init__(lock)
        self._change_callbacks: Any = OrderedSet()
        self._env, self._recorder = env, recorder

    def text(self, key: bytes) -> bytes | None:
        """The text at a key; None if there is nothing. Raises `redis.ResponseError` if there is something else."""
        item = self._dict.get(key)
        if item is None or (item.expireat is not None and item.expireat < self._env._now):
            return None
        if type(item.value) is not bytes:
            raise redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return item.value

    def changed(self, key: bytes) -> None:
        """Tell those who watch the key, or wait for one."""
        if self._watches or self._change_callbacks:
            with self.condition:
                self.notify_watch(key)

    def schedule_expiry(self, key: bytes, expireat: float | None) -> None:
        super().schedule_expiry(key, expireat)
        if not key.startswith(LEASES):
            self._recorder.stored(_PLACE, key.decode(errors="replace"), inf if expireat is None else expireat)

    def __delitem__(self, key: bytes) -> None:
        super().__delitem__(key)
        self._dropped(key, "deleted")

    def clear(self) -> None:
        for key in list(self):
            self._dropped(key, "deleted")
        super().clear()

    def _dropped(self, key: bytes, reason: str) -> None:
        if not key.startswith(LEASES):
            self._recorder.dropped(_PLACE, key.decode(errors="replace"), reason)


class BoundedDatabase(LedgerDatabase):
    """A database of at most `max_keys` values; a new one that finds no room evicts the one that `policy` names.

    What Redis calls allkeys-lru, allkeys-lfu and allkeys-random, exactly where Redis samples: the value that was not
    used for longest, or least often (the longest unused of them; counted from when it was stored), or any. A value is
    used by each command that looks it up or writes it. Values whose time is over make room first.
    """

    def __init__(
        self,
        lock: Any,
        env: simpy.Environment,
        recorder: Recorder,
        *,
        max_keys: int,
        policy: Policy,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(lock, env, recorder)
        self._max_keys = max_keys
        self._dict: _Values = _Values(_order_of_eviction(policy, max_keys, rng))

    def text(self, key: bytes) -> bytes | None:
        self._dict.order.get(key)
        return super().text(key)

    def get(self, key: bytes, default: Any = None) -> Any:
        """How commands of the fake server look a value up."""
        self._dict.order.get(key)
        return super().get(key, default)

    def __setitem__(self, key: bytes, item: Any) -> None:
        if not key.startswith(LEASES):
            self.time = self._env._now
            self._remove_expired()
            order = self._dict.order
            if key not in order and len(order) == self._max_keys:
                self._evict()
            order[key] = None
        super().__setitem__(key, item)

    def _evict(self) -> None:
        key, _ = self._dict.order.popitem()
        del self._dict[key]
        self._dropped(key, "evicted")
        self.changed(key)


class _Values(dict[bytes, Any]):
    """The contents of a bounded database; `order` has its values, and says which goes first."""

    def __init__(self, order: cachetools.Cache[bytes, None]) -> None:
        super().__init__()
        self.order = order

    def __delitem__(self, key: bytes) -> None:
        super().__delitem__(key)
        self.order.pop(key, None)

    def clear(self) -> None:
        super().clear()
        self.order.clear()


def _order_of_eviction(policy: Policy, max_keys: int, rng: np.random.Generator) -> cachetools.Cache[bytes, None]:
    """The keys of values: `popitem` takes the one to evict, `get` and assignment use one."""
    if policy == "lru":
        return cachetools.LRUCache(max_keys)
    if policy == "lfu":
        return cachetools.LFUCache(max_keys)
    return cachetools.RRCache(max_keys, choice=lambda keys: keys[int(rng.integers(len(keys)))])
