"""Traffic: the stream of requests, each on its way from arrival through a node's cache to its outcome.

Each arrival asks one key, or with a batch several keys at once; both come to `Traffic` as what they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Sequence
from heapq import heappush
from itertools import cycle, islice, repeat, tee
from typing import Any
from zlib import crc32

import numpy as np

from cachesim.world.caches import Server
from cachesim.world.clients import drawn
from cachesim.world.loop import ARRIVAL, SimLoop, SimulationError
from cachesim.world.recorder import Recorder
from cachesim.world.requests import CURRENT_REQUEST, Batch, Client, Request

__all__ = ["Traffic", "addressed", "batches", "sent_by"]

_BLOCK = 4096


def batches(keys: Iterator[str], n: int) -> Iterator[tuple[str, ...]]:
    """The keys, `n` at once; the last of a recorded stream may be fewer."""
    return iter(lambda: tuple(islice(keys, n)), ())


def addressed(
    asked: Iterator[Any], how: str, nodes: int, rng: np.random.Generator
) -> tuple[Iterator[Any], Iterator[int]]:
    """What is asked, a key or several at once, and of which node: drawn uniformly, in turn, or by the (first) key."""
    if nodes == 1:
        return asked, repeat(0)
    if how == "round-robin":
        return asked, cycle(range(nodes))
    if how == "key":
        asked, copies = tee(asked)
        firsts = (one if isinstance(one, str) else one[0] for one in copies)
        return asked, (crc32(key.encode()) % nodes for key in firsts)
    return asked, drawn(nodes, rng)


def sent_by(clients: Iterator[Client], requests: Iterator[Request | Batch]) -> Iterator[Request | Batch]:
    """The requests, each from the next of the clients."""
    for asking, client in zip(requests, clients, strict=False):
        for request in asking.requests if isinstance(asking, Batch) else (asking,):
            request.client = client
        yield asking


class Traffic:
    """The requests of a run, each to one node. It stands in the queue as the next arrival.

    When `requests` end, what is open has as long again for its outcome, at least `grace` seconds.
    """

    _cancelled = False

    def __init__(
        self,
        loop: SimLoop,
        recorder: Recorder,
        servers: Sequence[Server],
        *,
        requests: Iterator[Request | Batch],
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
        loop, servers, opened, start = self._loop, self._servers, self._open, self._loop.starter()
        time = 0.0
        for asking in self._requests:
            if asking.time >= self._duration:
                time = self._duration
                break
            time = asking.time
            heappush(loop._queue, (time, ARRIVAL, next(loop._next_id), self))
            yield
            if isinstance(asking, Batch):
                served = self._batch(asking, servers[asking.node])
                opened.update(dict.fromkeys(asking.requests, served))
            else:
                served = (self._write if asking.writes else self._read)(asking, servers[asking.node])
                opened[asking] = served
            start(served)
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
        try:
            await self._store(request, server)
        except BaseException as error:
            self._failed(request, error)
        else:
            self._recorder.written(request)
        if self.over:
            self._settle()

    async def _store(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        self._written += 1
        await server.write(request.key, {"key": request.key, "write": self._written})

    async def _batch(self, batch: Batch, server: Server) -> None:
        """The requests of a batch end together, all with an error if one has it."""
        try:
            values = await (self._store_all if batch.writes else self._get_all)(batch, server)
        except BaseException as error:
            for request in batch.requests:
                self._failed(request, error)
        else:
            for request, value in zip(batch.requests, values, strict=True):
                if batch.writes:
                    self._recorder.written(request)
                else:
                    self._recorder.ended(request, value)
        if self.over:
            self._settle()

    async def _store_all(self, batch: Batch, server: Server) -> Sequence[None]:
        return await asyncio.gather(*(self._store(request, server) for request in batch.requests))

    async def _get_all(self, batch: Batch, server: Server) -> Sequence[Any]:
        """The values of a batch, from the cache's own `get_many` if it has one."""
        if server.get_many is not None:
            CURRENT_REQUEST.set(batch)
            return await server.get_many(list(batch.keys))

        async def get(request: Request) -> Any:
            CURRENT_REQUEST.set(request)
            return await server.get(request.key)

        return await asyncio.gather(*map(get, batch.requests))

    def _failed(self, request: Request, error: BaseException) -> None:
        if isinstance(error, SimulationError | KeyboardInterrupt | SystemExit) and not self.done.done():
            self.done.set_exception(error)  # no outcome: the code asks for what a simulation has not, or for its end
        self._recorder.failed(request, error)
