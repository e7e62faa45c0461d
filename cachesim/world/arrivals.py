"""When requests arrive: each class is both the setting and the sampler. Rates in requests/s, times in seconds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import count

import numpy as np

from cachesim.settings import Family, Positive
from cachesim.traces import read_times

__all__ = ["Arrivals", "Constant", "Poisson", "Recorded"]

_BLOCK = 4096


class Arrivals(Family):
    """A stream of arrival times."""

    @abstractmethod
    def expected(self, duration: float) -> float:
        """How many requests to expect in `duration` seconds."""


class OpenLoop(Arrivals):
    """Arrivals that do not wait for answers."""

    @abstractmethod
    def times(self, rng: np.random.Generator) -> Iterator[float]:
        """Arrival times in seconds, never falling; they end only for a recorded stream."""


class Poisson(OpenLoop):
    """A Poisson process: independent requests at `rate` a second in all.

    >>> next(Poisson(rate=100).times(np.random.default_rng(1)))
    0.0107...
    """

    rate: Positive

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        now = 0.0
        while True:
            for gap in (rng.standard_exponential(_BLOCK) / self.rate).tolist():
                now += gap
                yield now

    def expected(self, duration: float) -> float:
        return self.rate * duration


class Constant(OpenLoop):
    """A request every 1/rate seconds, the first at 0; each time is computed, so that no error adds up.

    >>> times = Constant(rate=10).times(np.random.default_rng(1))
    >>> [next(times) for _ in range(4)]
    [0.0, 0.1, 0.2, 0.3]
    """

    rate: Positive

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        return (k / self.rate for k in count())

    def expected(self, duration: float) -> float:
        return self.rate * duration


class Recorded(OpenLoop):
    """The times in a file, one a line in seconds; the first request arrives at 0. See `cachesim.traces`."""

    path: str

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        first = None
        for time in read_times(self.path):
            first = time if first is None else first
            yield time - first

    def expected(self, duration: float) -> float:
        return 0.0  # the file bounds it


class ClosedLoop(Arrivals):
    """Users who think, ask, wait for the answer and think again."""

    users: Positive
    think: Positive

    def thinks(self, rng: np.random.Generator) -> Iterator[float]:
        while True:
            yield self.think

    def expected(self, duration: float) -> float:
        return 0.0
