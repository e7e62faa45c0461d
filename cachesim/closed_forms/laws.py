"""Random times as theory needs them: mean, and Laplace transform E[e^(-s X)]."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cachesim.closed_forms.windows import Complexes
from cachesim.world import latency

__all__ = ["Law", "constant", "law_of", "shortened"]


class Law(NamedTuple):
    """The law of a time in seconds."""

    mean: float
    transform: Callable[[Complexes], Complexes]

    def __add__(self, other: Law) -> Law:  # type: ignore[override]
        """The law of the sum of two independent times."""
        return Law(self.mean + other.mean, lambda s: self.transform(s) * other.transform(s))


def constant(time: float) -> Law:
    """Always the same."""
    return Law(time, lambda s: np.exp(-s * time))


def shortened(time: float, jitter: float) -> Law:
    """`time` less a uniform part of `jitter`."""
    if jitter == 0:
        return constant(time)
    return Law(time - jitter / 2, lambda s: (np.exp(-s * (time - jitter)) - np.exp(-s * time)) / (s * jitter))


def law_of(setting: latency.Latency) -> Law | None:
    """That of a setting; None for the log-normal, whose transform nobody can write down."""
    match setting:
        case latency.Constant(value=value):
            return constant(value)
        case latency.Exponential(mean=mean):
            return Law(mean, lambda s: 1 / (1 + s * mean))
        case latency.Erlang(mean=mean, k=k):
            return Law(mean, lambda s: (1 + s * mean / k) ** -k)
        case latency.Uniform(low=low, high=high):
            return shortened(high, high - low)
        case latency.Empirical(values=values):
            measured = np.array(values)
            return Law(setting.mean, lambda s: np.exp(-np.multiply.outer(s, measured)).mean(axis=-1))
    return None
