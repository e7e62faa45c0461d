"""How queries in service are worked off: at which pace, and each by itself or all on one processor.

Vocabulary: *work* is the time in seconds that a service takes alone, on a database at its usual pace. Times in seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import inf

from simpy.events import NORMAL

from cachesim.world.faults import DatabaseDown, DatabaseSlow, Fault, of_kind
from cachesim.world.loop import SimLoop
from cachesim.world.pending import Pending

__all__ = ["Pace", "Processor", "pace_of"]


@dataclass(frozen=True)
class Pace:
    """A pace that changes at moments known beforehand.

    From `starts[i]` on, work takes `factors[i]` times as long as usual; infinite: none is done. The first start is 0.

    >>> outage = Pace(starts=(0, 3, 5), factors=(1, inf, 1))
    >>> outage.done(2.5, work=1)
    5.5
    >>> outage.worked(2.5, 5.5)
    1.0
    """

    starts: Sequence[float] = (0.0,)
    factors: Sequence[float] = (1.0,)

    def worked(self, start: float, end: float) -> float:
        """The work that is done between two times."""
        total = 0.0
        for phase_end, factor in self._phases(start):
            if end <= phase_end:
                return total + (end - start) / factor
            total += (phase_end - start) / factor
            start = phase_end
        return total

    def done(self, start: float, work: float) -> float:
        """When work that begins at `start` is done; infinite if never. No work is done at once."""
        if work == 0:
            return start
        for phase_end, factor in self._phases(start):
            end = start + work * factor
            if end <= phase_end:
                return end
            work -= (phase_end - start) / factor
            start = phase_end
            if work <= 0:  # but for rounding it would not have outlasted the phase
                return start
        return inf

    def _phases(self, time: float) -> Iterator[tuple[float, float]]:
        """End and factor of each phase from `time` on."""
        first = bisect_right(self.starts, time) - 1
        return zip((*self.starts[first + 1 :], inf), self.factors[first:], strict=True)


def pace_of(faults: Sequence[Fault]) -> Pace:
    """The pace of a database with these faults; where windows overlap, the slowest counts.

    >>> pace_of([DatabaseSlow(start=1, duration=3, factor=2), DatabaseDown(start=2, duration=1)])
    Pace(starts=(0.0, 1.0, 2.0, 3.0, 4.0), factors=(1.0, 2.0, inf, 2.0, 1.0))
    """
    slow = [(window, window.factor) for window in of_kind(faults, DatabaseSlow)]
    windows = [*slow, *((window, inf) for window in of_kind(faults, DatabaseDown))]
    ends = {window.end for window, _ in windows} - {inf}
    starts = sorted({0.0, *(window.start for window, _ in windows), *ends})
    factors = (max((factor for window, factor in windows if window.covers(time)), default=1.0) for time in starts)
    return Pace(tuple(starts), tuple(factors))


class Processor:
    """One processor of capacity 1 that the queries in service share equally: each of n is worked at 1/n of the pace.

    By virtual time (as in fair queueing: Demers, Keshav, Shenker, SIGCOMM 1989): the work that each query in service
    has been given since the processor was last idle. A query that begins at virtual time v with work w ends at v + w,
    whoever comes and goes, so a heap of virtual ends tells which is the next: O(log n) for each query.
    """

    def __init__(self, loop: SimLoop, pace: Pace) -> None:
        self._loop, self._pace = loop, pace
        self._virtual, self._as_of = 0.0, 0.0
        self._in_service: list[tuple[float, int, Pending]] = []
        self._numbers = count()
        self._next_end = _NextEnd(self)

    def begin(self, query: Pending, work: float) -> None:
        """A query joins those in service; when its work is done it is fired."""
        now = self._loop.env._now
        if self._in_service:
            given = self._pace.worked(self._as_of, now) / len(self._in_service)
            self._virtual = min(self._virtual + given, self._in_service[0][0])  # rounding must not pass the next end
        else:
            self._virtual = 0.0
        self._as_of = now
        heappush(self._in_service, (self._virtual + work, next(self._numbers), query))
        self._expect()

    def end(self) -> None:
        """The next of the queries in service has come to its end."""
        self._virtual, _, query = heappop(self._in_service)
        self._as_of = self._loop.env._now
        if self._in_service:
            self._expect()
        query.fire()

    def _expect(self) -> None:
        """Put the next end into the queue, where it is due if nobody comes; the one expected so far is void."""
        self._next_end._cancelled = True
        loop = self._loop
        work = (self._in_service[0][0] - self._virtual) * len(self._in_service)
        self._next_end = _NextEnd(self)
        end = self._pace.done(loop.env._now, work)
        heappush(loop._queue, (end, NORMAL, next(loop._next_id), self._next_end))


class _NextEnd:
    """The next end of a service, as it stands in the queue."""

    _cancelled = False

    def __init__(self, processor: Processor) -> None:
        self.fire = processor.end
