"""Counts over consecutive stretches of a stream whose length nobody knows beforehand: for batch means.

There are 20 to 39 of them, all equally long: when there would be 40, each two neighbours become one. The interval of a
mean is Student's t over the stretches (batch means: Law, Simulation Modeling and Analysis, 2015, section 9.5.3). The
first stretch is cold and left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIRST_LENGTH", "Stretches"]

FIRST_LENGTH = 50
"""Requests in a stretch at first; doubled as often as it takes."""

_MOST = 40


class Stretches:
    """What was counted in each stretch."""

    def __init__(self, counters: int) -> None:
        self.length = FIRST_LENGTH
        self._counts: list[NDArray[np.int64]] = []
        self._open, self._filled = np.zeros(counters, np.int64), 0

    @property
    def room(self) -> int:
        """How many requests more belong to the stretch that is not yet full."""
        return self.length - self._filled

    def add(self, requests: int, counts: NDArray[np.int64]) -> None:
        """So many more requests, no more than there is room for, and what was counted in them."""
        self._open, self._filled = self._open + counts, self._filled + requests
        if self._filled == self.length:
            self._counts.append(self._open)
            self._open, self._filled = np.zeros_like(self._open), 0
        if len(self._counts) == _MOST:
            self._counts = [one + other for one, other in zip(self._counts[::2], self._counts[1::2], strict=True)]
            self.length *= 2

    def ratios(self) -> NDArray[np.float64]:
        """Counts over requests, (stretches, counters); of a stream that fills none, those of all of it."""
        if not self._counts:
            return self._open[None, :] / max(self._filled, 1)
        return np.array(self._counts) / self.length
