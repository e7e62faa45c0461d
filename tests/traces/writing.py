"""Lines of logs, and files of every compression."""

from __future__ import annotations

import gzip
import lzma
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cachesim.traces import Operations, Requests

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


def entry(
    path: str = "/a",
    *,
    second: int = 0,
    stamp: str | None = None,
    method: str = "GET",
    status: int = 200,
    size: str = "10",
    rest: str = "",
) -> str:
    """A line of an access log in the common format, and what else there is; times are seconds after 1 January 1970."""
    told = stamp or f"01/Jan/1970:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000"
    return f'192.0.2.7 - alice [{told}] "{method} {path} HTTP/1.1" {status} {size}{rest}'


def write(path: Path, *lines: str) -> Path:
    """The file, holding these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    return path


def joined(pieces: Iterator[Any]) -> Any:
    """The pieces as one, with the notes of the last."""
    first, *others = pieces
    for piece in others:
        columns = {name: _after(getattr(first, name), getattr(piece, name)) for name in first._fields[:-1]}
        first = type(first)(**columns, notes=piece.notes)
    return first


def _after(before: Any, after: Any) -> Any:
    if before is None or isinstance(before, list):
        return None if before is None else before + after
    return np.concatenate([before, after])


def columns(piece: Requests | Operations) -> list[list[Any] | None]:
    """All but the notes, as lists."""
    return [column if column is None or isinstance(column, list) else column.tolist() for column in piece[:-1]]
