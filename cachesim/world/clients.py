"""Who asks: the stream of requests, each on its way from arrival through a node's cache to its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from heapq import heappush
from math import inf
from typing import Any, Protocol

import numpy as np

from cachesim.world.database import CURRENT_REQUEST
from cachesim.world.loop import ARRIVAL, SimLoop
from cachesim.world.nodes import Node
from cachesim.world.recorder import Recorder, Request

__all__ = ["Server", "Traffic"]


class Server(Protocol):
    """What a node answers with: its cache, as the world calls it."""

    get: Callable[[str], Awaitable[Any]]

    async def write(self, key: str, value: Any) -> None:
        """Write to the database and see to the cache."""


def draws(rng: np.random.Generator) -> Iterator[float]:
    """Uniform numbers in [0, 1) without end."""
    while True:
        yield from rng.random(4096).tolist()


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
        self._more = True
        self.done = loop.create_future()
        self._expect_next()

    def _expect_next(self) -> None:
        """Put the next arrival into the queue, if there is one."""
        key = next(self._keys, None)
        time = next(self._times, inf) if key is not None else inf
        if key is not None and time < self._duration:
            self._key = key
            loop = self._loop
            heappush(loop._queue, (time, ARRIVAL, next(loop._next_id), self))
        else:
            self._more = False
            self._settle()

    def fire(self) -> None:
        """A request arrives."""
        key = self._key
        node = self._nodes(key)
        server = self._servers[node]
        reads = not self._writes()
        request = Request(self._loop.env._now, key, node, reads)
        self._recorder.open[request] = None
        self._loop.start(self._read(request, server) if reads else self._write(request, server))
        self._expect_next()

    async def _read(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        try:
            value = await server.get(request.key)
        except (Exception, asyncio.CancelledError):
            self._recorder.failed(request)
        else:
            self._recorder.served(request, value)
        if not self._more:
            self._settle()

    async def _write(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        self._written += 1
        try:
            await server.write(request.key, {"key": request.key, "write": self._written})
        except (Exception, asyncio.CancelledError):
            self._recorder.failed(request)
        else:
            self._recorder.written(request)
        if not self._more:
            self._settle()

    def _settle(self) -> None:
        if not self._recorder.open and not self.done.done():
            self.done.set_result(None)


def balance(how: str, nodes: int, rng: np.random.Generator) -> Callable[[str], int]:
    """Which node a request for a key goes to: drawn uniformly, in turn, or by key."""
    if nodes == 1:
        return lambda key: 0
    if how == "random":
        stream = (node for block in iter(lambda: rng.integers(nodes, size=4096).tolist(), None) for node in block)
        return lambda key: next(stream)
    if how == "round-robin":
        turns = (turn % nodes for turn in iter(int, 1))
        return lambda key: next(turns)
    from zlib import crc32

    return lambda key: crc32(key.encode()) % nodes


__all__ += ["balance", "draws"]
