"""When requests arrive: each class is both the setting and the sampler. Rates in requests/s, times in seconds.

In an *open loop* requests come when they come, whatever becomes of those before; in a *closed loop* each user waits for
the outcome before asking again.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import count, cycle

import numpy as np
from pydantic import model_validator

from cachesim.settings import Count, Family, NonNegative, Positive, Problem, ScenarioError, Seconds
from cachesim.traces import read_times
from cachesim.world.latency import SecondsOrLatency, as_latency

__all__ = [
    "Arrivals",
    "Bursty",
    "ClosedLoop",
    "Constant",
    "Diurnal",
    "FlashCrowd",
    "OpenLoop",
    "Poisson",
    "Recorded",
]

_BLOCK = 4096


class Arrivals(Family):
    """When requests arrive."""

    @abstractmethod
    def expected(self, duration: float) -> float:
        """How many requests to expect in `duration` seconds; 0 where the settings do not tell."""


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


class Bursty(OpenLoop):
    """A Poisson process whose rate changes between `low` and `high`, as in bursts; `low` may be 0.

    It stays low for an exponential time of mean `mean_low` s, then high for one of mean `mean_high` s, and so on (a
    Markov-modulated Poisson process with two states). It starts in its stationary state, so the mean rate is the same
    from the first second. With one seed the bursts come at the same times whatever the rates. Raises `ScenarioError`
    unless `high` is above `low`.

    Source: Fischer, Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation 18
    (1993).

    >>> Bursty(low=10, high=100, mean_low=8, mean_high=1).expected(60)
    1200.0
    """

    low: NonNegative
    high: Positive
    mean_low: Positive
    mean_high: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Bursty:
        if self.high <= self.low:
            raise ScenarioError(Problem("high", f"{self.high!r} is not allowed; above low ({self.low:g})"))
        return self

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        switches, arrivals = rng.spawn(2)  # apart, so that the rates do not move the bursts
        return _poisson(self._pieces(switches), arrivals)

    def _pieces(self, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        states = [(self.mean_low, self.low), (self.mean_high, self.high)]
        if rng.random() < self._share_high:
            states.reverse()
        now = 0.0
        for stay, (mean, rate) in zip(_exponentials(rng), cycle(states), strict=False):
            now += stay * mean
            yield now, rate

    @property
    def _share_high(self) -> float:
        """The share of the time at the high rate."""
        return 1 / (1 + self.mean_low / self.mean_high)

    def expected(self, duration: float) -> float:
        return (self.low + (self.high - self.low) * self._share_high) * duration


class Diurnal(OpenLoop):
    """A Poisson process whose rate goes up and down like a day's: mean + (peak - mean) sin(2 pi t / period) at t.

    `period` in seconds. Made by thinning a Poisson process at the rate `peak`, which is exact. Raises `ScenarioError`
    unless `peak` is from `mean` to twice that.

    Source: Lewis, Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", Naval Research Logistics
    Quarterly 26 (1979).

    >>> round(Diurnal(mean=100, peak=150, period=86400).expected(43200))
    5695099
    """

    mean: Positive
    peak: Positive
    period: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Diurnal:
        if not self.mean <= self.peak <= 2 * self.mean:
            allowed = f"from mean ({self.mean:g}) to twice that"
            raise ScenarioError(Problem("peak", f"{self.peak!r} is not allowed; {allowed}"))
        return self

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        now, mean, peak, period = 0.0, self.mean, self.peak, self.period
        while True:
            gaps, chances = rng.standard_exponential(_BLOCK).tolist(), rng.random(_BLOCK).tolist()
            for gap, chance in zip(gaps, chances, strict=True):
                now += gap / peak
                if chance * peak >= mean + (peak - mean) * math.sin(math.tau * (now % period / period)):
                    continue
                yield now

    def expected(self, duration: float) -> float:
        turn = math.tau * (duration % self.period / self.period)
        return self.mean * duration + (self.peak - self.mean) * (self.period * (1 - math.cos(turn)) / math.tau)


class FlashCrowd(OpenLoop):
    """A Poisson process at the rate `base`, but at `peak` from the time `at` for `duration` s, its end not included.

    Raises `ScenarioError` when `peak` is below `base`.

    >>> FlashCrowd(base=10, peak=1000, at=20, duration=5).expected(60)
    5550.0
    """

    base: Positive
    peak: Positive
    at: Seconds
    duration: Positive

    @model_validator(mode="after")
    def _ordered(self) -> FlashCrowd:
        if self.peak < self.base:
            raise ScenarioError(Problem("peak", f"{self.peak!r} is not allowed; base ({self.base:g}) or more"))
        return self

    def times(self, rng: np.random.Generator) -> Iterator[float]:
        end = self.at + self.duration
        return _poisson([(self.at, self.base), (end, self.peak), (math.inf, self.base)], rng)

    def expected(self, duration: float) -> float:
        crowded = min(max(duration - self.at, 0.0), self.duration)
        return self.base * duration + (self.peak - self.base) * crowded


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
    """`users` who each think, ask, wait for the outcome and think again, `think` s each time: seconds, or a latency.

    Each starts with a think time. A slow answer holds its user's next request back, so the load falls when the system
    slows down: at most `users` requests are open.

    >>> loop = ClosedLoop(users=10, think=2)
    >>> next(loop.thinks(np.random.default_rng(1))), loop.expected(60)
    (2.0, 310.0)
    """

    users: Count
    think: SecondsOrLatency

    def thinks(self, rng: np.random.Generator) -> Iterator[float]:
        """Think times in seconds without end, one stream for all: the n-th time that anybody thinks takes the n-th."""
        return as_latency(self.think).draws(rng)

    def expected(self, duration: float) -> float:
        """One for each user, and as many more as if answers took no time; without think time they bound it."""
        mean = as_latency(self.think).mean
        return self.users * (1 + duration / mean) if mean > 0 else float(self.users)


def _exponentials(rng: np.random.Generator) -> Iterator[float]:
    """Independent exponential numbers of mean 1."""
    while True:
        yield from rng.standard_exponential(_BLOCK).tolist()


def _poisson(pieces: Iterable[tuple[float, float]], rng: np.random.Generator) -> Iterator[float]:
    """A Poisson process whose rate is constant in each piece: its end and its rate, in order of time.

    Exact: an exponential gap has no memory, so it is drawn anew where the rate changes.
    """
    now, gaps = 0.0, _exponentials(rng)
    for end, rate in pieces:
        while rate and (now := now + next(gaps) / rate) <= end:
            yield now
        now = end
