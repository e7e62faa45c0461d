"""`read`: requests from a file of any of the formats; `read_operations`: what a log tells besides.

The format is told by the name, but for `.gz`, `.xz` or `.zst` at its end, or else by the first lines.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, TypeVar, get_args

from cachesim.traces.access_log import access_log
from cachesim.traces.comma_separated import read_comma_separated
from cachesim.traces.files import COMPRESSED, TraceError, blocks, line_blocks
from cachesim.traces.logs import Log, read_log
from cachesim.traces.monitor import MONITOR
from cachesim.traces.parquet import read_parquet
from cachesim.traces.plain import read_binary, read_text
from cachesim.traces.records import ANSWERED, READS, Notes, Operations, Requests

__all__ = ["FORMATS", "Format", "logged_operations", "read", "read_operations", "recognised"]

Format = Literal["text", "binary", "csv", "parquet", "access-log", "monitor"]
"""`text`: one key a line; `csv`: with commas, semicolons or tabs; `monitor`: what Redis prints after MONITOR."""

FORMATS: tuple[Format, ...] = get_args(Format)

_NAMED: dict[str, Format] = {".trace": "binary", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_LOGS: tuple[Literal["access-log", "monitor"], ...] = ("access-log", "monitor")
_FIRST_LINES = 20

_Piece = TypeVar("_Piece", Requests, Operations)


def read(
    path: str | Path,
    *,
    format: Format | None = None,
    key: str = "key",
    time: str | None = None,
    size: str | None = None,
    query: bool = True,
    operations: Container[str] = READS,
    statuses: Container[int] = ANSWERED,
) -> Iterator[Requests]:
    """The requests of a file, piece by piece: files larger than memory are read too.

    `format`: None tells it by the name (`*.trace`, `*.csv`, `*.tsv`, `*.parquet`) or by the first lines.
    `key`, `time`, `size`: the columns of CSV and Parquet; None takes `time` and `size` where there are such columns.
    `query`: whether the key of a request in an access log includes the query string.
    `operations`, `statuses`: which entries of a log are requests. By default those that read (GET and HEAD: a cache
    answers both from what one GET left; GET, MGET, HGETALL and the like of Redis) with a status of 200 to 399: errors
    are not what a cache is for.

    Raises `TraceError`, when it comes to it, for a file that is missing, empty, cut off, not of its format or without
    requests, and for times that fall. In logs those are raised, and malformed lines are passed over; `Requests.notes`
    counts both, in the last piece for the whole file.
    """
    path = Path(path)
    format, content = recognised(path, format)
    pieces: Iterator[Requests]
    match format:
        case "text":
            pieces = read_text(path, content)
        case "binary":
            pieces = read_binary(path, content)
        case "csv":
            pieces = read_comma_separated(path, content, key=key, time=time, size=size)
        case "parquet":
            pieces = read_parquet(path, key=key, time=time, size=size)
        case "access-log" | "monitor":
            logged = read_log(path, content, _log(format, query=query))
            pieces = (piece.requests(operations, statuses) for piece in logged)
    yield from _without_empty(path, pieces)


def read_operations(path: str | Path, *, format: Format | None = None, query: bool = True) -> Iterator[Operations]:
    """All operations in an access log or in what MONITOR prints, piece by piece; the rest is as `read` has it."""
    path = Path(path)
    format, content = recognised(path, format)
    if format not in ("access-log", "monitor"):
        raise TraceError(f"{path}: is no log, but {format}; an access log, or what MONITOR prints, is needed")
    yield from logged_operations(path, format, content, query=query)


def logged_operations(
    path: Path, format: Literal["access-log", "monitor"], content: Iterable[bytes], *, query: bool = True
) -> Iterator[Operations]:
    """The same of a log that is open already: a pipe can be opened just once."""
    return _without_empty(path, read_log(path, content, _log(format, query=query)))


def recognised(path: Path, format: Format | None) -> tuple[Format, Iterator[bytes]]:
    """The format, if it is not given, and the file's bytes: of what is text, in blocks of whole lines."""
    if format is None:
        name = path.with_suffix("") if path.suffix in COMPRESSED else path
        format = _NAMED.get(name.suffix)
    elif format not in FORMATS:
        raise TraceError(f"{path}: format {format!r} is unknown; known: {', '.join(FORMATS)}")
    if format in ("binary", "parquet"):
        return format, blocks(path)
    lines = line_blocks(path)
    if format is None:
        first = next(lines)
        format, lines = _told_by(first), chain([first], lines)
    return format, lines


def _told_by(block: bytes) -> Format:
    """The format of a text that begins so."""
    text = b"\n".join(block.split(b"\n", _FIRST_LINES)[:_FIRST_LINES]).decode(errors="backslashreplace")
    return next((format for format in _LOGS if _log(format).knows(text)), "text")


def _log(format: Literal["access-log", "monitor"], *, query: bool = True) -> Log:
    return access_log(query=query) if format == "access-log" else MONITOR


def _without_empty(path: Path, pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """The pieces that are not empty, the last of them with the notes on what follows it."""
    held, notes = None, Notes()
    for piece in pieces:
        notes = piece.notes
        if len(piece.keys):
            if held is not None:
                yield held
            held = piece
    if held is None:
        which = f" of the operations and statuses asked for, in {notes.lines} line(s)" if notes.lines else ""
        raise TraceError(f"{path}: holds no request{which}; at least one is needed")
    yield held._replace(notes=notes)
