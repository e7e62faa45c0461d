"""Which scenarios a sweep runs: every combination of values, or points drawn at random.

A random design is a Latin hypercube (McKay, Beckman, Conover, Technometrics 1979): with n draws each field is cut into
n strata, and each stratum is met once, so that few draws cover the range of every field evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, isfinite, log, prod
from typing import Any

import numpy as np

from cachesim.settings import shown

__all__ = ["Between", "points"]

Point = dict[str, Any]
"""Values by the dotted names of fields."""

_MOST = 10**6


@dataclass(frozen=True)
class Between:
    """A range to draw from: whole numbers if both ends are, both included. `scale="log"`: even over magnitudes.

    Raises `ValueError` for ends that are no finite numbers in rising order, above 0 on a logarithmic scale.

    >>> Between(1, 8).at(0.99), round(Between(0.1, 10.0, scale="log").at(0.5), 3)
    (8, 1.0)
    """

    low: float
    high: float
    scale: str = "linear"

    def __post_init__(self) -> None:
        if self.scale not in ("linear", "log"):
            raise ValueError(f'scale: {self.scale!r} is not allowed; "linear" or "log"')
        if (
            not all(map(_is_number, (self.low, self.high)))
            or not self.low < self.high
            or (self.scale == "log" and self.low <= 0)
        ):
            above = ", above 0" if self.scale == "log" else ""
            given = f"from {shown(self.low)} to {shown(self.high)}"
            raise ValueError(f"a range {given} is not allowed; two finite numbers, the smaller first{above}")

    def at(self, share: float) -> float:
        """The value at a share of the range, from 0 up to, but not, 1."""
        low, high = self.low, self.high
        whole = isinstance(low, int) and isinstance(high, int)
        if whole:
            high += 1
        value = low * exp(share * log(high / low)) if self.scale == "log" else low + share * (high - low)
        return min(int(value), int(self.high)) if whole else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def points(varied: Mapping[str, Any], *, draws: int | None = None, seed: int = 1) -> list[Point]:
    """Every combination of listed values, the last field fastest; or so many draws from lists and ranges.

    Raises `ValueError` for a field without values, and for a range where nothing is drawn.

    >>> points({"nodes": [1, 2], "cache.ttl": [5, 10]})[1]
    {'nodes': 1, 'cache.ttl': 10}
    >>> [point["nodes"] for point in points({"nodes": Between(1, 3)}, draws=3)]
    [2, 1, 3]
    """
    for name, values in varied.items():
        if isinstance(values, Between):
            if draws is None:
                raise ValueError(f"{name}: a range is not allowed without draws; a list of values, or draws=64")
        elif isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
            raise ValueError(f"{name}: {shown(values)} is not allowed; a list of one value or more, or a range")
    if draws is None:
        if (size := prod(len(values) for values in varied.values())) > _MOST:
            raise ValueError(f"a grid of {size:,} points is not allowed; {_MOST:,} or less, or draws of some of them")
        return [dict(zip(varied, combination, strict=True)) for combination in product(*varied.values())]
    if not 1 <= draws <= _MOST:
        raise ValueError(f"draws: {draws!r} is not allowed; from 1 to {_MOST:,}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    strata = {name: (rng.permutation(draws) + rng.random(draws)) / draws for name in varied}
    return [{name: _at(varied[name], float(strata[name][draw])) for name in varied} for draw in range(draws)]


def _at(values: Any, share: float) -> Any:
    return values.at(share) if isinstance(values, Between) else values[int(share * len(values))]
