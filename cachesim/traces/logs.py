"""Logs, a line an operation, read block by block: lines that are of another form are counted, never fatal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.traces.files import TraceError
from cachesim.traces.records import Notes, Operations
from cachesim.traces.times import raised

__all__ = ["Log", "Row", "read_log"]

_SHOWN = 100

Row = tuple[str, ...]
"""What the groups of a log's pattern matched on one line."""


class Log(NamedTuple):
    """The form of a log."""

    name: str

    line: re.Pattern[str]
    """Matches every line just once, in multi-line mode. The first group is empty except on an operation, the last is
    empty except on a malformed line."""

    operations: Callable[[list[Row]], Operations]
    """Reads rows with a first group; a row may hold none or several. Times are as written, notes left out."""

    def knows(self, text: str) -> bool:
        """Whether a line of the text is an operation."""
        return any(row[0] for row in self.line.findall(text))


def read_log(path: Path, blocks: Iterable[bytes], log: Log) -> Iterator[Operations]:
    r"""The operations; bytes that are not UTF-8 are shown as servers write them, `\xff`.

    Raises `TraceError` when no line is an operation.
    """
    notes, latest = Notes(), -np.inf
    for block in blocks:
        text = block.decode(errors="backslashreplace").removesuffix("\n")
        rows = log.line.findall(text)
        found = log.operations([row for row in rows if row[0]])
        times = raised(found.times, latest)
        notes = _noted(notes, rows, times - found.times)
        if found.keys:
            latest = float(times[-1])
        yield found._replace(times=times, notes=notes)
    if latest == -np.inf:
        raise TraceError(f"{path}: none of its {notes.lines} line(s) is {log.name}{_example(notes)}")


def _example(notes: Notes) -> str:
    if notes.first_malformed is None:
        return ""
    number, text = notes.first_malformed
    return f"; line {number}: {text!r}"


def _noted(notes: Notes, rows: list[Row], lateness: NDArray[np.float64]) -> Notes:
    """The notes, and what was met in the next lines."""
    malformed = [number for number, row in enumerate(rows, notes.lines + 1) if row[-1]]
    first = notes.first_malformed
    if malformed and first is None:
        first = malformed[0], rows[malformed[0] - notes.lines - 1][-1][:_SHOWN]
    return Notes(
        lines=notes.lines + len(rows),
        malformed=notes.malformed + len(malformed),
        first_malformed=first,
        late=notes.late + int(np.count_nonzero(lateness)),
        late_by=max(notes.late_by, float(lateness.max(initial=0.0))),
    )
