"""What goes wrong, and when: each class is a setting; what it does stands where it does it. Times in seconds.

A fault with a *window* lasts from `start` for `duration`, its end not included; without a duration, for the rest of the
run. Its defaults are the whole run.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from cachesim.settings import Family, Positive, Seconds, Share
from cachesim.world.latency import SecondsOrLatency

__all__ = [
    "DatabaseDown",
    "DatabaseErrors",
    "DatabaseSlow",
    "Deploy",
    "Fault",
    "Flush",
    "MessageLoss",
    "NodePause",
    "RedisDown",
    "RedisSlow",
    "Window",
    "covering",
    "of_kind",
    "resumed",
]


class Fault(Family):
    """Something that goes wrong in a run."""


class Window(Fault):
    """A fault that lasts from `start` for `duration` s."""

    start: Seconds = 0.0
    duration: Positive | None = None

    @property
    def end(self) -> float:
        """When it is over (s)."""
        return inf if self.duration is None else self.start + self.duration

    def covers(self, time: float) -> bool:
        """Whether it goes on at `time`."""
        return self.start <= time < self.end


class RedisDown(Window):
    """Redis is away, and comes back with what it held.

    "refuse": a command that would be executed then is not, and its caller is told by redis-py's `ConnectionError`;
    connections break. "hang": nothing is executed before the end, and callers wait, at most the `timeout` of `Redis`.
    """

    mode: Literal["refuse", "hang"] = Field(default="refuse")


class RedisSlow(Window):
    """Each round trip to Redis that begins then takes `added` more: seconds, or a latency to draw them from."""

    added: SecondsOrLatency


class DatabaseSlow(Window):
    """The database works `factor` times slower, at what it has begun as well.

    Where windows of a slow or a standing database overlap, the slowest counts.
    """

    factor: Annotated[float, Field(ge=1)]


class DatabaseDown(Window):
    """The database stands still: what it has begun rests, what is issued waits, and all goes on at the end."""


class DatabaseErrors(Window):
    """A `share` of the queries that end then fail with `DatabaseError`, after their full service."""

    share: Share


class MessageLoss(Window):
    """A `share` of the pub/sub messages that Redis sends then is lost, each to each subscriber by itself."""

    share: Share


class NodePause(Window):
    """A node stands still: requests, replies and messages that arrive at it then are held until the end.

    So is what its timers would send to Redis. `node` counts from 0.
    """

    node: Annotated[int, Field(ge=0)] = 0


class Flush(Fault):
    """Redis is emptied `at` a time."""

    at: Seconds


class Deploy(Fault):
    """The nodes restart one by one, the first `at` a time and then one `every` so many seconds.

    A node that restarts has a new cache, made by the same factory; the requests that are open at it are still answered
    by the old one.
    """

    at: Seconds
    every: Seconds = 0.0


F = TypeVar("F", bound=Fault)
W = TypeVar("W", bound=Window)


def of_kind(faults: Sequence[Fault], kind: type[F]) -> tuple[F, ...]:
    """The faults of one kind, in their order."""
    return tuple(fault for fault in faults if isinstance(fault, kind))


def covering(windows: Sequence[W], time: float) -> W | None:
    """The first window that goes on at `time`."""
    return next((window for window in windows if window.covers(time)), None)


def resumed(windows: Sequence[Window], time: float) -> float:
    """The first moment from `time` on that no window covers; infinite if there is none.

    >>> resumed([DatabaseDown(start=1, duration=2), DatabaseDown(start=2, duration=3)], 1.5)
    5.0
    """
    while (window := covering(windows, time)) is not None:
        time = window.end
    return time
