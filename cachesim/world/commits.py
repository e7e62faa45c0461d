"""Commits: how many versions each key has had, and when each was committed, as far back as there is room.

The version of a key is the number of its commits; that is never forgotten. Times (s) are, the oldest first, once there
are too many of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import inf

import numpy as np

__all__ = ["Commits", "History"]

_MOST = 2**17
"""Commits whose times are kept, of all keys together; the last one of each key is kept besides."""


class History:
    """The commits of one key: `times` holds those of the versions after `forgotten`.

    `writes` are the numbers of the writes among them, in rising order, and `versions` what each of them made.
    """

    __slots__ = ("forgotten", "times", "versions", "writes")

    def __init__(self) -> None:
        self.forgotten = 0
        self.times, self.writes, self.versions = array("d"), array("q"), array("q")

    def __len__(self) -> int:
        return self.forgotten + len(self.times)

    def forget(self, before: float) -> int:
        """Forget what was committed `before`, but for the last of it; returns the highest of the writes forgotten."""
        passed = bisect_left(self.times, before) - 1
        if passed <= 0:
            return 0
        self.forgotten += passed
        del self.times[:passed]
        highest, kept = 0, 0
        for write, version in zip(self.writes, self.versions, strict=True):
            if version > self.forgotten:
                self.writes[kept], self.versions[kept] = write, version
                kept += 1
            else:
                highest = write
        del self.writes[kept:], self.versions[kept:]
        return highest


class Commits(dict[str, History]):
    """The history of each key that was ever written; `most` bounds the times that are kept.

    >>> commits = Commits()
    >>> commits.add("user:1", 2.0, write=None), commits.add("user:1", 5.0, write=7)
    (1, 2)
    >>> commits.of_write("user:1", 7)
    (2, 5.0)
    >>> commits.judged("user:1", version=1, time=6.0)
    (1.0, 1.0)
    """

    def __init__(self, most: int = _MOST) -> None:
        super().__init__()
        self._most = self._room = most
        self._kept = 0
        self._last_forgotten = 0

    @property
    def are_too_many(self) -> bool:
        """Whether it is time to `forget`."""
        return self._kept > self._room

    def version_of(self, key: str) -> int:
        """The version that is committed now: 0 when the key was never written."""
        history = self.get(key)
        return 0 if history is None else len(history)

    def add(self, key: str, time: float, write: int | None) -> int:
        """A commit at `time`, of the write of that number if it has one; returns the version that it makes."""
        history = self.get(key)
        if history is None:
            history = self[key] = History()
        history.times.append(time)
        version = len(history)
        if write is not None:
            place = bisect_right(history.writes, write)  # nearly always the end
            history.writes.insert(place, write)
            history.versions.insert(place, version)
        self._kept += 1
        return version

    def of_write(self, key: str, write: int) -> tuple[int, float] | None:
        """The version that a write of `key` made, and when (s); None: it is not committed.

        Of a write that is forgotten, the last version that is forgotten, and minus infinity.
        """
        history = self.get(key)
        if history is None:
            return None
        place = bisect_right(history.writes, write) - 1
        if place >= 0 and history.writes[place] == write:
            version = history.versions[place]
            return version, history.times[version - history.forgotten - 1]
        return (history.forgotten, -inf) if history.forgotten and write <= self._last_forgotten else None

    def judged(self, key: str, version: int, time: float) -> tuple[float, float]:
        """Staleness (s) and version lag of a version of `key`, against what was committed at `time`.

        Where the first newer commit is forgotten, staleness counts from the oldest one that is known: a lower bound.
        """
        history = self[key]
        lag = max(0, history.forgotten + bisect_right(history.times, time) - version)
        return (time - history.times[max(0, version - history.forgotten)] if lag else 0.0), float(lag)

    def forget(self, before: float) -> None:
        """Forget all but the latest `most` / 2, and nothing that tells what was committed at `before` or later."""
        times, half = np.concatenate([history.times for history in self.values()]), self._most // 2
        times.partition(-half)
        before = min(before, float(times[-half]))
        for history in self.values():
            self._last_forgotten = max(self._last_forgotten, history.forget(before))
        self._kept = sum(len(history.times) for history in self.values())
        self._room = max(self._most, self._kept + half)
