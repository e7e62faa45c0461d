"""Where an event loop already runs, as in Jupyter, a simulation runs in a thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["where_no_loop_runs"]

T = TypeVar("T")


def where_no_loop_runs(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """What `work` returns, here or in another thread; an interrupt meanwhile calls `stop`, and then is raised.

    (Python 3.14 refuses to enter a task inside another.)
    """
    if asyncio._get_running_loop() is None:
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="cachesim") as pool:
        future = pool.submit(contextvars.copy_context().run, work)
        try:
            return future.result()
        except BaseException:
            stop()
            raise
