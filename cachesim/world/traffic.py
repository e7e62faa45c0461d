"""When requests are asked: in an open loop at times of their own, in a closed one by users who wait for answers."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from heapq import heappush
from math import inf

from cachesim.world.asking import Asker
from cachesim.world.loop import ARRIVAL, SimLoop, SimulationError
from cachesim.world.pending import Until
from cachesim.world.recorder import Recorder
from cachesim.world.requests import Batch, Request

__all__ = ["ClosedTraffic", "OpenTraffic", "Traffic"]

_MOST_AT_ONCE = 10_000
_STANDS_STILL = (
    "a user has asked {:,} times at one instant (t={:g} s): without think times, and with answers that take no time, "
    "it never ends"
)


class Traffic:
    """The requests of a run, asked until they end or `duration` (s) is over.

    What is open then has as long again for its outcome, at least `grace` seconds.
    """

    def __init__(
        self,
        loop: SimLoop,
        recorder: Recorder,
        asker: Asker,
        *,
        requests: Iterator[Request | Batch],
        duration: float,
        grace: float,
    ) -> None:
        self._loop, self._recorder, self._asker = loop, recorder, asker
        self._requests, self._duration, self._grace = requests, duration, grace
        self._open = recorder.open
        self.over = False
        self.done: asyncio.Future[None] = asker.done

    def _opened(self, asking: Request | Batch, by: object) -> None:
        """Requests wait for their outcome from now on; `by`: what serves them, which perhaps nothing else holds."""
        for request in asking.requests:
            self._open[request] = by

    def _end(self, end: float) -> None:
        """No more requests: those that are open have as long again for their outcome."""
        self.over = True
        self._recorder.stream_ended(end)
        self._loop.call_at(end + max(end, self._grace), self._settle, True)
        self._asker.ended = self._settle
        self._settle()

    def _settle(self, anyhow: bool = False) -> None:
        if (anyhow or not self._open) and not self.done.done():
            self.done.set_result(None)


class OpenTraffic(Traffic):
    """Requests at times of their own. It stands in the queue as the next arrival."""

    _cancelled = False

    def start(self) -> None:
        """Let the requests arrive from now on."""
        self.fire = self._arrivals().__next__
        self.fire()

    def _arrivals(self) -> Generator[None, None, None]:
        """Let one request after the other arrive, each when the queue has come to its time."""
        loop, opened, ask, start = self._loop, self._open, self._asker.ask, self._loop.starter()
        time = 0.0
        for asking in self._requests:
            if asking.time >= self._duration:
                time = self._duration
                heappush(loop._queue, (time, ARRIVAL, next(loop._next_id), self))
                yield
                break
            time = asking.time
            heappush(loop._queue, (time, ARRIVAL, next(loop._next_id), self))
            yield
            served = ask(asking)
            if isinstance(asking, Request):
                opened[asking] = served
            else:
                self._opened(asking, served)
            start(served)
        self._end(time)
        yield


class ClosedTraffic(Traffic):
    """Users who each think, ask, wait for the outcome, and think again; `thinks` are their think times (s), in order.

    The n-th request of all asks the n-th key, whoever asks it.
    """

    def start(self, users: int, thinks: Iterator[float]) -> None:
        """Let the users think from now on."""
        self._users = [self._loop.create_task(self._user(thinks)) for _ in range(users)]
        if self._duration < inf:
            self._loop.call_at(self._duration, self._end_once, self._duration)

    def _end_once(self, end: float) -> None:
        if not self.over:
            self._end(end)

    async def _user(self, thinks: Iterator[float]) -> None:
        loop = self._loop
        last, at_once = -inf, 0
        for think in thinks:
            await _Thought(loop, loop.time() + think, self)
            if self.over:
                return
            asking = next(self._requests, None)
            if asking is None:
                self._end(loop.time())
                return
            last, at_once = asking.time, at_once + 1 if asking.time == last else 0
            if at_once > _MOST_AT_ONCE:
                self._asker.stop(SimulationError(_STANDS_STILL.format(at_once, last)))
                return
            self._opened(asking, None)
            await self._asker.ask(asking)
            if self.over:
                return


class _Thought(Until):
    """The end of a think time, which comes to nothing once nobody asks any more."""

    def __init__(self, loop: SimLoop, time: float, traffic: ClosedTraffic) -> None:
        super().__init__(loop, time, ARRIVAL)
        self._traffic = traffic

    @property
    def _cancelled(self) -> bool:  # type: ignore[override]
        return self._done or self._traffic.over
