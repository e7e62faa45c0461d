"""Sums over keys: what a run counts in all, from what it counts of one key of each popularity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum

import numpy as np

from cachesim.closed_forms.conditions import Group
from cachesim.closed_forms.windows import Floats, Window

__all__ = ["of_each_key", "over_keys", "reads_in"]

_RANKS = 200
"""The most popular keys are computed one by one; between as many of the others, a spline through the logarithms."""


def of_each_key(groups: Sequence[Group], counts: Callable[[Group], Floats]) -> Floats:
    """What `counts` says of one key of each group, a row each."""
    if len(groups) <= 2 * _RANKS:
        return np.array([counts(group) for group in groups])
    from scipy.interpolate import CubicSpline

    far = np.geomspace(_RANKS, len(groups) - 1, _RANKS)
    ranks = np.unique(np.concatenate([np.arange(_RANKS), far.round()])).astype(int)
    known = np.array([counts(groups[rank]) for rank in ranks])
    between: Floats = CubicSpline(np.log1p(ranks), known)(np.log1p(np.arange(len(groups))))
    return between


def over_keys(groups: Sequence[Group], counts: Floats) -> Floats:
    """The sums over all keys."""
    return np.array([group.keys for group in groups], dtype=np.float64) @ counts


def reads_in(groups: Sequence[Group], measured: Window) -> float:
    """The mean number of reads in the measured time, of all keys."""
    return measured.length * fsum(group.keys * group.reads for group in groups)
