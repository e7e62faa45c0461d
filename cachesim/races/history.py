"""What is known of a run: who asked, loaded and wrote what, in which order. The promises are held against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from cachesim.races.loop import ScheduledLoop
from cachesim.world.recorder import Recorder
from cachesim.world.requests import Request

__all__ = [
    "Acknowledged",
    "Arrived",
    "Committed",
    "Delivered",
    "Ended",
    "Event",
    "Executed",
    "History",
    "Left",
    "LoadBegan",
    "LoadEnded",
    "Replied",
    "TimePassed",
    "Witness",
]


class Arrived(NamedTuple):
    """A request arrives; `actor` is its number."""

    actor: int
    keys: tuple[str, ...]
    node: int
    writes: bool
    time: float


class Ended(NamedTuple):
    """A request for `key` has its outcome: a value of some version (None: it does not say), or an error."""

    actor: int
    key: str
    version: int | None
    error: BaseException | None
    time: float


class LoadBegan(NamedTuple):
    """A cache asks the database for a key; `number` tells loads apart."""

    actor: int
    key: str
    node: int
    number: int
    time: float


class LoadEnded(NamedTuple):
    """The cache has the answer, of that version, or has left (None)."""

    actor: int
    number: int
    version: int | None


class Committed(NamedTuple):
    """The database has a new version of a key."""

    actor: int
    key: str
    version: int


class Acknowledged(NamedTuple):
    """A cache has done what a write asks of it: it has forgotten a key, or (`kept`) taken what was written.

    `version`: what was committed when it was asked to forget, or what was written.
    """

    actor: int
    key: str
    version: int
    kept: bool


class Left(NamedTuple):
    """A client leaves, and its request is cancelled."""

    actor: int


class TimePassed(NamedTuple):
    """So many seconds pass for everybody."""

    seconds: float


class Executed(NamedTuple):
    """Redis executes a command of an actor; what it said, and what was answered. Noted only where a run is traced."""

    actor: int
    command: str
    reply: str


class Replied(NamedTuple):
    """The reply to a command arrives; `error`: what the client raises in its place."""

    actor: int
    command: str
    error: str


class Delivered(NamedTuple):
    """Something arrives over a connection, at Redis (None) or at a node."""

    actor: int
    node: int | None
    content: str


Event = (
    Arrived
    | Ended
    | LoadBegan
    | LoadEnded
    | Committed
    | Acknowledged
    | Left
    | TimePassed
    | Executed
    | Replied
    | Delivered
)


@dataclass
class History:
    """One run, as far as promises go.

    `events`: in order. `open`: the requests that have no outcome though nothing is left to happen, or too much has
    happened. `held`: how many locks, futures and tasks the caches hold at rest beyond those that they began with.
    """

    events: list[Event] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    held: int = 0


class Witness(Recorder):
    """A recorder that writes the history of a run."""

    def __init__(self, loop: ScheduledLoop, events: list[Event]) -> None:
        super().__init__(loop.env, start=0.0, end=inf, tables=False)
        self.events, self._loop = events, loop
        self._asked = 0
        self.actors: dict[Request, int] = {}
        self.deletes: dict[int, int] = {}  # of each actor the last in Redis: how many events there were before

    @property
    def now(self) -> float:
        """The time (s)."""
        return self._env._now

    def numbers(self, n: int) -> Sequence[int]:
        """The numbers of the next `n` loads that caches ask for."""
        self._asked += n
        return range(self._asked - n + 1, self._asked + 1)

    def ended(self, request: Request, value: Any, outcome: int = 0) -> None:
        version = self.version_of(request.key, value)
        self._over(request, version, None)

    def failed(self, request: Request, error: BaseException | None) -> None:
        self._over(request, None, error)

    def written(self, request: Request) -> None:
        self._over(request, None, None)

    def _over(self, request: Request, version: int | None, error: BaseException | None) -> None:
        del self.open[request]
        actor = self.actors[request]
        if actor in self._loop.leaving:
            self._loop.leaving.remove(actor)
        self.events.append(Ended(actor, request.key, version, error, self._env._now))

    def committed(self, key: str, value: Any) -> int:
        version = super().committed(key, value)
        self.events.append(Committed(self._loop.actor, key, version))
        return version

    def committed_before(self, place: int, key: str) -> int:
        """The version of a key that was committed before the event of that number."""
        events = self.events[:place]
        return max((event.version for event in events if isinstance(event, Committed) and event.key == key), default=0)

    def version_of(self, key: str, value: Any) -> int | None:
        """The version of a key that a value is, if it is a row or was written by the world."""
        if type(value) is not dict:
            return None
        version = value.get("version")
        return version if type(version) is int else self._of_write(key, value)[0]
