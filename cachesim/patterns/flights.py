"""Loads under way: shared by all who ask meanwhile (single flight), and forbidden to store once invalidated.

Four ways to do it go wrong. A lock per key is never removed, or removed while somebody waits for it; here a flight is
removed by identity when it ends. Awaiting the leader's own task cancels everybody with the first caller who leaves;
here the load is a task of its own, cancelled when the last one leaves. A load that began before an invalidation
overwrites it; here it carries a `Ticket`, which the invalidation spoils. And a write cut short may be on the wire all
the same, to arrive after one that it should precede; here a write once begun is carried through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

__all__ = ["Flights", "Ticket"]


class Ticket:
    """The right of one load or write to leave a value behind, until an invalidation takes it away."""

    valid = True


class Flight(Ticket):
    """A load or write in a task of its own, and the futures of those who wait for it, in order.

    Once `landing`, that is writing, it is not cancelled any more.
    """

    landing = False

    def __init__(self) -> None:
        self.waiters: dict[asyncio.Future[Any], None] = {}
        self.task: asyncio.Task[None] | None = None


Work = Callable[[Ticket], Awaitable[Any]]


def _writes(tickets: Iterable[Ticket]) -> list[asyncio.Task[None]]:
    flights = [ticket for ticket in tickets if isinstance(ticket, Flight) and ticket.landing]
    return [flight.task for flight in flights if flight.task is not None]


class Flights:
    """What is under way in this process, by key; empty when nothing is."""

    def __init__(self) -> None:
        self._shared: dict[str, Flight] = {}
        self._apart: dict[str, dict[Ticket, None]] = {}  # what nobody joins: loads alone or invalidated, and writes

    def __len__(self) -> int:
        return len(self._shared) + sum(map(len, self._apart.values()))

    def __contains__(self, key: str) -> bool:
        """Whether a caller would join a load rather than start one."""
        return key in self._shared

    def invalidate(self, key: str) -> None:
        """From now on nobody joins a load of `key` begun before, and none of those leaves a value behind."""
        if (flight := self._shared.pop(key, None)) is not None:
            self._set_apart(key, flight)
        for ticket in self._apart.get(key, ()):
            ticket.valid = False

    async def alone(self, key: str, load: Work) -> Any:
        """Load for this caller only, in its own task."""
        ticket = Ticket()
        self._set_apart(key, ticket)
        try:
            return await load(ticket)
        finally:
            self._remove(key, ticket)

    def share(self, key: str, load: Work) -> Awaitable[Any]:
        """Wait for the load of `key` under way, or start it. Its result, or its failure, goes to all who wait."""
        flight = self._shared.get(key)
        if flight is not None:
            return self._board(key, flight)
        flight = self._shared[key] = Flight()
        return self._board(key, flight, load)

    def land(self, key: str, ticket: Ticket, write: Work) -> Awaitable[None]:
        """Write what was loaded under `ticket`, to the end even if all who wait for it leave."""
        if isinstance(ticket, Flight):
            ticket.landing = True
            return write(ticket)
        return self._carry(key, write)  # alone, in the task of a caller who may be cancelled

    async def write(self, key: str, write: Work) -> None:
        """Invalidate `key` and write, to the end even if the caller leaves.

        Returns when no write begun before can arrive any more: each has found its ticket spoiled, and tidied up.
        """
        self.invalidate(key)
        before = _writes(self._apart.get(key, ()))
        await self._carry(key, write)
        if before:
            await asyncio.wait(before)

    async def landed(self) -> None:
        """Wait for everything that is being written now."""
        apart = [ticket for tickets in self._apart.values() for ticket in tickets]
        if writes := _writes([*self._shared.values(), *apart]):
            await asyncio.wait(writes)

    def _carry(self, key: str, write: Work) -> Awaitable[None]:
        flight = Flight()
        flight.landing = True
        self._set_apart(key, flight)
        return self._board(key, flight, write)

    async def _board(self, key: str, flight: Flight, work: Work | None = None) -> Any:
        """Wait for a flight; who brings its work starts it."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        flight.waiters[waiter] = None  # before the start: the work of an eager task may end at once
        if work is not None:
            flight.task = loop.create_task(self._fly(key, flight, work))
        try:
            return await waiter
        except asyncio.CancelledError:
            del flight.waiters[waiter]
            if not flight.waiters and not flight.landing and flight.task is not None:
                flight.valid = False
                self._remove(key, flight)
                flight.task.cancel()
            raise

    async def _fly(self, key: str, flight: Flight, work: Work) -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = await work(flight)
        except GeneratorExit:  # the loop is gone, and with it everybody who could be told
            raise
        except BaseException as failure:  # not only Exception (pytest's outcomes are none): nobody is to wait forever
            error = failure
        self._remove(key, flight)
        stopped = isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit)
        told = RuntimeError(f"the task that worked on {key!r} was stopped") if stopped else error
        for waiter in flight.waiters:
            if waiter.done():  # cancelled at this very moment
                continue
            if told is None:
                waiter.set_result(value)
            else:
                waiter.set_exception(told)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    def _set_apart(self, key: str, ticket: Ticket) -> None:
        self._apart.setdefault(key, {})[ticket] = None

    def _remove(self, key: str, ticket: Ticket) -> None:
        """Take a load out of the tables; one begun since under the same key stays."""
        if self._shared.get(key) is ticket:
            del self._shared[key]
        elif ticket in (apart := self._apart.get(key, {})):
            del apart[ticket]
            if not apart:
                del self._apart[key]
