"""A world in which nothing happens any more, or everything at one instant: errors that name who waits, and where."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any

from cachesim.world.clock import SimulationError

__all__ = ["DeadlockError", "deadlock", "livelock"]


class DeadlockError(SimulationError):
    """Nothing is left to happen, but tasks still wait; the message names them and where they wait."""


def deadlock(loop: asyncio.AbstractEventLoop) -> DeadlockError:
    """What to raise when nothing is left to happen."""
    return DeadlockError(f"nothing is left to happen at {loop.time():g} s, but {_waiting(loop)}")


def livelock(loop: asyncio.AbstractEventLoop, turns: int) -> SimulationError:
    """What to raise when time stands still after so many turns."""
    return SimulationError(
        f"{turns:,} turns at {loop.time():g} s, and time does not move: something asks again and again without "
        f"waiting, as `while ...: await asyncio.sleep(0)` does; {_waiting(loop)}"
    )


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    waiting = (task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task(loop))
    tasks = sorted(f"{task.get_name()} at {_where(task.get_coro())}" for task in waiting)
    return f"{len(tasks)} task(s) still wait: " + "; ".join(tasks[:10]) + ("; ..." if len(tasks) > 10 else "")


def _where(coroutine: Any) -> str:
    """The innermost line at which a suspended coroutine waits."""
    place = "its start"
    while isinstance(coroutine, CoroutineType) and coroutine.cr_frame is not None:
        code = coroutine.cr_frame.f_code
        place = f"{code.co_filename.rsplit('/', 1)[-1]}:{coroutine.cr_frame.f_lineno} in {code.co_qualname}"
        coroutine = coroutine.cr_await
    return place
