"""One clock for code that asks the `time` module: simulated in the simulating thread, real in all others.

Vocabulary: *simulated time* is in seconds and starts at 0. While a simulation runs, `time.time`, `time.monotonic`,
`time.perf_counter` and their `_ns` forms tell it, so libraries under test need no change. `time.sleep` would stop the
one thread that moves simulated time, and a thread that is started would not know of it: there both are errors. A module
that has bound `datetime` or a function of `time` by name must be named: `redirect_clocks`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from types import ModuleType
from typing import Any

import simpy

__all__ = ["SimulationError", "redirect_clocks", "simulated_time"]


class SimulationError(RuntimeError):
    """The simulated world was asked for something that it has not; the message says what to use instead."""


_SECONDS = ("time", "monotonic", "perf_counter")
_NANOSECONDS = ("time_ns", "monotonic_ns", "perf_counter_ns")

_thread = threading.local()
_lock = threading.Lock()
_real: list[Callable[..., Any]] = []
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


def _start(real: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def start(thread: threading.Thread) -> None:
        own = thread.name.startswith("cachesim")  # a simulation in a simulation has a thread of its own
        if getattr(_thread, "env", None) is not None and not own:
            message = "a simulation has no real threads; call the function directly, or make it `async def`"
            raise SimulationError(message)
        real(thread)

    return start


_DISPATCHERS: list[tuple[Any, str, Callable[[Any], Any]]] = [
    *((time, name, _seconds) for name in _SECONDS),
    *((time, name, _nanoseconds) for name in _NANOSECONDS),
    (time, "sleep", _sleep),
    (threading.Thread, "start", _start),
]


def _install() -> None:
    global _running
    with _lock:
        _running += 1
        if _running == 1:
            for place, name, dispatcher in _DISPATCHERS:
                _real.append(getattr(place, name))
                setattr(place, name, dispatcher(_real[-1]))


def _uninstall() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running == 0:
            for (place, name, _), real in zip(_DISPATCHERS, _real, strict=True):
                setattr(place, name, real)
            _real.clear()


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


class _Datetime(datetime):
    """A `datetime` whose present is simulated in the simulating thread; what it returns are plain ones."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        env = getattr(_thread, "env", None)
        return datetime.now(tz) if env is None else datetime.fromtimestamp(env.now, tz)

    @classmethod
    def utcnow(cls) -> datetime:  # type: ignore[override]
        return cls.now(UTC).replace(tzinfo=None)


_REDIRECTED: dict[Any, Any] = {
    datetime: _Datetime,
    **{function: _seconds(function) for function in (time.time, time.monotonic, time.perf_counter)},
}


def redirect_clocks(module: ModuleType) -> None:
    """Let what `module` has imported by name, as in `from datetime import datetime`, tell simulated time too.

    For good, but only in a simulating thread: in all others they tell real time as before.
    """
    for name, value in list(vars(module).items()):
        if isinstance(value, Hashable) and value in _REDIRECTED:
            setattr(module, name, _REDIRECTED[value])
