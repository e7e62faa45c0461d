"""The database: connections, service times, and rows that know their version.

Vocabulary: a *query* is one statement. It is *issued*, waits for a connection, is *served* for a service time and then
ends. A read sees what was committed when its service starts; a write commits when its service ends and raises the key's
*version*. Asking one key is a *load*; a `read_many` is one query of many loads. Times in seconds.

While the database is down no service begins, and queries wait whether or not a connection is free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappush
from math import prod
from sys import maxsize
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator
from simpy.events import NORMAL

from cachesim.settings import Count, NonNegative, Problem, ScenarioError, Setting, Share
from cachesim.world.faults import DatabaseDown, DatabaseErrors, Fault, covering, of_kind
from cachesim.world.latency import Latency
from cachesim.world.loop import SimLoop
from cachesim.world.pending import Pending
from cachesim.world.recorder import Recorder
from cachesim.world.requests import CURRENT_REQUEST, Load
from cachesim.world.service import Pace, Processor, pace_of

__all__ = ["Database", "DatabaseError", "Query", "SimDatabase"]

_NOTHING = object()


class Database(Setting):
    """A database with a service-time distribution and, when given, a limited number of connections.

    `on_cancel`: a query whose caller is cancelled is worked off all the same ("finish", the default), or leaves the
    queue if its service has not begun ("withdraw").

    Two ways in which load makes it slow, of which one can be chosen (else `ScenarioError`). `processor_sharing`: the
    queries in service share one processor, so that each of n progresses at 1/n of its pace; `latency` is the time that
    it would take alone. `slowdown`: a service that begins as one of n takes 1 + slowdown (n - 1) times as long.

    `errors`: the share of queries that fail with `DatabaseError`, after their full service.
    """

    latency: Latency
    connections: Count | None = None
    on_cancel: Literal["finish", "withdraw"] = Field(default="finish")
    processor_sharing: bool = False
    slowdown: NonNegative = 0.0
    errors: Share = 0.0

    @model_validator(mode="after")
    def _slow_in_one_way(self) -> Database:
        if self.processor_sharing and self.slowdown:
            raise ScenarioError(Problem("slowdown", f"{self.slowdown:g} is not allowed; 0 with processor_sharing"))
        return self


class DatabaseError(Exception):
    """What a query that failed raises; a write that failed is not committed."""


class Query(Pending):
    """One statement on its way through the database.

    `awake`: the first moment from a time on (s) at which the node that asks runs, and so can take an answer; None if it
    never pauses.
    """

    _served = False

    def __init__(
        self,
        database: SimDatabase,
        keys: Sequence[str],
        node: int,
        *,
        awake: Callable[[float], float] | None = None,
        written: Any = _NOTHING,
    ) -> None:
        self._loop, self._database, self._keys, self._awake = database.loop, database, keys, awake
        self._issued = database.env._now
        self._loads: list[Load] = []
        self._written = written
        if written is _NOTHING:
            asking, started = CURRENT_REQUEST.get(), database.recorder.load_started
            for key in keys:
                self._loads.append(started(key, node, asking))
        database.recorder.query_issued()
        database.issue(self)

    @property
    def reads(self) -> bool:
        """Whether it reads rows, and writes none."""
        return self._written is _NOTHING

    def begin(self) -> None:
        """A connection is free: the service starts, and a read sees what is committed now."""
        database = self._database
        now, commits = database.env._now, database.recorder.commits
        database.recorder.service_began(self._issued)
        if self._loads:
            self._value = []
            for load in self._loads:
                load.service_start = now
                self._value.append({"key": load.key, "load": load.number, "version": commits.version_of(load.key)})
        database.serve(self)

    def fire(self) -> None:
        """The service ends: a write commits, the connection goes to the next in line, who sees it, the caller wakes."""
        if self._served:
            self._finish()
            return
        self._served = True
        database, now = self._database, self._loop.env._now
        recorder, status = database.recorder, "finished"
        recorder.service_ended()
        if database.may_fail and database.fails():
            status = "failed"
            if not self._done:
                self._error = DatabaseError("the database failed to answer a query")
        elif self._written is not _NOTHING:
            self._value = recorder.committed(self._keys[0], self._written)
        for load in self._loads:
            recorder.load_ended(load, status)
        database.release()
        if self._awake is not None and (later := self._awake(now)) > now:
            heappush(self._loop._queue, (later, NORMAL, next(self._loop._next_id), self))
        else:
            self._finish()

    def cancel(self, msg: str | None = None) -> bool:
        if self._database.withdraw(self):
            for load in self._loads:
                self._database.recorder.load_ended(load, "cancelled")
        return super().cancel(msg)


class SimDatabase:
    """The database of one simulation, shared by its nodes: connections, and a queue for them, first come first served.

    (A `simpy.Resource` does the same with three events more for each query, which was a third of a miss.) What is drawn
    for `errors` comes from `errors_rng`.
    """

    _cancelled = False

    def __init__(
        self,
        setting: Database,
        loop: SimLoop,
        rng: np.random.Generator,
        recorder: Recorder,
        *,
        faults: Sequence[Fault] = (),
        errors_rng: np.random.Generator | None = None,
    ) -> None:
        self.loop, self.env, self.recorder = loop, loop.env, recorder
        self.services: Iterator[float] = setting.latency.draws(rng)
        self._withdraws = setting.on_cancel == "withdraw"
        self._connections = self._free = maxsize if setting.connections is None else setting.connections
        self._waiting: deque[Query] = deque()
        self._failing, self._errors, self._errors_rng = of_kind(faults, DatabaseErrors), setting.errors, errors_rng
        self.may_fail = setting.errors > 0 or bool(self._failing)
        self._outages = of_kind(faults, DatabaseDown)
        for outage in self._outages:
            heappush(loop._queue, (outage.end, NORMAL, next(loop._next_id), self))
        self._pace, self._slowdown = pace_of(faults), setting.slowdown
        self.serve: Callable[[Query], None] = self._serve_usual
        if setting.processor_sharing:
            self._processor = Processor(loop, self._pace)
            self.serve = self._serve_shared
        elif setting.slowdown or self._pace != Pace():
            self.serve = self._serve_slow

    # How long the service of a query takes that begins now.

    def _serve_usual(self, query: Query) -> None:
        heappush(self.loop._queue, (self.env._now + next(self.services), NORMAL, next(self.loop._next_id), query))

    def _serve_slow(self, query: Query) -> None:
        others = self._connections - self._free - 1
        work = next(self.services) * (1 + self._slowdown * others)
        heappush(self.loop._queue, (self._pace.done(self.env._now, work), NORMAL, next(self.loop._next_id), query))

    def _serve_shared(self, query: Query) -> None:
        self._processor.begin(query, next(self.services))

    # Who is served.

    def issue(self, query: Query) -> None:
        """Serve the query now if a connection is free, else let it wait."""
        if self._free > 0 and not (self._outages and self._is_down()):
            self._free -= 1
            query.begin()
        else:
            self._waiting.append(query)

    def release(self) -> None:
        """A connection is done with its query."""
        self._free += 1
        if self._waiting:
            self.fire()

    def fire(self) -> None:
        """Serve those who wait, as far as connections are free; it stands in the queue at the end of each outage."""
        while self._waiting and self._free > 0 and not (self._outages and self._is_down()):
            self._free -= 1
            self._waiting.popleft().begin()

    def _is_down(self) -> bool:
        return covering(self._outages, self.env._now) is not None

    def fails(self) -> bool:
        """Whether a query whose service ends now fails: for any of the reasons there are, each independent."""
        assert self._errors_rng is not None
        now = self.env._now
        shares = (self._errors, *(window.share for window in self._failing if window.covers(now)))
        return bool(self._errors_rng.random() >= prod(1 - share for share in shares))

    def withdraw(self, query: Query) -> bool:
        """Take a query whose caller has gone out of the queue, if queries are withdrawn and it still waits."""
        if self._withdraws and query in self._waiting:
            self._waiting.remove(query)
            return True
        return False
