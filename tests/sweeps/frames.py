"""Frames as `sweep` makes them, without any run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import nan
from typing import Any

import pandas as pd

from cachesim.world.metrics import METRICS

__all__ = ["grid", "made"]

Point = dict[str, Any]


def grid(varied: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination, as the points of a grid."""
    return [dict(zip(varied, values, strict=True)) for values in product(*varied.values())]


def made(
    points: Sequence[Point],
    value: Callable[[Point, int], float],
    *,
    runs: int = 3,
    failures: Mapping[tuple[int, int], str] | None = None,
    **metrics: float,
) -> pd.DataFrame:
    """A row for each run: `load_rate` is what `value` makes of its point and number, the others are given, or 0.

    `failures`: the reasons, by the numbers of point and run; what failed has no metrics.
    """
    rows = []
    for place, point in enumerate(points):
        for run in range(runs):
            reason = (failures or {}).get((place, run), "")
            found = {**dict.fromkeys(METRICS, 0.0), **metrics, "load_rate": value(point, run)}
            found = dict.fromkeys(METRICS, nan) if reason else found
            rows.append({**point, "seed": 100 + run, "failure": reason, **found})
    return pd.DataFrame(rows)
