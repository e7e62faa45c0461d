"""The database: connections, service times, and rows that know their version.

Vocabulary: a *query* is one statement. It is *issued*, waits for a connection, is *served* for a service time and then
ends. A read sees what was committed when its service starts; a write commits when its service ends and raises the key's
*version*. Asking one key is a *load*; a `read_many` is one query of many loads. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np
import simpy
from pydantic import Field
from simpy.resources.resource import Request as Grant

from cachesim.settings import Count, Setting
from cachesim.world.latency import Latency
from cachesim.world.loop import SimLoop
from cachesim.world.pending import Pending
from cachesim.world.recorder import Load, Recorder, Request

__all__ = ["CURRENT_REQUEST", "Database", "Query", "SimDatabase"]

CURRENT_REQUEST: ContextVar[Request | None] = ContextVar("current_request", default=None)
"""The request on whose behalf code runs; tasks inherit it, so a load knows who caused it."""


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

    __slots__ = ("_database", "_grant", "_issued", "_keys", "_loads", "_service_start", "_written")

    def __init__(self, database: SimDatabase, keys: Sequence[str], node: int, written: Any = None) -> None:
        super().__init__(database.loop)
        self._database, self._keys, self._written = database, keys, written
        self._issued = database.env._now
        self._loads: list[Load] = []
        if written is None:
            request = CURRENT_REQUEST.get()
            self._loads = [database.recorder.load_started(key, node, request) for key in keys]
        self._grant: Grant | None = None
        if database.connections is None:
            self._begin(None)
        else:
            self._grant = database.connections.request()
            self._grant.callbacks.append(self._begin)

    def _begin(self, _: object) -> None:
        """A connection is free: the service starts, and a read sees what is committed now."""
        database = self._database
        now = self._service_start = database.env._now
        if self._written is None:
            commits = database.recorder.commits
            self._value = rows = []
            for load in self._loads:
                load.service_start = now
                rows.append({"key": load.key, "load": load.number, "version": len(commits.get(load.key, ()))})
        self._loop._push(next(database.services), self)

    def fire(self) -> None:
        """The service ends."""
        database, recorder = self._database, self._database.recorder
        if self._grant is not None:
            assert database.connections is not None
            database.connections.release(self._grant)
        recorder.query_served(self._issued, self._service_start, database.env._now)
        value = self._value
        if self._written is not None:
            value = recorder.committed(self._keys[0], self._written)
        for load in self._loads:
            recorder.load_ended(load, "finished")
        self._value = value
        self._finish()

    def cancel(self, msg: str | None = None) -> bool:
        grant = self._grant
        if self._database.withdraw and grant is not None and not grant.triggered:
            grant.cancel()
            for load in self._loads:
                self._database.recorder.load_ended(load, "cancelled")
        return super().cancel(msg)


class SimDatabase:
    """The database of one simulation, shared by its nodes."""

    def __init__(self, setting: Database, loop: SimLoop, rng: np.random.Generator, recorder: Recorder) -> None:
        self.loop, self.env, self.recorder = loop, loop.env, recorder
        self.services: Iterator[float] = setting.latency.draws(rng)
        self.withdraw = setting.on_cancel == "withdraw"
        self.connections = None if setting.connections is None else simpy.Resource(self.env, setting.connections)
