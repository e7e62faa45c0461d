"""`Trace`: recorded requests by the names of their files, for those who open them elsewhere, or more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from cachesim.traces.files import TraceError
from cachesim.traces.reading import Format, read
from cachesim.traces.records import Requests
from cachesim.traces.times import raised

__all__ = ["Trace"]


@dataclass(frozen=True)
class Trace:
    """Recorded requests in a file, or in several that follow each other, such as the logs of many days.

    It holds no request: whoever goes through it opens the files, which must be found under the same names wherever
    that is. `format`, `key`, `time`, `size`: as `cachesim.traces.read` has them.

    >>> Trace(["access.log.1", "access.log"]).files
    (PosixPath('access.log.1'), PosixPath('access.log'))
    """

    paths: str | Path | Sequence[str | Path]
    _: KW_ONLY
    format: Format | None = None
    key: str = "key"
    time: str | None = None
    size: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in order."""
        paths = [self.paths] if isinstance(self.paths, str | Path) else self.paths
        return tuple(map(Path, paths))

    def __iter__(self) -> Iterator[Requests]:
        """The requests, piece by piece.

        The times of a file that begins before the one before it has ended are raised to that end, as happens within a
        log. Raises `TraceError` as `read` does, and for a file that begins before the one before it begins, or
        has keys of another kind.
        """
        begin = end = -np.inf
        kind = None
        for path in self.files:
            for place, piece in enumerate(self._requests(path)):
                if piece.times is not None:
                    if not place:
                        if piece.times[0] < begin:
                            raise TraceError(f"{path}: begins before the file before it does; give the earliest first")
                        begin = piece.times[0]
                    times = raised(piece.times, end)
                    piece, end = piece._replace(times=times), times[-1]
                kind = kind or type(piece.keys)
                if not isinstance(piece.keys, kind):
                    raise TraceError(f"{path}: has keys of another kind than the files before it: integers, or text")
                yield piece

    def _requests(self, path: Path) -> Iterator[Requests]:
        return read(path, format=self.format, key=self.key, time=self.time, size=self.size)

    def __str__(self) -> str:
        """The names of the files."""
        return ", ".join(map(str, self.files))
