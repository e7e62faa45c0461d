"""Which keys are asked: each class is both the setting and the sampler. Keys are `str`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from itertools import cycle, repeat

import numpy as np
from pydantic import model_validator

from cachesim.settings import Count, Family, NonNegative, Problem, ScenarioError, Share
from cachesim.traces import read_keys

__all__ = ["Documentation", "Drift", "HotSet", "Keys", "Numbered", "OneKey", "Recorded", "Scan", "Uniform", "Zipf"]

_BLOCK = 4096


class Keys(Family):
    """A stream of keys, one for each request."""

    @abstractmethod
    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        """The keys asked, in order; they end only for a recorded stream."""

    def population(self) -> list[str]:
        """Every key that may be asked; none where only the stream itself tells."""
        return []


class OneKey(Keys):
    """One key for everybody: `"0"`."""

    def population(self) -> list[str]:
        return ["0"]

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        return repeat("0")


class Numbered(Keys):
    """`n` keys, `"0"` to `"n-1"`."""

    n: Count

    def population(self) -> list[str]:
        return [str(number) for number in range(self.n)]


class Uniform(Numbered):
    """`n` keys, `"0"` to `"n-1"`, each as likely as any other.

    >>> stream = Uniform(n=1000).stream(np.random.default_rng(1))
    >>> [next(stream) for _ in range(5)]
    ['473', '511', '755', '950', '34']
    """

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        names = self.population()
        while True:
            yield from map(names.__getitem__, rng.integers(self.n, size=_BLOCK).tolist())


class Zipf(Numbered):
    """`n` keys, `"0"` the most popular; the one of rank i (from 1) is asked in proportion to i^-alpha.

    >>> stream = Zipf(n=1000, alpha=0.9).stream(np.random.default_rng(1))
    >>> [next(stream) for _ in range(5)]
    ['50', '767', '1', '759', '10']
    """

    alpha: NonNegative

    def probabilities(self) -> list[float]:
        """The share of requests of each key, most popular first; they add up to 1."""
        weights = [rank**-self.alpha for rank in range(1, self.n + 1)]
        total = sum(weights)
        return [weight / total for weight in weights]

    def numbers(self, rng: np.random.Generator) -> Iterator[int]:
        """The keys asked as numbers, 0 the most popular."""
        bounds = np.cumsum(self.probabilities())
        bounds[-1] = 1.0
        while True:
            yield from bounds.searchsorted(rng.random(_BLOCK), side="right").tolist()

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        return map(self.population().__getitem__, self.numbers(rng))


class HotSet(Numbered):
    """`n` keys, of which the first `hot` take `share` of the requests and the others the rest, uniformly in each set.

    Raises `ScenarioError` unless `hot` is below `n`.

    >>> HotSet(n=5, hot=2, share=0.9).probabilities()
    [0.45, 0.45, 0.0333..., 0.0333..., 0.0333...]
    """

    hot: Count
    share: Share

    @model_validator(mode="after")
    def _fits(self) -> HotSet:
        if self.hot >= self.n:
            raise ScenarioError(Problem("hot", f"{self.hot!r} is not allowed; below n ({self.n})"))
        return self

    def probabilities(self) -> list[float]:
        """The share of requests of each key, hot ones first; they add up to 1."""
        cold = self.n - self.hot
        return [self.share / self.hot] * self.hot + [(1 - self.share) / cold] * cold

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        names = self.population()
        while True:
            hot, cold = rng.integers(self.hot, size=_BLOCK), rng.integers(self.hot, self.n, size=_BLOCK)
            numbers = np.where(rng.random(_BLOCK) < self.share, hot, cold)
            yield from map(names.__getitem__, numbers.tolist())


class Scan(Numbered):
    """`n` keys, `"0"` to `"n-1"` in order, round and round.

    >>> stream = Scan(n=3).stream(np.random.default_rng(1))
    >>> [next(stream) for _ in range(5)]
    ['0', '1', '2', '0', '1']
    """

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        return cycle(self.population())


class Drift(Numbered):
    """`n` keys as in `Zipf`, but what is popular is new and then sinks.

    After each `every` requests the least popular key becomes the most popular, and every other moves down by one rank.
    `"0"` is the most popular at first, then `"n-1"`, then `"n-2"`, and after n moves `"0"` again: there are n keys in
    all, so a run of any length keeps its memory bounded.

    >>> stream = Drift(n=1000, alpha=5, every=3).stream(np.random.default_rng(1))
    >>> [next(stream) for _ in range(9)]
    ['0', '0', '0', '999', '999', '999', '998', '998', '998']
    """

    alpha: NonNegative
    every: Count

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        names, n, every = self.population(), self.n, self.every
        ranks = Zipf(n=n, alpha=self.alpha).numbers(rng)
        return (names[(rank - asked // every) % n] for asked, rank in enumerate(ranks))


class Recorded(Keys):
    """The keys in a file, in their order; the run ends with them at the latest. See `cachesim.traces`."""

    path: str

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        return read_keys(self.path)


class Documentation(Keys):
    """The words of Python's own documentation, in their order: a real stream that everybody has.

    Which words and how many depends on the version of Python, so no figure should.
    """

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        from pydoc_data.topics import topics

        for topic in sorted(topics):
            for word in re.finditer(r"\w+", topics[topic]):
                yield word.group().lower()
