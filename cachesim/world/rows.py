"""Rows on their way to becoming columns of numpy arrays, and the hash of all that passed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["Rows"]


class Rows:
    """Rows of one table, with a numpy format for each column; `keep` says whether the columns are kept.

    New rows wait in one flat list, `waiting`, until it holds a `block`: a tuple for each would keep the garbage
    collector busy.
    """

    def __init__(self, formats: tuple[str, ...], keep: bool) -> None:
        self.waiting: list[Any] = []
        self.block = 4096 * len(formats)
        self._formats, self._keep = formats, keep
        self._blocks: list[list[Any]] = []
        self._hash = hashlib.sha256()

    def flush(self) -> list[Any]:
        """The rows since the last flush, as columns; none when there were none."""
        waiting, formats = self.waiting, self._formats
        if not waiting:
            return []
        columns = [np.array(waiting[i :: len(formats)], format) for i, format in enumerate(formats)]
        if self._keep:
            self._blocks.append(columns)
        else:
            self._digest(zip(*[iter(waiting)] * len(formats), strict=True))
        waiting.clear()
        return columns

    def _digest(self, rows: Iterable[tuple[Any, ...]]) -> None:
        lines = (" ".join(v.hex() if type(v) is float else str(v) for v in row) for row in rows)
        self._hash.update("".join(line + "\n" for line in lines).encode())

    def columns(self) -> list[Any]:
        """Every row kept, as columns."""
        if not self._blocks:
            return [np.empty(0, format) for format in self._formats]
        if len(self._blocks) > 1:
            self._blocks[:] = [[np.concatenate(column) for column in zip(*self._blocks, strict=True)]]
        return self._blocks[0]

    def digest(self) -> bytes:
        """The hash of every row in order of completion, floats in hex."""
        if self._keep:
            self._digest(zip(*(column.tolist() for column in self.columns()), strict=True))
            self._keep = False
        return self._hash.digest()
