"""What happened: one row for each request and each load, in order of completion, and counts of everything else.

The recorder decides the *outcome* of a request in the same way for every cache: from the load that the served value
came from. Rows of what belongs to the warm-up are dropped. Rows are gathered in blocks; with tables a block is kept as
arrays, without them (summary mode) it is counted and forgotten, so memory stays bounded. With tables or without, only
the latest commits are known by their times (`Commits`): 65,536 or more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import fsum, inf, nan
from typing import Any

import numpy as np
import simpy

from cachesim.world.commits import Commits
from cachesim.world.requests import Batch, Load, Request
from cachesim.world.rows import Rows

__all__ = ["Entry", "Outcome", "Recorder", "Totals"]

LATENCY_EDGES = np.array([1e-7 * 1.01**k for k in range(3200)])
"""Bounds in seconds of the latency histogram: 100 ns to 10^6 s, each 1 % above the last."""


class Outcome(IntEnum):
    """What became of a request."""

    hit = 0
    stale_hit = 1
    delayed_hit = 2
    miss = 3
    early = 4
    error = 5
    write = 6


_HIT, _STALE_HIT, _DELAYED_HIT, _MISS, _EARLY, _ERROR, _WRITE = map(int, Outcome)
_SERVED = -1  # any of the first five: to be decided


@dataclass(slots=True)
class Entry:
    """A value in a cache, from being stored to its end (s; NaN while it lasts)."""

    key: str
    place: str
    stored: float
    expires: float
    ended: float = nan
    reason: str = ""


@dataclass
class Totals:
    """Everything that is counted, tables or not. Times in seconds."""

    outcomes: list[int] = field(default_factory=lambda: [0] * len(Outcome))
    failed_writes: int = 0
    loads: dict[str, int] = field(default_factory=lambda: {"miss": 0, "early": 0, "refresh": 0})
    queries: int = 0
    services: int = 0
    query_waits: float = 0.0
    busy: float = 0.0
    episodes: int = 0
    stampedes: int = 0
    largest_episode: int = 0
    loads_in_flight: int = 0
    peak_loads_in_flight: int = 0
    redis_commands: int = 0
    redis_round_trips: int = 0
    latency_sums: list[float] = field(default_factory=list)
    latency_max: float = nan
    latency_counts: Any = field(default_factory=lambda: np.zeros(len(LATENCY_EDGES) + 1, np.int64))
    stale_reads: int = 0
    staleness_sums: list[float] = field(default_factory=list)
    staleness_max: float = nan
    judged_reads: int = 0
    not_modified: int = 0
    layer_requests: dict[str, int] = field(default_factory=lambda: {"l1": 0, "l2": 0})
    layer_hits: dict[str, int] = field(default_factory=lambda: {"l1": 0, "l2": 0})


_REQUEST_FORMATS = ("f8", "O", "i4", "i1", "f8", "i4", "f8", "f8")
_LOAD_FORMATS = ("f8", "f8", "f8", "O", "i4", "O", "O")


class Recorder:
    """Writes down requests, loads and cache entries as they end."""

    def __init__(self, env: simpy.Environment, *, start: float, end: float, tables: bool) -> None:
        self.totals = Totals()
        self.open: dict[Request, object] = {}  # and what serves it, which perhaps nothing else holds
        self.commits = Commits()
        self.errors: dict[str, tuple[int, str]] = {}
        self._env = env
        self.warmup, self.keeps_tables = start, tables
        self._start, self._end = start, end  # what belongs to [start, end) counts; nothing does after `finish`
        self._requests = Rows(_REQUEST_FORMATS, tables)
        self._loads = Rows(_LOAD_FORMATS, tables)
        self._ledger: list[Any] = []  # flat: time, place, key, expires, what happened
        self._story: list[Any] = []  # the ledger of a finished run
        self._finished = nan
        self._recent: dict[int, Load] = {}
        self._most_recent = 4096
        self._in_flight: dict[str, list[int]] = {}
        self._numbers = 0
        self._in_service, self._busy_until = 0, 0.0

    # Requests

    def ended(self, request: Request, value: Any, outcome: int = _SERVED) -> None:
        """A request has its outcome: when it was served `value`, the one that follows from where this came from."""
        staleness = lag = nan
        if outcome == _SERVED:
            load, version, loaded = None, None, -inf
            if type(value) is dict:
                version, number = value.get("version"), value.get("load")
                if type(version) is int and type(number) is int:  # a row of the database
                    load = self._recent.get(number)
                    if load is not None:
                        loaded = load.end
                else:
                    version, loaded = self._of_write(request.key, value)
            if load is not None and load.request is request:
                outcome = _EARLY if load.cause == "early" else _MISS
            elif version is None and request.has_loaded:
                outcome = _MISS  # the value does not say where it came from, but this request has loaded
            elif loaded > request.time:
                outcome = _DELAYED_HIT
            else:
                outcome = _STALE_HIT if request.stale else _HIT
            if version is not None:
                staleness = lag = 0.0
                if request.key in self.commits:
                    staleness, lag = self.commits.judged(request.key, version, request.time)
        del self.open[request]
        time = request.time
        if time >= self._start:
            rows, now = self._requests, self._env._now
            rows.waiting += (time, request.key, request.node, outcome, now - time, request.attempts, staleness, lag)
            if len(rows.waiting) >= rows.block:
                self._count_requests()

    def failed(self, request: Request, error: BaseException | None) -> None:
        """A request ended in an error, or (None) had no outcome in time."""
        if request.time >= self._start:
            name = "no outcome in time" if error is None else type(error).__name__
            count, example = self.errors.get(name, (0, str(error or "")))
            self.errors[name] = count + 1, example
            self.totals.failed_writes += request.writes
        self.ended(request, None, _ERROR)

    def written(self, request: Request) -> None:
        """A write succeeded."""
        self.ended(request, None, _WRITE)

    def not_modified(self, request: Request) -> None:
        """The answer to a request was a 304."""
        self.totals.not_modified += request.time >= self._start

    def met_layer(self, asking: Request | Batch, layer: str, hit: bool) -> None:
        """A request reached a layer of its cache, and found a value there or not."""
        if asking.time >= self._start:
            self.totals.layer_requests[layer] += 1
            self.totals.layer_hits[layer] += hit

    def _of_write(self, key: str, value: dict[Any, Any]) -> tuple[int | None, float]:
        """The version that a value was written as, and when; none if it is not the world's, or not committed."""
        write = value.get("write")
        found = self.commits.of_write(key, write) if type(write) is int else None
        return (None, -inf) if found is None else found

    def _count_requests(self) -> None:
        columns = self._requests.flush()
        if not columns:
            return
        totals, outcomes, latencies, staleness, lags = self.totals, columns[3], columns[4], columns[6], columns[7]
        for outcome, number in enumerate(np.bincount(outcomes, minlength=len(Outcome)).tolist()):
            totals.outcomes[outcome] += number
        totals.latency_sums.append(fsum(latencies.tolist()))
        totals.latency_max = float(np.fmax(totals.latency_max, latencies.max()))
        bins = LATENCY_EDGES.searchsorted(latencies, side="right")
        totals.latency_counts += np.bincount(bins, minlength=len(LATENCY_EDGES) + 1)
        judged = ~np.isnan(lags)
        if judged.any():
            totals.judged_reads += int(judged.sum())
            totals.stale_reads += int((lags[judged] > 0).sum())
            totals.staleness_sums.append(fsum(staleness[judged].tolist()))
            totals.staleness_max = float(np.fmax(totals.staleness_max, staleness[judged].max()))

    def _forget_old_loads(self) -> None:
        """A value from a load that ended before every open request arrived is a hit to all of them."""
        oldest = min((request.time for request in self.open), default=inf)
        self._recent = {n: load for n, load in self._recent.items() if not load.end <= oldest}
        self._most_recent = 2 * len(self._recent) + 4096

    # Loads

    def load_started(self, key: str, node: int, asking: Request | Batch | None) -> Load:
        """A key is asked of the database, on behalf of `asking`."""
        request = asking.loading(key) if isinstance(asking, Batch) else asking
        self._numbers += 1
        now = self._env._now
        if len(self._recent) > self._most_recent:
            self._forget_old_loads()
        load = self._recent[self._numbers] = Load(self._numbers, key, node, now, request)
        if request is not None:
            request.has_loaded = request.origin.has_loaded = True
        if now >= self._start:
            totals = self.totals
            totals.loads[load.cause] += 1
            episode = self._in_flight.setdefault(key, [0, 0])
            episode[0] += 1
            episode[1] += 1
            totals.loads_in_flight += 1
            if totals.loads_in_flight > totals.peak_loads_in_flight:
                totals.peak_loads_in_flight = totals.loads_in_flight
        return load

    def load_ended(self, load: Load, status: str) -> None:
        """The load is finished, failed or cancelled."""
        load.end, load.status = self._env._now, status
        if load.start < self._start:
            return
        self.totals.loads_in_flight -= 1
        episode = self._in_flight[load.key]
        episode[0] -= 1
        if episode[0] == 0:
            self._episode_ended(self._in_flight.pop(load.key)[1])
        self._load_row(load)

    def _load_row(self, load: Load) -> None:
        rows = self._loads
        rows.waiting += (load.start, load.service_start, load.end, load.key, load.node, load.cause, load.status)
        if len(rows.waiting) >= rows.block:
            rows.flush()

    def _episode_ended(self, size: int) -> None:
        totals = self.totals
        totals.episodes += 1
        totals.stampedes += size > 1
        totals.largest_episode = max(totals.largest_episode, size)

    # Queries, writes and entries

    def query_issued(self) -> None:
        """A statement of any kind is on its way to the database."""
        self.totals.queries += self._env._now >= self._start

    def service_began(self, issued: float) -> None:
        """A statement issued then has a connection."""
        now = self._env._now
        if issued >= self._start:
            self.totals.services += 1
            self.totals.query_waits += now - issued
        self._count_busy(now)
        self._in_service += 1

    def service_ended(self) -> None:
        """A statement gives its connection back."""
        self._count_busy(self._env._now)
        self._in_service -= 1

    def _count_busy(self, now: float) -> None:
        """The time of connections since the last change, as far as it is measured."""
        since, self._busy_until = self._busy_until, now
        if since < self._start or now > self._end:
            since, now = max(since, self._start), min(now, self._end)
        if now > since:
            self.totals.busy += self._in_service * (now - since)

    def redis_used(self, commands: int) -> None:
        """Commands sent to Redis in one round trip."""
        if self._env._now >= self._start:
            self.totals.redis_commands += commands
            self.totals.redis_round_trips += 1

    def committed(self, key: str, value: Any) -> int:
        """A write of `key` is committed now; returns its version, from 1."""
        write = value.get("write") if isinstance(value, dict) else None
        version = self.commits.add(key, self._env._now, write if type(write) is int else None)
        if self.commits.are_too_many:
            self.commits.forget(min((request.time for request in self.open), default=inf))
        return version

    def stored(self, place: str, key: str, expires: float) -> None:
        """A cache holds a value from now on, at most until `expires`."""
        if self.keeps_tables:
            self._ledger += (self._env._now, place, key, expires, "stored")

    def dropped(self, place: str, key: str, reason: str) -> None:
        """A value has left a cache: expired (at its own time), deleted or evicted."""
        if self.keeps_tables:
            self._ledger += (self._env._now, place, key, nan, reason)

    def emptied(self, place: str) -> None:
        """All values have left a cache: its process has ended."""
        self.dropped(place, "", "emptied")

    # The end

    def stream_ended(self, end: float) -> None:
        """No request arrives after `end`: what is measured ends there too."""
        self._end = end

    @property
    def measured(self) -> float:
        """Seconds from the end of the warm-up to the end of the stream."""
        return self._end - self.warmup

    def finish(self) -> None:
        """Close the books: what is still open is an error, what is still in flight says so."""
        late = dict(self.open)
        for request in late:
            self.failed(request, None)
        for load in self._recent.values():
            if load.status == "in flight" and load.start >= self._start:
                self._load_row(load)
        for _, size in self._in_flight.values():
            self._episode_ended(size)
        self._in_flight.clear()
        self._count_busy(self._env._now)
        self._count_requests()
        self._loads.flush()
        self._start, self._finished = inf, self._env._now
        self.open.update(late)  # they may end while the caches are closed, which no longer counts
        self._story, self._ledger = self._ledger, []

    def digest(self) -> str:
        """Hex SHA-256 over requests and loads, each in order of completion, floats in hex."""
        return hashlib.sha256(self._requests.digest() + self._loads.digest()).hexdigest()

    def request_columns(self) -> Mapping[str, Any]:
        """time, key, node, outcome (a number), latency, attempts, staleness, version_lag."""
        names = ("time", "key", "node", "outcome", "latency", "attempts", "staleness", "version_lag")
        return dict(zip(names, self._requests.columns(), strict=True))

    def load_columns(self) -> Mapping[str, Any]:
        """start, service_start, end, key, node, cause, status."""
        names = ("start", "service_start", "end", "key", "node", "cause", "status")
        return dict(zip(names, self._loads.columns(), strict=True))

    def entry_columns(self) -> Mapping[str, Any]:
        """key, place, stored, expires, ended, reason of every value stored since the warm-up, in order of its end."""
        entries = self._entries()
        names = ("key", "place", "stored", "expires", "ended", "reason")
        return {name: [getattr(entry, name) for entry in entries] for name in names}

    def _entries(self) -> list[Entry]:
        held: dict[tuple[str, str], Entry] = {}
        ended: list[Entry] = []

        def end(entry: Entry | None, now: float, reason: str) -> None:
            if entry is not None and entry.stored >= self.warmup:
                entry.ended, entry.reason = (entry.expires, "expired") if entry.expires < now else (now, reason)
                ended.append(entry)

        for now, place, key, expires, reason in zip(*[iter(self._story)] * 5, strict=True):
            entry = held.get((place, key))
            if reason == "emptied":
                for there in [there for there in held if there[0] == place]:
                    end(held.pop(there), now, "deleted")
            elif reason != "stored":
                end(held.pop((place, key), None), now, reason)
            elif entry is not None and entry.stored == now:
                entry.expires = expires  # two steps of one command
            else:
                end(entry, now, "replaced")
                held[place, key] = Entry(key, place, now, expires)
        lasting = []
        for entry in held.values():
            if entry.expires < self._finished:
                end(entry, self._finished, "expired")
            elif entry.stored >= self.warmup:
                lasting.append(entry)
        return sorted(ended, key=lambda entry: entry.ended) + lasting
