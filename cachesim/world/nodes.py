"""A node: one application process, with its way to Redis and to the database.

A cache factory is given a `Node` and finds there what it needs; nothing else of the world is of its business.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from cachesim.world.database import Query, SimDatabase
from cachesim.world.recorder import Recorder
from cachesim.world.requests import CURRENT_REQUEST, Batch

if TYPE_CHECKING:
    from cachesim.patterns.events import Event
    from cachesim.world.clients import Clients
    from cachesim.world.loop import SimLoop
    from cachesim.world.redis import SimRedis

__all__ = ["Factory", "Node", "NodeDatabase"]


class NodeDatabase:
    """The database as one node sees it: each way of asking raises `DatabaseError` when the query fails.

    `awake`: the first moment from a time on (s) at which the node runs; None if it never pauses.
    """

    def __init__(self, database: SimDatabase, node: int, *, awake: Callable[[float], float] | None = None) -> None:
        self._database, self._node, self._awake = database, node, awake

    async def read(self, key: str) -> dict[str, Any]:
        """The row of `key`: a JSON-able dict with `key`, the number of the `load` and the `version`."""
        return (await Query(self._database, (key,), self._node, awake=self._awake))[0]  # type: ignore[no-any-return]

    async def read_many(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of `keys`, in their order, by one query; no keys cost nothing."""
        return await Query(self._database, tuple(keys), self._node, awake=self._awake) if keys else []

    async def write(self, key: str, value: Any) -> int:
        """Write `value` and return the version that this makes of `key`, from 1."""
        query = Query(self._database, (key,), self._node, awake=self._awake, written=value)
        return await query  # type: ignore[no-any-return]


class Node:
    """One application process of the simulated world.

    `awake`: the first moment from a time on (s) at which it runs; None if it never pauses.
    """

    def __init__(
        self,
        index: int,
        *,
        loop: SimLoop,
        redis: SimRedis,
        database: SimDatabase,
        recorder: Recorder,
        clients: Clients,
        seed: int,
        awake: Callable[[float], float] | None = None,
    ) -> None:
        self.index = index
        self.awake = awake
        self.clients = clients
        self.redis = redis
        self.database = NodeDatabase(database, index, awake=awake)
        self.rng = random.Random(seed)
        self.clock = loop.time
        self.observe = Observer(index, recorder)


Factory = Callable[[Node], Any]
"""Makes the cache of a node: an object with `async get(key)`, or an `async def (key)`."""


class Observer:
    """Is told by a cache what cannot be seen from outside: stale serves, causes of loads, values held in process.

    `kinds`: the events it asks for. A cache of two layers asks for the one `with_layers`. `muted`: the node has been
    restarted, and what an old process still holds is of no place any more.
    """

    def __init__(self, node: int, recorder: Recorder) -> None:
        self.place, self._recorder = f"node {node}", recorder
        self.muted = False
        held = ("stored", "expired", "deleted", "evicted") if recorder.keeps_tables else ()
        self.kinds = frozenset(("stale", "early", "refresh", *held))

    def with_layers(self) -> Observer:
        """An observer that is told each "hit" and "miss" too, and counts those of layers "l1" and "l2"."""
        observer = copy(self)
        observer.kinds = self.kinds | {"hit", "miss"}
        return observer

    def __call__(self, event: Event) -> None:
        if event.kind == "stored":
            if not self.muted:
                self._recorder.stored(self.place, event.key, event.expires)
        elif event.kind in ("expired", "deleted", "evicted"):
            if not self.muted:
                self._recorder.dropped(self.place, event.key, event.kind)
        elif (asking := CURRENT_REQUEST.get()) is not None:
            if event.layer and event.kind in ("hit", "stale", "miss"):
                self._recorder.met_layer(asking, event.layer, event.kind != "miss")
            for request in asking.of(event.key) if isinstance(asking, Batch) else (asking,):
                if event.kind == "stale":
                    request.stale = True
                elif event.kind in ("early", "refresh"):
                    request.cause = event.kind
