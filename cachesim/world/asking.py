"""One request from the asking to its outcome: a client asks a node, once or with patience, and the recorder is told.

What is asked is a `Request`, or a `Batch` of them that end together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import count
from typing import Any

from cachesim.world.caches import Server
from cachesim.world.clients import Clients
from cachesim.world.fleet import Fleet
from cachesim.world.loop import SimLoop, SimulationError
from cachesim.world.pending import Until
from cachesim.world.recorder import Recorder
from cachesim.world.requests import CURRENT_REQUEST, Batch, Request

__all__ = ["Asker"]

Asking = Request | Batch
_FATAL = (SimulationError, KeyboardInterrupt, SystemExit)


class Asker:
    """Asks the nodes of a run on behalf of its clients.

    `waits` are those before retries, and `readdressed` says which node a retry goes to. `ended` is called after each
    outcome once it is set. `done` is what the run waits for: an error that is no outcome ends it.
    """

    def __init__(
        self,
        loop: SimLoop,
        recorder: Recorder,
        fleet: Fleet,
        clients: Clients,
        *,
        waits: Iterator[float],
        readdressed: Callable[[int], int],
    ) -> None:
        self._loop, self._recorder, self._servers, self._clients = loop, recorder, fleet.servers, clients
        self._waits, self._readdressed = waits, readdressed
        self._asks_once = clients.asks_once
        self._straight = self._asks_once and clients.n is None and not fleet.troubled
        self._given_up: set[asyncio.Task[Any]] = set()
        self._written = 0
        self.ended: Callable[[], None] | None = None
        self.done = loop.create_future()

    def ask(self, asking: Asking) -> Coroutine[Any, Any, None]:
        """What brings a request to its outcome."""
        if self._straight and not asking.writes and isinstance(asking, Request):
            return self._read(asking)
        return self._asked(asking)

    async def _read(self, request: Request) -> None:
        """`_asked`, of a single read where nothing can come between: the short road of most runs."""
        CURRENT_REQUEST.set(request)
        try:
            value = await self._servers[request.node].get(request.key)
        except BaseException as error:
            self._failed(request, error)
        else:
            self._recorder.ended(request, value)
        if self.ended is not None:
            self.ended()

    async def _asked(self, asking: Asking) -> None:
        """Ask, with patience or once, and tell what came of it."""
        try:
            attempt, answer = await (self._once(asking) if self._asks_once else self._attempts(asking))
        except BaseException as error:
            self._failed(asking, error)
        else:
            self._answered(asking, attempt, answer)
        if self.ended is not None:
            self.ended()

    async def _once(self, asking: Asking) -> tuple[Asking, Any]:
        return asking, await self._answer(asking)

    async def _attempts(self, asking: Asking) -> tuple[Asking, Any]:
        """The attempt that was answered, and its answer; raises the error of the last."""
        node = asking.node
        for number in count(1):
            attempt = asking.attempt(node)
            for request in asking.requests:
                request.node, request.attempts = node, number
            task = self._loop.create_task(self._answer(attempt))
            await self._wait(task, attempt)
            if (error := self._error(task)) is None:
                return attempt, task.result()
            if number > self._clients.retries or isinstance(error, _FATAL):
                raise error
            if wait := next(self._waits) * 2.0 ** (number - 1):
                await Until(self._loop, self._loop.time() + wait)
            node = self._readdressed(node)
        raise AssertionError("there is a last attempt, which returns or raises")

    async def _wait(self, task: asyncio.Task[Any], attempt: Asking) -> None:
        """For an answer, but not for a node that is slow to notice that nobody waits."""
        try:
            await _Patience(self._loop, task, self._clients.timeout)
        finally:
            if not task.done():
                self._give_up(task, attempt)

    def _error(self, task: asyncio.Task[Any]) -> BaseException | None:
        if not task.done():
            return TimeoutError(f"no answer within {self._clients.timeout:g} s")
        return asyncio.CancelledError() if task.cancelled() else task.exception()

    def _give_up(self, task: asyncio.Task[Any], attempt: Asking) -> None:
        """Nobody waits for the attempt any more; it is cancelled or works on."""
        for request in attempt.requests:
            request.given_up = True

        def forget(task: asyncio.Task[Any]) -> None:
            self._given_up.discard(task)
            error = None if task.cancelled() else task.exception()
            if isinstance(error, _FATAL):
                self.stop(error)

        self._given_up.add(task)
        task.add_done_callback(forget)
        if self._clients.disconnect == "cancel":
            task.cancel()

    # At the node

    async def _answer(self, asking: Asking) -> Any:
        """What the node answers: a value, or with a batch the values in their order; nothing to a write."""
        server = self._servers[asking.node]
        if server.awake is not None and (awake := server.awake(self._loop.time())) > self._loop.time():
            await Until(self._loop, awake)
            server = self._servers[asking.node]
        server.answering += 1
        try:
            if isinstance(asking, Batch):
                return await (self._store_all if asking.writes else self._get_all)(asking, server)
            CURRENT_REQUEST.set(asking)
            return await (self._store(asking, server) if asking.writes else server.get(asking.key))
        finally:
            server.answering -= 1
            if server.retired is not None and not server.answering:
                server.retired.set()

    async def _store(self, request: Request, server: Server) -> None:
        CURRENT_REQUEST.set(request)
        self._written += 1
        await server.write(request.key, {"key": request.key, "write": self._written})

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

    # The outcome

    def _answered(self, asking: Asking, attempt: Asking, answer: Any) -> None:
        answers = answer if isinstance(asking, Batch) else (answer,)
        for request, tried, value in zip(asking.requests, attempt.requests, answers, strict=True):
            request.stale = tried.stale
            if tried.not_modified:
                self._recorder.not_modified(request)
            if request.writes:
                self._recorder.written(request)
            else:
                self._recorder.ended(request, value)

    def _failed(self, asking: Asking, error: BaseException) -> None:
        if isinstance(error, _FATAL):
            self.stop(error)
        for request in asking.requests:
            self._recorder.failed(request, error)

    def stop(self, error: BaseException) -> None:
        """End the run with an error that is no outcome."""
        if not self.done.done():
            self.done.set_exception(error)


class _Patience(Until):
    """A wait for a task to end, or for a time-out (s)."""

    def __init__(self, loop: SimLoop, task: asyncio.Task[Any], timeout: float | None) -> None:
        self._loop = loop
        task.add_done_callback(lambda task: self._finish())
        if timeout is not None:
            super().__init__(loop, loop.time() + timeout)
