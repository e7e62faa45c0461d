"""How long something takes: each class is both the setting and the sampler. Seconds.

Samples are drawn in blocks from a `numpy` generator's `random`, `standard_*` and `integers` methods alone, so that the
same seed gives the same samples on every processor.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, PlainValidator, model_validator

from cachesim.settings import Count, Family, Positive, Problem, ScenarioError, Seconds

__all__ = [
    "Constant",
    "Empirical",
    "Erlang",
    "Exponential",
    "Latency",
    "LogNormal",
    "SecondsOrLatency",
    "Uniform",
    "as_latency",
    "seconds_or_latency",
]

_BLOCK = 1024


class Latency(Family):
    """A distribution of times in seconds."""

    if TYPE_CHECKING:  # a field of some, computed by others: pydantic would not let a field take a property's place

        @property
        def mean(self) -> float:
            """The mean in seconds."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        """`n` independent times in seconds."""

    def draws(self, rng: np.random.Generator) -> Iterator[float]:
        """Independent times in seconds without end.

        >>> rng = np.random.default_rng(1)
        >>> next(Exponential(0.5).draws(rng))
        0.5365...
        """
        while True:
            yield from self.sample(rng, _BLOCK)


def _floats(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    return list(times.tolist())


class Constant(Latency):
    """Always `value` seconds."""

    value: Seconds = Field(kw_only=False)

    @property
    def mean(self) -> float:
        return self.value

    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        return [self.value] * n

    def draws(self, rng: np.random.Generator) -> Iterator[float]:
        return repeat(self.value)


class Exponential(Latency):
    """Exponential with the given mean in seconds: without memory."""

    mean: Positive = Field(kw_only=False)

    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        return _floats(rng.standard_exponential(n) * self.mean)


class Erlang(Latency):
    """The sum of `k` exponential times, with the given mean in seconds in all; coefficient of variation 1/sqrt(k)."""

    mean: Positive = Field(kw_only=False)
    k: Count

    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        return _floats(rng.standard_exponential((n, self.k)).sum(axis=1) * (self.mean / self.k))


class LogNormal(Latency):
    """Log-normal with the given mean in seconds and coefficient of variation `cv`."""

    mean: Positive = Field(kw_only=False)
    cv: Positive

    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        variance = math.log1p(self.cv * self.cv)
        sigma, center = math.sqrt(variance), math.log(self.mean) - variance / 2
        return [math.exp(center + sigma * z) for z in rng.standard_normal(n).tolist()]


class Uniform(Latency):
    """Uniform between `low` and `high` seconds. Raises `ScenarioError` when `high` is below `low`."""

    low: Seconds = Field(kw_only=False)
    high: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.high < self.low:
            raise ScenarioError(Problem("high", f"{self.high!r} is not allowed; low ({self.low:g}) or more"))
        return self

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        return _floats(self.low + (self.high - self.low) * rng.random(n))


class Empirical(Latency):
    """One of the given times in seconds, each equally likely: measured latencies, put in as they are."""

    values: Annotated[Sequence[Seconds], AfterValidator(tuple)] = Field(min_length=1, kw_only=False)

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)

    def sample(self, rng: np.random.Generator, n: int) -> list[float]:
        return [self.values[i] for i in rng.integers(len(self.values), size=n).tolist()]


def seconds_or_latency(value: Any) -> float | Latency:
    """What a setting says of a time: a number of seconds, 0 or more, or a latency. Raises `ValueError`.

    >>> seconds_or_latency(0.5), seconds_or_latency({"type": "exponential", "mean": 0.5})
    (0.5, Exponential(mean=0.5))
    """
    if isinstance(value, Latency | Mapping):
        return Latency.model_validate(value)
    if type(value) in (int, float) and value >= 0 and math.isfinite(value):
        return float(value)
    raise ValueError(f"{value!r} is not allowed; seconds (0 or more) or a latency")


SecondsOrLatency = Annotated[float | Latency, PlainValidator(seconds_or_latency)]
"""A time in a setting: seconds, or a latency to draw it from."""


def as_latency(time: float | Latency) -> Latency:
    """A time of a setting as a latency."""
    return time if isinstance(time, Latency) else Constant(time)
