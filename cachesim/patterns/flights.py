"""Loads under way: shared by all who ask meanwhile (single flight), and forbidden to store once invalidated.

Three tables of the obvious kind go wrong in known ways. A lock per key is never removed, or removed while somebody
waits for it; here a flight is removed by identity when it ends. Awaiting the leader's task cancels it with the first
caller who leaves; here the load is a task of its own, and is cancelled when the last one leaves. And a load that began
before an invalidation overwrites it; here it carries a `Ticket`, which the invalidation spoils.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["Flights", "Ticket"]


class Ticket:
    """The right of one load to store its result."""

    __slots__ = ("valid",)

    def __init__(self) -> None:
        self.valid = True


Load = Callable[[Ticket], Awaitable[Any]]


class Flight:
    """One load under way and those who wait for it, in order."""

    __slots__ = ("task", "waiters")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.waiters: dict[asyncio.Future[Any], None] = {}


class Flights:
    """The loads under way in this process, by key; empty when nothing is."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._tickets: dict[str, dict[Ticket, None]] = {}

    def __len__(self) -> int:
        return len(self._flights) + len(self._tickets)

    def under_way(self, key: str) -> bool:
        """Whether a caller would join a load rather than start one."""
        return key in self._flights

    def invalidate(self, key: str) -> None:
        """From now on nobody joins a load of `key` begun before, and none of those stores its result."""
        self._flights.pop(key, None)
        for ticket in self._tickets.get(key, ()):
            ticket.valid = False

    async def alone(self, key: str, load: Load) -> Any:
        """Load for this caller only."""
        ticket = Ticket()
        self._tickets.setdefault(key, {})[ticket] = None
        try:
            return await load(ticket)
        finally:
            tickets = self._tickets[key]
            del tickets[ticket]
            if not tickets:
                del self._tickets[key]

    async def share(self, key: str, load: Load) -> Any:
        """Wait for the load of `key` under way, or start it. Its result, or its failure, goes to all who wait."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight()
            flight.task = asyncio.get_running_loop().create_task(self._fly(key, flight, load))
        waiter = asyncio.get_running_loop().create_future()
        flight.waiters[waiter] = None
        try:
            return await waiter
        finally:
            del flight.waiters[waiter]
            assert flight.task is not None
            if not flight.waiters and not flight.task.done():
                self._remove(key, flight)
                flight.task.cancel()

    async def _fly(self, key: str, flight: Flight, load: Load) -> None:
        value, error = None, None
        try:
            value = await self.alone(key, load)
        except asyncio.CancelledError:
            if not flight.waiters:
                raise
            error = RuntimeError(f"the load of {key!r} was cancelled from within")
        except Exception as failure:
            error = failure
        finally:
            self._remove(key, flight)
        for waiter in flight.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(value)
            else:
                waiter.set_exception(error)

    def _remove(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
