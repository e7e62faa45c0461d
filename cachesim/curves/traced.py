"""What a curve needs of a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cachesim.curves.streams import Piece
from cachesim.traces import TraceError
from cachesim.traces.trace import Trace

__all__ = ["Traced"]


@dataclass(frozen=True)
class Traced:
    """The stream of a trace: whoever goes through it opens the files, any number of times, here or elsewhere."""

    trace: Trace
    timed: bool
    weighed: bool

    def __iter__(self) -> Iterator[Piece]:
        """The stream, piece by piece.

        Raises `TraceError` for what cannot be read, or tells no times or sizes where they are needed.
        """
        for found in self.trace:
            if self.timed and found.times is None:
                raise TraceError(
                    f"{self.trace}: tells no times, which a ttl needs; of a table, say which column has them"
                )
            if self.weighed and found.sizes is None:
                raise TraceError(f"{self.trace}: tells no sizes to weigh by; of a table, say which column has them")
            yield Piece(found.keys, found.times if self.timed else None, found.sizes if self.weighed else None)
