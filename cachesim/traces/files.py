"""The bytes of a file of recorded requests: decompressed, in blocks, in blocks of whole lines, as text.

Compressed files are told by their name: `.gz`, `.xz` and `.zst` (Zstandard: from Python 3.14 on in the standard
library, before that in the package backports.zstd).
"""

from __future__ import annotations

import codecs
import gzip
import lzma
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["COMPRESSED", "TraceError", "blocks", "line_blocks", "texts"]

COMPRESSED = (".gz", ".xz", ".zst")
_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 24


class TraceError(ValueError):
    """A file of recorded requests cannot be read; the text is one line that names the file and what is wrong."""


def blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, decompressed, a mebibyte at a time.

    Raises `TraceError` when there are none, and where the file cannot be read on: what came before has been given.
    """
    opened, read = _opener(path), 0
    try:
        with opened(path, "rb") as file:
            while block := file.read(_BLOCK):
                read += len(block)
                yield block
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file") from None
    except Exception as error:  # each compression has errors of its own
        so_far = f" after {read} bytes" if read else ""
        raise TraceError(f"{path}: cannot be read ({error}){so_far}") from None
    if not read:
        raise TraceError(f"{path}: is empty; at least one request is needed")


def _opener(path: Path) -> Callable[..., Any]:
    match path.suffix:
        case ".gz":
            return gzip.open
        case ".xz":
            return lzma.open
        case ".zst":
            return _zstd_opener(path)
    return open


def _zstd_opener(path: Path) -> Callable[..., Any]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise TraceError(f"{path}: needs a package that is not installed: pip install backports.zstd") from None
    opened: Callable[..., Any] = zstd.open
    return opened


def line_blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, decompressed, cut at the ends of lines; a byte order mark is left out.

    Raises `TraceError` as `blocks` does, when there are only blank lines, and for a line of more than 16 MiB: what has
    one is no text, and may be a device that never ends.
    """
    rest, blank = b"", True
    for place, block in enumerate(blocks(path)):
        lines, end, rest = (rest + (block if place else block.removeprefix(codecs.BOM_UTF8))).rpartition(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise TraceError(f"{path}: is no text: it has a line of more than {_LONGEST_LINE:,} bytes")
        if end:
            blank = blank and lines.isspace()
            yield lines + end
    if rest:
        blank = blank and rest.isspace()
        yield rest
    if blank:
        raise TraceError(f"{path}: holds only blank lines; at least one request is needed")


def texts(path: Path, blocks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Blocks of whole lines as text, each with the number of its first line, from 1.

    Raises `TraceError` for what is not UTF-8.
    """
    number = 1
    for block in blocks:
        try:
            yield number, block.decode()
        except UnicodeDecodeError as error:
            line = number + block.count(b"\n", 0, error.start)
            raise TraceError(f"{path}, line {line}: is not UTF-8 text (binary traces are named *.trace)") from None
        number += block.count(b"\n")
