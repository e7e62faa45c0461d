"""Operations of the world that a task awaits and the queue ends: a future and its handle would cost two more hops."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachesim.world.loop import SimLoop

__all__ = ["Pending", "Sleep"]


class Pending:
    """An operation of the world that one task awaits: asyncio sees a future, the queue wakes its task directly.

    A subclass pushes itself into the queue, implements `fire`, and ends with `_finish`. The task then runs at once if
    nothing else is due at that instant, else in the next turn, so that nobody can tell the short cut from a future.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_context", "_done", "_error", "_loop", "_value", "_wake")

    def __init__(self, loop: SimLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._wake: Callable[[Pending], object] | None = None
        self._context: contextvars.Context | None = None
        self._done = False
        self._cancelled = False
        self._value: Any = None
        self._error: BaseException | None = None

    def fire(self) -> None:
        """What happens when the queue reaches this operation."""
        raise NotImplementedError

    def _finish(self) -> None:
        """End the operation, with what `_value` or `_error` holds, and wake who awaits it."""
        if self._done:  # its task was cancelled and has gone
            return
        self._done = True
        if self._wake is not None:
            loop = self._loop
            if loop._busy():
                loop._ready.append(self)
            else:
                self._run()

    def _run(self) -> None:
        assert self._context is not None
        self._context.run(self._wake, self)  # type: ignore[arg-type]

    # What a task asks of the future that it awaits.

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def get_loop(self) -> SimLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Pending], object], *, context: contextvars.Context) -> None:
        self._wake, self._context = wake, context

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self, msg: str | None = None) -> bool:
        """The task that awaits is cancelled; the operation itself goes on unless a subclass stops it."""
        if self._done:
            return False
        self._done = True
        self._error = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._loop._ready.append(self)
        return True


class Sleep(Pending):
    """`asyncio.sleep`, without the future and the handle."""

    __slots__ = ()

    def __init__(self, loop: SimLoop, delay: float) -> None:
        super().__init__(loop)
        loop._push(delay, self)

    def fire(self) -> None:
        self._finish()

    def cancel(self, msg: str | None = None) -> bool:
        self._cancelled = True
        self._loop._timer_handle_cancelled(self)
        return super().cancel(msg)
