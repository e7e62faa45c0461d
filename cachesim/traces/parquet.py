"""Requests in Parquet files (Apache Parquet, read by pyarrow), one group of rows after another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cachesim.traces.columns import Columns
from cachesim.traces.files import TraceError
from cachesim.traces.records import Requests
from cachesim.traces.times import require_rising

__all__ = ["read_parquet"]

_PIECE = 1 << 18
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def read_parquet(path: Path, *, key: str, time: str | None, size: str | None) -> Iterator[Requests]:
    """A request a row: its key an integer or text, its time in seconds or a time stamp, its size an integer."""
    row, last = 1, -np.inf
    for columns, batch in _batches(path, key, time, size):
        times = sizes = None
        if columns.time is not None:
            times = _times(path, columns.time, batch[columns.time])
            require_rising(path, times, last, read=times.tolist(), number=partial(add, row), unit="row")
            last = float(times[-1])
        if columns.size is not None:
            sizes = _sizes(path, columns.size, batch[columns.size])
        yield Requests(_keys(path, columns.key, batch[columns.key]), times, sizes)
        row += len(batch)


def _batches(path: Path, key: str, time: str | None, size: str | None) -> Iterator[tuple[Columns, Any]]:
    """The columns' names, and the rows: some that follow each other, none of them null."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise TraceError(f"{path}: needs a package that is not installed: pip install pyarrow") from None
    try:
        with ParquetFile(path) as file:
            columns = Columns.named(path, file.schema_arrow.names, key=key, time=time, size=size)
            asked = [name for name in columns if name is not None]
            for batch in file.iter_batches(_PIECE, columns=asked):
                for name in asked:
                    if batch[name].null_count:
                        raise TraceError(f"{path}: column {name!r} holds null; each request needs a value")
                yield columns, batch
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file") from None
    except (ArrowException, OSError) as error:
        raise TraceError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None


def _keys(path: Path, name: str, column: Any) -> NDArray[Any] | list[str]:
    from pyarrow import string, types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_integer(column.type):
        numbers: NDArray[Any] = column.to_numpy()
        return numbers
    if types.is_string(column.type) or types.is_large_string(column.type) or types.is_string_view(column.type):
        words: list[str] = column.cast(string()).to_numpy(zero_copy_only=False).tolist()
        return words
    raise _of_another_type(path, name, column, "integers or text")


def _times(path: Path, name: str, column: Any) -> NDArray[np.float64]:
    from pyarrow import int64, types

    if types.is_timestamp(column.type):
        seconds: NDArray[np.float64] = column.cast(int64()).to_numpy() / _PER_SECOND[column.type.unit]
        return seconds
    if types.is_integer(column.type) or types.is_floating(column.type):
        numbers: NDArray[np.float64] = column.to_numpy().astype(np.float64)
        return numbers
    raise _of_another_type(path, name, column, "seconds or time stamps")


def _sizes(path: Path, name: str, column: Any) -> NDArray[np.int64]:
    from pyarrow import types

    if not types.is_integer(column.type):
        raise _of_another_type(path, name, column, "integers, in bytes")
    sizes: NDArray[np.int64] = column.to_numpy().astype(np.int64)
    if sizes.min() < 0:  # or beyond 2**63
        raise TraceError(f"{path}: column {name!r} holds {sizes.min()}; bytes, 0 or more, are allowed")
    return sizes


def _of_another_type(path: Path, name: str, column: Any, allowed: str) -> TraceError:
    return TraceError(f"{path}: column {name!r} holds {column.type}; {allowed} are allowed")
