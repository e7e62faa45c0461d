"""One clock for code that asks the `time` module: simulated in the simulating thread, real in all others.

Vocabulary: *simulated time* is in seconds and starts at 0. While a simulation runs, `time.time`, `time.monotonic`,
`time.perf_counter` and their `_ns` forms tell it, so libraries under test need no change. `time.sleep` would stop the
one thread that moves simulated time, so there it is an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import simpy

__all__ = ["SimulationError", "simulated_time"]


class SimulationError(RuntimeError):
    """The simulated world was asked for something that it has not; the message says what to use instead."""


_SECONDS = ("time", "monotonic", "perf_counter")
_NANOSECONDS = ("time_ns", "monotonic_ns", "perf_counter_ns")

_thread = threading.local()
_lock = threading.Lock()
_real: dict[str, Callable[..., Any]] = {}
_running = 0


def _seconds(real: Callable[[], float]) -> Callable[[], float]:
    def tell() -> float:
        env = getattr(_thread, "env", None)
        return real() if env is None else float(env.now)

    return tell


def _nanoseconds(real: Callable[[], int]) -> Callable[[], int]:
    def tell() -> int:
        env = getattr(_thread, "env", None)
        return real() if env is None else round(env.now * 1e9)

    return tell


def _sleep(real: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if getattr(_thread, "env", None) is not None:
            raise SimulationError("time.sleep would stop simulated time for everybody; use `await asyncio.sleep(...)`")
        real(seconds)

    return sleep


def _install() -> None:
    global _running
    with _lock:
        _running += 1
        if _running == 1:
            for names, dispatcher in ((_SECONDS, _seconds), (_NANOSECONDS, _nanoseconds), (("sleep",), _sleep)):
                for name in names:
                    _real[name] = getattr(time, name)
                    setattr(time, name, dispatcher(_real[name]))


def _uninstall() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running == 0:
            for name, real in _real.items():
                setattr(time, name, real)


@contextmanager
def simulated_time(env: simpy.Environment) -> Iterator[None]:
    """Let the `time` module tell `env.now` in this thread for as long as the block runs.

    >>> env = simpy.Environment(initial_time=3)
    >>> with simulated_time(env):
    ...     time.time(), time.monotonic_ns()
    (3.0, 3000000000)
    """
    outer = getattr(_thread, "env", None)
    _install()
    _thread.env = env
    try:
        yield
    finally:
        _thread.env = outer
        _uninstall()
