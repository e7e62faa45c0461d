"""Who asks: the stream of requests, each on its way from arrival through a node's cache to its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from heapq import heappush
from zlib import crc32

import numpy as np

from cachesim.world.caches import Server
from cachesim.world.database import CURRENT_REQUEST
from cachesim.world.loop import ARRIVAL, SimLoop, SimulationError
from cachesim.world.recorder import Recorder, Request

__all__ = ["Traffic", "balance", "writers"]

_BLOCK = 4096


def writers(share: float, rng: np.random.Generator) -> Callable[[], bool]:
    """Whether a request writes: each by itself, with the given probability."""
    if share == 0:
        return lambda: False
    stream = (number < share for block in iter(lambda: rng.random(_BLOCK).tolist(), None) for number in block)
    return lambda: next(stream)


def balance(how: str, nodes: int, rng: np.random.Generator) -> Callable[[str], int]:
    """Which node a request for a key goes to: drawn uniformly, in turn, or by key."""
    if nodes == 1:
        return lambda key: 0
    if how == "random":
        stream = (node for block in iter(lambda: rng.integers(nodes, size=_BLOCK).tolist(), None) for node in block)
        return lambda key: next(stream)
    if how == "round-robin":
        turns = (turn % nodes for turn in iter(int, 1))
        return lambda key: next(turns)
    return lambda key: crc32(key.encode()) % nodes



class Traffic:
    """The requests of a run: each arrival asks one key of one node. It stands in the queue as the next arrival."""

    _cancelled = False

    def __init__(
        self,
        loop: SimLoop,
        recorder: Recorder,
        servers: Sequence[Server],
        *,
        times: Iterator[float],
        keys: Iterator[str],
        nodes: Callable[[str], int],
        writes: Callable[[], bool],
        duration: float,
    ) -> None:
        self._loop, self._recorder, self._servers = loop, recorder, servers
        self._times, self._keys, self._nodes, self._writes = times, keys, nodes, writes
        self._duration = duration
        self._written = 0
        self._key = ""
        self._last = 0.0
        self.over = False
        self.done = loop.create_future()
        self._expect_next()

    def _expect_next(self) -> None:
        """Put the next arrival into the queue, if there is one; else give the open requests as long again."""
        key = next(self._keys, None)
        time = None if key is None else next(self._times, None)
        if key is None or time is None:
            self._end(self._last)
        elif time >= self._duration:
            self._end(self._duration)
        else:
            self._key, self._last, loop = key, time, self._loop
            heappush(loop._queue, (time, ARRIVAL, next(loop._next_id), self))

    def _end(self, end: float) -> None:
        self.over = True
        self._recorder.stream_ended(end)
        self._loop.call_at(2 * end, self._settle, True)
        self._settle()

    def _settle(self, anyhow: bool = False) -> None:
        if (anyhow or not self._recorder.open) and not self.done.done():
            self.done.set_result(None)

    def fire(self) -> None:
        """A request arrives."""
        key = self._key
        node = self._nodes(key)
        reads = not self._writes()
        request = Request(self._loop.env._now, key, node, reads)
        self._recorder.open[request] = None
        server = self._servers[node]
        self._loop.start(self._read(request, server) if reads else self._write(request, server))
        self._expect_next()

    async def _read(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        try:
            value = await server.get(request.key)
        except (Exception, asyncio.CancelledError) as error:
            self._failed(request, error)
        else:
            self._recorder.served(request, value)
        if self.over:
            self._settle()

    async def _write(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        self._written += 1
        try:
            await server.write(request.key, {"key": request.key, "write": self._written})
        except (Exception, asyncio.CancelledError) as error:
            self._failed(request, error)
        else:
            self._recorder.written(request)
        if self.over:
            self._settle()

    def _failed(self, request: Request, error: BaseException) -> None:
        if isinstance(error, SimulationError) and not self.done.done():
            self.done.set_exception(error)  # not an outcome: the code asks for what a simulation has not
        if request in self._recorder.open:
            self._recorder.failed(request, error)
