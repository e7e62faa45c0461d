"""Streams with nothing but keys: text, one key a line, or binary.

Binary traces, named `*.trace`: one big-endian unsigned 32-bit integer a request, as in the cache2k benchmark traces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from cachesim.traces.files import TraceError, texts
from cachesim.traces.records import Requests

__all__ = ["read_binary", "read_text"]

_KEY = np.dtype(">u4")


def read_text(path: Path, blocks: Iterable[bytes]) -> Iterator[Requests]:
    """One key a line, without the white space around it; a line of white space alone is passed over."""
    for _, text in texts(path, blocks):
        yield Requests([key for line in text.split("\n") if (key := line.strip())])


def read_binary(path: Path, blocks: Iterable[bytes]) -> Iterator[Requests]:
    """Keys as uint32."""
    rest = b""
    for block in blocks:
        data = rest + block
        whole = len(data) - len(data) % _KEY.itemsize
        rest = data[whole:]
        yield Requests(np.frombuffer(data[:whole], _KEY).astype(np.uint32))
    if rest:
        raise TraceError(f"{path}: is cut off, {len(rest)} byte(s) after the last whole 4-byte key")
