"""The keys, or the times, of a recorded stream one by one, as a scenario replays them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from cachesim.traces.files import TraceError, texts
from cachesim.traces.reading import read, recognised
from cachesim.traces.times import require_rising

__all__ = ["read_keys", "read_times"]


def read_keys(path: str | Path) -> Iterator[str]:
    """The keys of a recorded stream of any format, one for each request; reads the file block by block.

    Raises `TraceError` when the file is missing, empty, cut off or not of its format.
    """
    for piece in read(path):
        yield from piece.keys if isinstance(piece.keys, list) else map(str, piece.keys.tolist())


def read_times(path: str | Path) -> Iterator[float]:
    """The times in seconds of a recorded stream, never falling; the first may be any time.

    Those of a log, or of a table with a column `time`; of a plain text, one time a line.

    Raises `TraceError` when the file is missing or empty, or a line is not a finite time at or after the one before.
    """
    path = Path(path)
    format, content = recognised(path, None)
    if format == "text":
        yield from _listed(path, content)
        return
    for piece in read(path, format=format):
        if piece.times is None:
            raise TraceError(f"{path}: tells no times")
        yield from piece.times.tolist()


def _listed(path: Path, blocks: Iterable[bytes]) -> Iterator[float]:
    """One time a line."""
    last = -np.inf
    for start, text in texts(path, blocks):
        told = {number: time for number, line in enumerate(text.split("\n"), start) if (time := line.strip())}
        times = np.array([_seconds(path, number, time) for number, time in told.items()])
        require_rising(path, times, last, read=list(told.values()), number=list(told).__getitem__)
        yield from times.tolist()
        last = times[-1] if told else last


def _seconds(path: Path, number: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise TraceError(f"{path}, line {number}: {text!r} is not a time in seconds") from None
