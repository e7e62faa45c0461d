"""Requests in text tables (RFC 4180): commas, semicolons or tabs between columns, which the header names.

The header is the first line that is not blank; what it has most of stands between columns.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.traces.columns import Columns
from cachesim.traces.files import TraceError, texts
from cachesim.traces.records import Requests
from cachesim.traces.times import require_rising

__all__ = ["read_comma_separated"]

_SEPARATORS = ",;\t"
_PIECE = 1 << 16


class _Rows(NamedTuple):
    """Rows that follow each other."""

    path: Path
    cells: list[list[str]]
    """A blank line has none."""

    start: int
    """The number of the line before."""

    def column(self, place: int) -> list[str]:
        return [row[place] for row in self.cells if row]

    def line(self, place: int) -> int:
        """The number of the line on which the row of this place ends, blank ones not counted."""
        ends = accumulate((1 + "".join(row).count("\n") for row in self.cells), initial=self.start)
        next(ends)
        return [end for end, row in zip(ends, self.cells, strict=True) if row][place]


def read_comma_separated(
    path: Path, blocks: Iterable[bytes], *, key: str, time: str | None, size: str | None
) -> Iterator[Requests]:
    """A request a row, its key as text; a blank line is passed over."""
    lines = (line for _, text in texts(path, blocks) for line in StringIO(text, newline=""))
    number, header = next((number, line) for number, line in enumerate(lines, 1) if line.strip())
    separator = max(_SEPARATORS, key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=separator))]
    columns = Columns.named(path, names, key=key, time=time, size=size)
    last = -np.inf
    for rows in _pieces(path, lines, separator, number, len(names)):
        times = sizes = None
        if columns.time is not None:
            times = _times(rows, names.index(columns.time), last)
            last = float(times[-1])
        if columns.size is not None:
            sizes = np.array(_converted(rows, names.index(columns.size), _count, "a whole number of bytes"), np.int64)
        yield Requests(rows.column(names.index(columns.key)), times, sizes)


def _pieces(path: Path, lines: Iterator[str], separator: str, header: int, width: int) -> Iterator[_Rows]:
    """The rows after the header, which stands on this line and has this many columns."""
    reader, start = csv.reader(lines, delimiter=separator, strict=True), header
    try:
        while cells := list(islice(reader, _PIECE)):
            rows = _Rows(path, cells, start)
            start = header + reader.line_num
            lengths = [len(row) for row in cells if row]
            if set(lengths) - {width}:
                wrong = next(place for place, length in enumerate(lengths) if length != width)
                told = f"has {lengths[wrong]} columns; the first line has {width}"
                raise TraceError(f"{path}, line {rows.line(wrong)}: {told}")
            if lengths:
                yield rows
    except csv.Error as error:
        raise TraceError(f"{path}, line {header + reader.line_num}: is not a row of a table ({error})") from None


def _times(rows: _Rows, place: int, last: float) -> NDArray[np.float64]:
    times = np.array(_converted(rows, place, float, "a time in seconds"))
    require_rising(rows.path, times, last, read=rows.column(place), number=rows.line)
    return times


def _converted(rows: _Rows, place: int, convert: Callable[[str], float], wanted: str) -> list[float]:
    column, values = rows.column(place), []
    try:
        for text in column:
            values.append(convert(text))
    except ValueError:
        wrong = len(values)
        raise TraceError(f"{rows.path}, line {rows.line(wrong)}: {column[wrong]!r} is not {wanted}") from None
    return values


def _count(text: str) -> int:
    count = int(text)
    if not 0 <= count < 1 << 63:
        raise ValueError
    return count
