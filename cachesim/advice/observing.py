"""A log, read once: what it asks for, and what caches held against it do. Memory grows with the keys alone."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.advice.caches import CELLS, Caches, Cell
from cachesim.advice.key_design import WITHOUT_QUERY, Change, KeyDesigns
from cachesim.advice.stretches import FIRST_LENGTH, Stretches
from cachesim.curves.chunks import Chunk
from cachesim.curves.numbering import Numbering
from cachesim.estimates import Estimate, estimate
from cachesim.policies.hashing import stable_key
from cachesim.traces import ANSWERED, READS, WRITES, Format, Notes, Operations, Requests, read
from cachesim.traces.reading import logged_operations, recognised

__all__ = ["Beginning", "Observed", "observe"]

_BEGINNING = FIRST_LENGTH << 11
"""Reads that a scenario rehearses: a number of whole stretches, whatever their length is by then."""

_HOUR = 3600.0
_LAST_NUMBER = re.compile(rb'[\s=](\d+\.\d{3})"?\s*$', re.MULTILINE)
"""nginx's `$request_time`, in seconds with milliseconds, at the end of a line."""

Progress = Callable[[float], None]


class Beginning(NamedTuple):
    """The first reads of a log, as many as a scenario rehearses."""

    reads: int
    seconds: float
    """From the first to the last of them."""

    cold: int
    """Reads in the first stretch, which is left out; 0 where there is no other."""

    ratios: NDArray[np.float64]
    """Hit ratios, (stretches, cells)."""

    def hit_ratio(self, cell: Cell) -> Estimate:
        """As `Observed.hit_ratio`."""
        return _warm(self.ratios, cell)


