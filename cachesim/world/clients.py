"""Who asks: the stream of requests, each on its way from arrival through a node's cache to its outcome."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from heapq import heappush
from itertools import cycle, repeat, tee
from zlib import crc32

import numpy as np

from cachesim.world.caches import Server
from cachesim.world.database import CURRENT_REQUEST
from cachesim.world.loop import ARRIVAL, SimLoop, SimulationError
from cachesim.world.recorder import Recorder, Request

__all__ = ["Traffic", "addressed", "writers"]

_BLOCK = 4096


def writers(share: float, rng: np.random.Generator) -> Iterator[bool]:
    """Whether each request writes: each by itself, with the given probability."""
    if share == 0:
        return repeat(False)
    return (number < share for block in iter(lambda: rng.random(_BLOCK).tolist(), None) for number in block)


def addressed(
    keys: Iterator[str], how: str, nodes: int, rng: np.random.Generator
) -> tuple[Iterator[str], Iterator[int]]:
    """The keys, and the node that each request goes to: drawn uniformly, in turn, or by its key."""
    if nodes == 1:
        return keys, repeat(0)
    if how == "round-robin":
        return keys, cycle(range(nodes))
    if how == "key":
        keys, copies = tee(keys)
        return keys, (crc32(key.encode()) % nodes for key in copies)
    return keys, (node for block in iter(lambda: rng.integers(nodes, size=_BLOCK).tolist(), None) for node in block)


class Traffic:
    """The requests of a run: each arrival asks one key of one node. It stands in the queue as the next arrival.

    `requests` yields (arrival time, key, node, whether it writes). When they end, what is open has as long again for
    its outcome, at least `grace` seconds.
    """

    _cancelled = False

    def __init__(
        self,
        loop: SimLoop,
        recorder: Recorder,
        servers: Sequence[Server],
        *,
        requests: Iterator[tuple[float, str, int, bool]],
        duration: float,
        grace: float,
    ) -> None:
        self._loop, self._recorder, self._servers = loop, recorder, servers
        self._requests, self._duration, self._grace = requests, duration, grace
        self._open = recorder.open
        self._written = 0
        self.over = False
        self.done = loop.create_future()
        self.fire = self._arrivals().__next__
        self.fire()

    def _arrivals(self) -> Generator[None, None, None]:
        """Let one request after the other arrive, each when the queue has come to its time."""
        loop, servers, start = self._loop, self._servers, self._loop.starter()
        time = 0.0
        for arrival, key, node, writes in self._requests:
            if arrival >= self._duration:
                time = self._duration
                break
            time = arrival
            heappush(loop._queue, (time, ARRIVAL, next(loop._next_id), self))
            yield
            request = Request(time, key, node, writes)
            self._open[request] = None
            start((self._write if writes else self._read)(request, servers[node]))
        self._end(time)
        yield

    def _end(self, end: float) -> None:
        """No more requests: those that are open have as long again for their outcome."""
        self.over = True
        self._recorder.stream_ended(end)
        self._loop.call_at(end + max(end, self._grace), self._settle, True)
        self._settle()

    def _settle(self, anyhow: bool = False) -> None:
        if (anyhow or not self._open) and not self.done.done():
            self.done.set_result(None)

    async def _read(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        try:
            value = await server.get(request.key)
        except BaseException as error:
            self._failed(request, error)
        else:
            self._recorder.ended(request, value)
        if self.over:
            self._settle()

    async def _write(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        self._written += 1
        try:
            await server.write(request.key, {"key": request.key, "write": self._written})
        except BaseException as error:
            self._failed(request, error)
        else:
            self._recorder.written(request)
        if self.over:
            self._settle()

    def _failed(self, request: Request, error: BaseException) -> None:
        if isinstance(error, SimulationError | KeyboardInterrupt | SystemExit) and not self.done.done():
            self.done.set_exception(error)  # no outcome: the code asks for what a simulation has not, or for its end
        if request in self._open:
            self._recorder.failed(request, error)
