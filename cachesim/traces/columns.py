"""Which columns of a table hold keys, times and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cachesim.traces.files import TraceError

__all__ = ["Columns"]


class Columns(NamedTuple):
    """Names of columns that a table has."""

    key: str
    time: str | None
    size: str | None

    @classmethod
    def named(cls, path: Path, names: Sequence[str], *, key: str, time: str | None, size: str | None) -> Columns:
        """These; None for a time or size takes the column `time` or `size`, if there is one.

        Raises `TraceError` for a column that is not there.
        """
        for asked in (key, time, size):
            if asked is not None and asked not in names:
                raise TraceError(f"{path}: has no column {asked!r}; its columns: {', '.join(names)}")
        return cls(key, time or ("time" if "time" in names else None), size or ("size" if "size" in names else None))
