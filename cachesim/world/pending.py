"""Operations of the world that a task awaits and the queue ends: a future and its handle would cost two more hops."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator
from functools import partial
from heapq import heappush
from typing import TYPE_CHECKING, Any

from simpy.events import NORMAL

if TYPE_CHECKING:
    from cachesim.world.loop import SimLoop

__all__ = ["Pending", "Until"]


class Pending:
    """An operation of the world that one task awaits: asyncio sees a future, the queue wakes its task directly.

    A subclass pushes itself into the queue, implements `fire`, and ends with `_finish`. The task then runs at once if
    nothing else is due at that instant, else in the next turn, so that nobody can tell the short cut from a future.
    """

    _asyncio_future_blocking = False
    _cancelled = False
    _done = False
    _wake: Callable[[], object] | None = None
    _value: Any = None
    _error: BaseException | None = None
    _loop: SimLoop

    def fire(self) -> None:
        """What happens when the queue reaches this operation."""
        raise NotImplementedError

    def _finish(self) -> None:
        """End the operation, with what `_value` or `_error` holds, and wake who awaits it."""
        if self._done:  # its task was cancelled and has gone
            return
        self._done = True
        wake = self._wake
        if wake is not None:
            self._wake = None  # it holds this object: a cycle for each operation would keep the garbage collector busy
            loop = self._loop
            if loop._ready or loop._busy():
                loop._ready.append(wake)
            else:
                wake()

    # What a task asks of the future that it awaits.

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def get_loop(self) -> SimLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Pending], object], *, context: contextvars.Context) -> None:
        self._wake = partial(context.run, wake, self)

    def result(self) -> Any:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # it holds the frames that it passes, and one of them this object
        return self._value

    def cancel(self, msg: str | None = None) -> bool:
        """The task that awaits is cancelled; the operation itself goes on unless a subclass stops it."""
        if self._done or self._wake is None:
            return False
        self._done = True
        self._error = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._loop.wake_soon(self._wake)
        self._wake = None
        return True


class Until(Pending):
    """A moment (s) that a task awaits; of several things due then, `priority` says when it is its turn."""

    def __init__(self, loop: SimLoop, time: float, priority: int = NORMAL) -> None:
        self._loop = loop
        heappush(loop._queue, (time, priority, next(loop._next_id), self))

    @property
    def _cancelled(self) -> bool:  # type: ignore[override]
        return self._done

    def fire(self) -> None:
        self._finish()
