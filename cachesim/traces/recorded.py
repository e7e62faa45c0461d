"""Recorded requests from files: a key or a time for each request, in the order of arrival.

Two formats, told apart by the file's name, either of them compressed (`.xz`, `.gz`) or not:

- `NAME.trace`: binary, one big-endian unsigned 32-bit integer a request, as in the cache2k benchmark traces;
- any other: UTF-8 text, one key (or one time in seconds) a line.
"""

from __future__ import annotations

import gzip
import lzma
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["TraceError", "read_keys", "read_times"]

_OPEN: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open}
_RECORD = np.dtype(">u4")
_BLOCK = 1 << 16


class TraceError(ValueError):
    """A file of recorded requests cannot be read; the text is one line that names the file and what is wrong."""


def _blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, decompressed, in blocks; raises `TraceError` when there are none."""
    empty = True
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as file:
            while block := file.read(_BLOCK * _RECORD.itemsize):
                empty = False
                yield block
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise TraceError(f"{path}: cannot be read ({error})") from None
    if empty:
        raise TraceError(f"{path}: is empty; at least one request is needed")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers, from 1, and texts; a line of white space alone is passed over."""
    rest, number, blank = b"", 0, True
    for block in _blocks(path):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            number += 1
            if text := _text(path, number, line):
                blank = False
                yield number, text
    if text := _text(path, number + 1, rest):
        yield number + 1, text
    elif blank:
        raise TraceError(f"{path}: holds only blank lines; at least one request is needed")


def _text(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode().strip()
    except UnicodeDecodeError:
        raise TraceError(f"{path}, line {number}: is not UTF-8 text (binary traces are named *.trace)") from None


def read_keys(path: str | Path) -> Iterator[str]:
    """The keys of a recorded stream, one for each request; reads the file block by block.

    Raises `TraceError` when the file is missing, empty, cut off or not of its format.
    """
    path = Path(path)
    if ".trace" not in path.suffixes[-2:]:
        for _, key in _lines(path):
            yield key
        return
    rest = b""
    for block in _blocks(path):
        data = rest + block
        whole = len(data) - len(data) % _RECORD.itemsize
        rest = data[whole:]
        yield from map(str, np.frombuffer(data[:whole], _RECORD).tolist())
    if rest:
        raise TraceError(f"{path}: is cut off, {len(rest)} byte(s) after the last whole 4-byte key")


def read_times(path: str | Path) -> Iterator[float]:
    """The times in seconds of a recorded stream, one a line, never falling; the first may be any time.

    Raises `TraceError` when the file is missing or empty, or a line is not a finite time at or after the one before.
    """
    path, last = Path(path), -math.inf
    for number, text in _lines(path):
        try:
            time = float(text)
        except ValueError:
            raise TraceError(f"{path}, line {number}: {text!r} is not a time in seconds") from None
        if not math.isfinite(time) or time < last:
            allowed = "a finite time" if not math.isfinite(time) else f"{last!r} (the line before) or more"
            raise TraceError(f"{path}, line {number}: {text!r} is not allowed; {allowed}")
        last = time
        yield time
