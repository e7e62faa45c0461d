"""Ctrl-C stops a simulation between two of its steps; in the middle of one it would leave half a step behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cachesim.world.loop import SimLoop

__all__ = ["stopped_by_interrupt"]


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
