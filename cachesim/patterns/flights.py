"""Loads under way: shared by all who ask meanwhile (single flight), and forbidden to store once invalidated.

Four ways to do it go wrong. A lock per key is never removed, or removed while somebody waits for it; here a flight is
removed by identity when it ends. Awaiting the leader's own task cancels everybody with the first caller who leaves;
here the load is a task of its own, cancelled when the last one leaves. A load that began before an invalidation
overwrites it; here it carries a `Ticket`, which the invalidation spoils. And a write cut short may be on the wire all
the same, to arrive after one that it should precede; here a write once begun is carried through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

__all__ = ["Flight", "Flights", "Ticket"]


class Flight:
    """A load or write in a task of its own, and the futures of those who wait for it, in order.

    Once `landing`, that is writing, it is not cancelled any more; in the `background` it never is. The result of a load
    of `many` keys is a mapping.
    """

    landing = background = many = False

    def __init__(self) -> None:
        self.waiters: dict[asyncio.Future[Any], None] = {}
        self.tickets: list[Ticket] = []
        self.task: asyncio.Task[None] | None = None


class Ticket:
    """The right of one load or write to leave a value of `key` behind, until an invalidation takes it away.

    `lease` is the same right among processes, where a server keeps it; None: there is none. A ticket without a flight
    is used in the task of a caller, who may be cancelled. `number` counts the loads that others may join.
    """

    valid = True

    def __init__(self, key: str, lease: bytes | None = None, flight: Flight | None = None, number: int = 0) -> None:
        self.key, self.lease, self.flight, self.number = key, lease, flight, number
        if flight is not None:
            flight.tickets.append(self)


Work = Callable[[Ticket], Awaitable[Any]]
ManyWork = Callable[[Sequence[Ticket]], Awaitable[Mapping[str, Any]]]


class Flights:
    """What is under way in this process, by key; empty when nothing is.

    `in_background`: how many loads nobody waits for. `departures`: how many loads that others may join have begun.
    """

    def __init__(self) -> None:
        self.in_background = self.departures = 0
        self._shared: dict[str, Ticket] = {}
        self._apart: dict[str, dict[Ticket, None]] = {}  # what nobody joins: loads alone or invalidated, and writes

    def __len__(self) -> int:
        return len(self._shared) + sum(map(len, self._apart.values()))

    def keys(self) -> list[str]:
        """The keys for which something is under way."""
        return [*self._shared, *self._apart]

    def joinable(self, key: str, lease: bytes | None = None, since: float = inf) -> Flight | None:
        """The load of `key` that a caller would join rather than start one.

        Who holds a lease joins a load under the same one, or one that is younger than itself: `since` is what
        `departures` was when this caller came. Any other may have begun before a delete elsewhere that this caller has
        seen done.
        """
        ticket = self._shared.get(key)
        if ticket is None or not (lease is None or lease == ticket.lease or ticket.number > since):
            return None
        return ticket.flight

    def invalidate(self, key: str) -> None:
        """From now on nobody joins a load of `key` begun before, and none of those leaves a value behind."""
        if (ticket := self._shared.pop(key, None)) is not None:
            self._set_apart(ticket)
        for ticket in self._apart.get(key, ()):
            ticket.valid = False

    def overtake(self, key: str) -> None:
        """The same for loads alone: what is being written stays as it is."""
        if (ticket := self._shared.pop(key, None)) is not None:
            self._set_apart(ticket)
        for ticket in self._apart.get(key, ()):
            if ticket.flight is None or not ticket.flight.landing:
                ticket.valid = False

    async def alone(self, key: str, load: Work, lease: bytes | None = None) -> Any:
        """Load for this caller only, in its own task."""
        ticket = Ticket(key, lease)
        self._set_apart(ticket)
        try:
            return await load(ticket)
        finally:
            self._remove(ticket)

    def share(self, key: str, load: Work, lease: bytes | None = None, since: float = inf) -> Awaitable[Any]:
        """Wait for the load of `key` under way, or start it. Its result, or its failure, goes to all who wait."""
        if (flight := self.joinable(key, lease, since)) is not None:
            return self._board(key, flight)
        flight = Flight()
        return self._board(key, flight, partial(load, self._depart(flight, key, lease)))

    async def share_many(
        self, leases: Mapping[str, tuple[bytes | None, float]], load: ManyWork, *, joins: bool = True
    ) -> dict[str, Any]:
        """Wait for the loads of all these keys; one load serves those that none is under way for, or all of them.

        For each key its lease, and what `departures` was when its caller came.
        """
        own = Flight()
        own.many = True
        flights = {key: (joins and self.joinable(key, *lease)) or own for key, lease in leases.items()}
        for key, flight in flights.items():
            if flight is own and joins:
                self._depart(own, key, leases[key][0])
            elif flight is own:
                self._set_apart(Ticket(key, leases[key][0], own))
        waiters = {flight: self._enter(flight) for flight in dict.fromkeys(flights.values())}
        if own in waiters:
            self._start(own, partial(load, own.tickets))
        try:
            results = {flight: await waiter for flight, waiter in waiters.items()}
        except BaseException:
            for flight, waiter in waiters.items():
                self._leave(flight, waiter)
            raise
        return {key: _part(flight, key, results[flight]) for key, flight in flights.items()}

    def launch(self, key: str, load: Work, lease: bytes | None = None, *, background: bool = True) -> None:
        """Start a load that nobody waits for, though others may join; in the background it runs to its end."""
        flight = Flight()
        flight.background = background
        self.in_background += background
        self._start(flight, partial(load, self._depart(flight, key, lease)))

    def land(self, ticket: Ticket, write: Work) -> Awaitable[Any]:
        """Write what was loaded under `ticket`, to the end even if all who wait for it leave."""
        if ticket.flight is None:
            return self.carry(ticket.key, write, ticket.lease)
        ticket.flight.landing = True
        return write(ticket)

    async def write(self, key: str, write: Work) -> Any:
        """Invalidate `key` and write, to the end even if the caller leaves.

        Returns when no write begun before can arrive any more: each has found its ticket spoiled, and tidied up. (What
        was loaded under a lease may still arrive, but comes too late without it.)
        """
        self.invalidate(key)
        before = _landing(ticket for ticket in self._apart.get(key, ()) if ticket.lease is None)
        result = await self.carry(key, write)
        if before:
            await asyncio.wait(before)
        return result

    def carry(self, key: str, write: Work, lease: bytes | None = None) -> Awaitable[Any]:
        """Write, to the end even if the caller leaves."""
        flight = Flight()
        return self._board(key, flight, self._landing(key, flight, write, lease))

    def send(self, key: str, write: Work) -> None:
        """Write without waiting for it."""
        flight = Flight()
        self._start(flight, self._landing(key, flight, write, None))

    def _landing(self, key: str, flight: Flight, write: Work, lease: bytes | None) -> Callable[[], Awaitable[Any]]:
        flight.landing = True
        ticket = Ticket(key, lease, flight)
        self._set_apart(ticket)
        return partial(write, ticket)

    async def landed(self) -> None:
        """Wait for everything that is being written now, and for all that goes on in the background."""
        apart = [ticket for tickets in self._apart.values() for ticket in tickets]
        tickets = [*self._shared.values(), *apart]
        background = [t.flight.task for t in tickets if t.flight is not None and t.flight.background]
        if tasks := [*_landing(tickets), *(task for task in background if task is not None)]:
            await asyncio.wait(tasks)

    async def _board(self, key: str, flight: Flight, work: Callable[[], Awaitable[Any]] | None = None) -> Any:
        """Wait for a flight; who brings its work starts it."""
        waiter = self._enter(flight)  # before the start: the work of an eager task may end at once
        if work is not None:
            self._start(flight, work)
        try:
            return _part(flight, key, await waiter)
        except asyncio.CancelledError:
            self._leave(flight, waiter)
            raise

    @staticmethod
    def _enter(flight: Flight) -> asyncio.Future[Any]:
        waiter = asyncio.get_running_loop().create_future()
        flight.waiters[waiter] = None
        return waiter

    def _leave(self, flight: Flight, waiter: asyncio.Future[Any]) -> None:
        """The last one to leave ends a flight that can still be ended."""
        flight.waiters.pop(waiter, None)
        if waiter.done() and not waiter.cancelled():
            waiter.exception()  # nobody else will take it
        if flight.waiters or flight.landing or flight.background or flight.task is None:
            return
        for ticket in flight.tickets:
            ticket.valid = False
            self._remove(ticket)
        flight.task.cancel()

    def _start(self, flight: Flight, work: Callable[[], Awaitable[Any]]) -> None:
        flight.task = asyncio.get_running_loop().create_task(self._fly(flight, work))

    async def _fly(self, flight: Flight, work: Callable[[], Awaitable[Any]]) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = await work()
        except GeneratorExit:  # the loop is gone, and with it everybody who could be told
            raise
        except BaseException as failure:  # not only Exception (pytest's outcomes are none): nobody is to wait forever
            error = failure
        tickets, flight.tickets = flight.tickets, []  # they hold each other: work for the garbage collector
        for ticket in tickets:
            self._remove(ticket)
        self.in_background -= flight.background
        stopped = isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit)
        told = RuntimeError(f"the task that worked on {tickets[0].key!r} was stopped") if stopped else error
        for waiter in flight.waiters:
            if waiter.done():  # cancelled at this very moment
                continue
            if told is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(told)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    def _depart(self, flight: Flight, key: str, lease: bytes | None) -> Ticket:
        """Make a load the one that is joined; one under way under another lease goes on apart."""
        if (other := self._shared.pop(key, None)) is not None:
            self._set_apart(other)
        self.departures += 1
        ticket = self._shared[key] = Ticket(key, lease, flight, self.departures)
        return ticket

    def _set_apart(self, ticket: Ticket) -> None:
        self._apart.setdefault(ticket.key, {})[ticket] = None

    def _remove(self, ticket: Ticket) -> None:
        """Take a load out of the tables; one begun since under the same key stays."""
        key = ticket.key
        if self._shared.get(key) is ticket:
            del self._shared[key]
        elif ticket in (apart := self._apart.get(key, {})):
            del apart[ticket]
            if not apart:
                del self._apart[key]


def _landing(tickets: Iterable[Ticket]) -> list[asyncio.Task[None]]:
    """The tasks that write; each once."""
    flights = dict.fromkeys(ticket.flight for ticket in tickets if ticket.flight is not None)
    return [flight.task for flight in flights if flight.landing and flight.task is not None]


def _part(flight: Flight, key: str, result: Any) -> Any:
    return result[key] if flight.many else result
