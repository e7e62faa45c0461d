"""Which keys are asked: each class is both the setting and the sampler. Keys are `str`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from itertools import repeat

import numpy as np

from cachesim.settings import Count, Family, NonNegative
from cachesim.traces import read_keys

__all__ = ["Documentation", "Keys", "OneKey", "Recorded", "Uniform", "Zipf"]

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


class Uniform(Keys):
    """`n` keys, `"0"` to `"n-1"`, each as likely as any other."""

    n: Count

    def population(self) -> list[str]:
        return [str(rank) for rank in range(self.n)]

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        names = self.population()
        while True:
            yield from map(names.__getitem__, rng.integers(self.n, size=_BLOCK).tolist())


class Zipf(Keys):
    """`n` keys, `"0"` the most popular; the one of rank i (from 1) is asked in proportion to i^-alpha.

    >>> stream = Zipf(n=1000, alpha=0.9).stream(np.random.default_rng(1))
    >>> [next(stream) for _ in range(5)]
    ['50', '767', '1', '759', '10']
    """

    n: Count
    alpha: NonNegative

    def probabilities(self) -> list[float]:
        """The share of requests of each key, most popular first; they add up to 1."""
        weights = [rank**-self.alpha for rank in range(1, self.n + 1)]
        total = sum(weights)
        return [weight / total for weight in weights]

    def population(self) -> list[str]:
        return [str(rank) for rank in range(self.n)]

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        names = self.population()
        bounds = np.cumsum(self.probabilities())
        bounds[-1] = 1.0
        while True:
            yield from map(names.__getitem__, bounds.searchsorted(rng.random(_BLOCK), side="right").tolist())


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
