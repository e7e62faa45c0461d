"""What ends a simulation from outside, Ctrl-C or too much real time: between two of its steps.

In the middle of one it would leave half a step behind.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cachesim.world.loop import SimLoop, SimulationError

__all__ = ["TimeLimitExceeded", "stopped_after", "stopped_by_interrupt"]

_AGAIN = 0.05
"""Seconds after which a loop that has been started anew meanwhile is stopped again."""


class TimeLimitExceeded(SimulationError):
    """A run took longer than it may, in real time."""


@contextmanager
def stopped_by_interrupt(loop: SimLoop) -> Iterator[None]:
    """An interrupt stops `loop` and is raised when it has stopped; a second one is raised at once.

    Only in the main thread, and only where nobody else handles the signal.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        loop.stop()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except RuntimeError:
        if not interrupted:
            raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


@contextmanager
def stopped_after(time_limit: float | None, loop: SimLoop) -> Iterator[None]:
    """Stops `loop` when so many seconds of real time have passed, and raises `TimeLimitExceeded`; None: never.

    A thread watches the time: the loop itself looks at nothing more than it does anyway.
    """
    if time_limit is None:
        yield
        return
    over, exceeded = threading.Event(), False

    def watch() -> None:
        nonlocal exceeded
        patience = time_limit
        while not over.wait(patience):
            exceeded, patience = True, _AGAIN
            loop.stop()

    watcher = threading.Thread(target=watch, name="cachesim time limit", daemon=True)
    watcher.start()
    try:
        yield
    except RuntimeError:
        if not exceeded:
            raise
    finally:
        over.set()
        watcher.join()
    if exceeded:
        raise TimeLimitExceeded(
            f"took longer than {time_limit:g} s of real time; at that, {loop.time():g} s were simulated"
        )