@dataclass(frozen=True, eq=False)
class Observed:
    """What one pass over a log has found. A *read* is a request that a cache may answer."""

    path: str
    operations: int
    """All requests of the log, whatever became of them."""

    names: Counter[str]
    """HTTP methods or Redis commands, and how often each was met."""

    statuses: Counter[int]
    start: float
    """Of the first operation: seconds since 1970, or since whatever the file counts from."""

    seconds: float
    """From the first operation to the last."""

    busiest: int
    """Operations in the busiest hour."""

    notes: Notes
    counts: NDArray[np.int64]
    """Reads of each key, (keys,)."""

    bytes_per_key: float
    """The mean over the keys of the largest answer; 0 where the log tells none."""

    changes: list[Change]
    """Other designs of the keys, the one with the fewest first."""

    writes: int
    writes_read: int
    """Writes to keys that are read too, whatever their query string."""

    request_times: NDArray[np.float64]
    """Of the first requests, in seconds, where the log tells them; else none."""

    ratios: NDArray[np.float64]
    """Hit ratios, (stretches, cells)."""

    beginning: Beginning

    @property
    def reads(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    @property
    def lost_to_writes(self) -> float:
        """The share of the reads that miss for a write, at most: each makes one read of its key miss."""
        return self.writes_read / self.reads

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    def hit_ratio(self, cell: Cell) -> Estimate:
        """The mean over the stretches, without the cold first one, and its 95 % interval."""
        return _warm(self.ratios, cell)


def _warm(ratios: NDArray[np.float64], cell: Cell) -> Estimate:
    return estimate(ratios[1 if len(ratios) > 1 else 0 :, CELLS[cell]])


def observe(
    path: Path, *, format: Format | None, key: str, time: str | None, size: str | None, progress: Progress | None
) -> Observed:
    """Reads the file once.

    Raises `TraceError` for a file that cannot be read or tells no times, `ValueError` when nothing in it can be cached.
    """
    found, content = recognised(path, format)
    request_times = np.zeros(0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        watch = _Watch(Caches(pool))
        if found == "access-log" or found == "monitor":
            first = next(content)
            if found == "access-log":
                request_times = _request_times(first)
            for operations in logged_operations(path, found, chain([first], content)):
                watch.take(operations)
                if progress is not None:
                    progress(watch.operations)
        else:
            for requests in _timed(read(path, format=found, key=key, time=time, size=size)):
                watch.operations += len(requests.keys)
                assert requests.times is not None
                watch.take_times(requests.times)
                watch.read(requests)
                if progress is not None:
                    progress(watch.operations)
    return watch.observed(path, request_times)


def _timed(pieces: Iterator[Requests]) -> Iterator[Requests]:
    for piece in pieces:
        if piece.times is None:
            raise ValueError("tells no times, which advice needs; `cachesim curve` does without")
        yield piece


def _request_times(block: bytes) -> NDArray[np.float64]:
    """Those of a block of an access log: of every line, or none."""
    found = _LAST_NUMBER.findall(block)
    return np.array(found, np.float64) if len(found) > 0.5 * block.count(b"\n") else np.zeros(0)


class _Watch:
    """What is kept between the pieces of a log."""

    def __init__(self, caches: Caches) -> None:
        self._caches, self._numbering, self._designs = caches, Numbering(), KeyDesigns()
        self._stretches = Stretches(len(CELLS))
        self._beginning: Beginning | None = None
        self._counts, self._bytes = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._names: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._writes: Counter[str] = Counter()
        self._hours: Counter[int] = Counter()
        self._first, self._last, self._first_read, self._last_read = np.nan, np.nan, np.nan, np.nan
        self._notes = Notes()
        self._reads = 0
        self.operations = 0

    def take(self, operations: Operations) -> None:
        """A piece of a log that tells more than its reads."""
        self.operations += len(operations.keys)
        self.take_times(operations.times)
        self._notes = operations.notes
        self._names.update(operations.names)
        if operations.statuses is not None:
            self._statuses.update(operations.statuses.tolist())
        self._writes.update(key.partition("?")[0] for key in operations.requests(WRITES, ANSWERED).keys)
        self.read(operations.requests(READS, ANSWERED))

    def take_times(self, times: NDArray[np.float64]) -> None:
        """Those of all operations of a piece."""
        if not len(times):
            return
        if np.isnan(self._first):
            self._first = float(times[0])
        self._last = float(times[-1])
        hours, numbers = np.unique(times // _HOUR, return_counts=True)
        self._hours.update(dict(zip(hours.tolist(), numbers.tolist(), strict=True)))

    def read(self, requests: Requests) -> None:
        """Reads that follow those before."""
        before, ids = self._numbering.distinct, self._numbering.number(requests.keys)
        if not len(ids):
            return
        distinct = self._numbering.distinct
        self._count(requests, ids, before, distinct)
        assert requests.times is not None
        if np.isnan(self._first_read):
            self._first_read = float(requests.times[0])
        start, seen = 0, before
        while start < len(ids):
            end = start + min(self._stretches.room, len(ids) - start)
            chunk_ids = ids[start:end]
            seen = max(seen, int(chunk_ids.max()) + 1)  # numbers rise in the order of first appearance
            times = requests.times[start:end]
            hits = self._caches.run(Chunk(chunk_ids, seen, self._numbering.stable_keys, times))
            self._stretches.add(end - start, hits)
            self._reads, self._last_read, start = self._reads + end - start, float(times[-1]), end
            if self._reads == _BEGINNING:
                self._beginning = self._now()

    def _count(self, requests: Requests, ids: NDArray[np.int32], before: int, distinct: int) -> None:
        new = np.flatnonzero(np.diff(np.maximum.accumulate(np.concatenate(([before - 1], ids)))))
        if isinstance(requests.keys, list):
            self._designs.add(before, (requests.keys[place] for place in new.tolist()))
        self._counts = np.concatenate([self._counts, np.zeros(distinct - before, np.int64)])
        self._counts += np.bincount(ids, minlength=distinct)
        if requests.sizes is not None:
            self._bytes = np.concatenate([self._bytes, np.zeros(distinct - before, np.int64)])
            np.maximum.at(self._bytes, ids, requests.sizes)

    def _now(self) -> Beginning:
        seconds = max(self._last_read - self._first_read, 1.0)  # logs tell whole seconds
        ratios = self._stretches.ratios()
        return Beginning(self._reads, seconds, self._stretches.length if len(ratios) > 1 else 0, ratios)

    def observed(self, path: Path, request_times: NDArray[np.float64]) -> Observed:
        """All of it."""
        if not self._reads:
            raise ValueError(
                f"none of its {self.operations:,} requests reads a key with success: nothing can be cached"
            )
        stable_keys = self._numbering.stable_keys()
        known = self._bytes[self._bytes > 0]
        return Observed(
            path=str(path),
            operations=self.operations,
            names=self._names,
            statuses=self._statuses,
            start=self._first,
            seconds=max(self._last - self._first, 1.0),
            busiest=max(self._hours.values()),
            notes=self._notes,
            counts=self._counts,
            bytes_per_key=float(known.mean()) if len(known) else 0.0,
            changes=self._designs.found(stable_keys),
            writes=self._writes.total(),
            writes_read=self._writes_read(stable_keys),
            request_times=request_times,
            ratios=self._stretches.ratios(),
            beginning=self._beginning or self._now(),
        )

    def _writes_read(self, stable_keys: NDArray[np.uint64]) -> int:
        if not self._writes:
            return 0
        paths = self._designs.after(WITHOUT_QUERY, stable_keys)
        written = np.fromiter(map(stable_key, self._writes), np.uint64, len(self._writes))
        numbers = np.fromiter(self._writes.values(), np.int64, len(self._writes))
        return int(numbers[np.isin(written, paths)].sum())
