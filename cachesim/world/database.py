"""The database: connections, service times, and rows that know their version.

Vocabulary: a *query* is one statement. It is *issued*, waits for a connection, is *served* for a service time and then
ends. A read sees what was committed when its service starts; a write commits when its service ends and raises the key's
*version*. Asking one key is a *load*; a `read_many` is one query of many loads. Times in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappush
from math import inf, nan
from typing import Any, Literal

import numpy as np
from pydantic import Field
from simpy.events import NORMAL

from cachesim.settings import Count, Setting
from cachesim.world.latency import Latency
from cachesim.world.loop import SimLoop
from cachesim.world.pending import Pending
from cachesim.world.recorder import Recorder
from cachesim.world.requests import CURRENT_REQUEST, Load

__all__ = ["Database", "Query", "SimDatabase"]

_NOTHING = object()


class Database(Setting):
    """A database with a service-time distribution and, when given, a limited number of connections.

    `on_cancel`: a query whose caller is cancelled is worked off all the same ("finish", the default), or leaves the
    queue if its service has not begun ("withdraw").
    """

    latency: Latency
    connections: Count | None = None
    on_cancel: Literal["finish", "withdraw"] = Field(default="finish")


class Query(Pending):
    """One statement on its way through the database."""

    _service_start = nan

    def __init__(self, database: SimDatabase, keys: Sequence[str], node: int, written: Any = _NOTHING) -> None:
        self._loop, self._database, self._keys = database.loop, database, keys
        self._issued = database.env._now
        self._loads: list[Load] = []
        self._written = written
        if written is _NOTHING:
            asking, started = CURRENT_REQUEST.get(), database.recorder.load_started
            for key in keys:
                self._loads.append(started(key, node, asking))
        database.issue(self)

    def begin(self) -> None:
        """A connection is free: the service starts, and a read sees what is committed now."""
        database, loop = self._database, self._loop
        now = self._service_start = loop.env._now
        if self._loads:
            commits = database.recorder.commits
            self._value = []
            for load in self._loads:
                load.service_start = now
                version = len(commits[load.key]) if load.key in commits else 0
                self._value.append({"key": load.key, "load": load.number, "version": version})
        heappush(loop._queue, (now + next(database.services), NORMAL, next(loop._next_id), self))

    def fire(self) -> None:
        """The service ends: a write commits, the connection goes to the next in line, who sees it, the caller wakes."""
        recorder = self._database.recorder
        recorder.query_served(self._issued, self._service_start, self._loop.env._now)
        if self._written is not _NOTHING:
            self._value = recorder.committed(self._keys[0], self._written)
        for load in self._loads:
            recorder.load_ended(load, "finished")
        self._database.release()
        self._finish()

    def cancel(self, msg: str | None = None) -> bool:
        if self._database.withdraw(self):
            for load in self._loads:
                self._database.recorder.load_ended(load, "cancelled")
        return super().cancel(msg)


class SimDatabase:
    """The database of one simulation, shared by its nodes: connections, and a queue for them, first come first served.

    (A `simpy.Resource` does the same with three events more for each query, which was a third of a miss.)
    """

    def __init__(self, setting: Database, loop: SimLoop, rng: np.random.Generator, recorder: Recorder) -> None:
        self.loop, self.env, self.recorder = loop, loop.env, recorder
        self.services: Iterator[float] = setting.latency.draws(rng)
        self._withdraws = setting.on_cancel == "withdraw"
        self._free = inf if setting.connections is None else setting.connections
        self._waiting: deque[Query] = deque()

    def issue(self, query: Query) -> None:
        """Serve the query now if a connection is free, else let it wait."""
        if self._free > 0:
            self._free -= 1
            query.begin()
        else:
            self._waiting.append(query)

    def release(self) -> None:
        """A connection is done with its query."""
        if self._waiting:
            self._waiting.popleft().begin()
        else:
            self._free += 1

    def withdraw(self, query: Query) -> bool:
        """Take a query whose caller has gone out of the queue, if queries are withdrawn and it still waits."""
        if self._withdraws and query in self._waiting:
            self._waiting.remove(query)
            return True
        return False
