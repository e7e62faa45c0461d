"""What a sample of independent values says of their mean: the estimate, and the Student-t interval around it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "estimate", "reach"]


class Estimate(NamedTuple):
    """A mean, and half the width of the interval around it."""

    mean: float
    half_width: float

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval; never if there is none."""
        return not isnan(self.half_width) and abs(self.mean) > self.half_width


def estimate(sample: Sequence[float] | NDArray[np.float64], confidence: float = 0.95) -> Estimate:
    """The mean of independent values and its Student-t interval: the half width is t(n - 1) · s / √n.

    One value has no interval (NaN), and a value that is NaN makes both NaN. Raises `ValueError` for a confidence that
    is not between 0 and 1.

    >>> mean, half_width = estimate([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(half_width, 3)
    (2.0, 2.484)
    """
    values = np.asarray(sample, dtype=np.float64)
    times = reach(len(values), confidence)
    return Estimate(float(values.mean()), times * float(values.std(ddof=1)) if len(values) > 1 else nan)


def reach(n: int, confidence: float = 0.95) -> float:
    """How far the interval of a mean of n values reaches, in standard deviations of one: t(n - 1) / √n.

    NaN for one value. Raises `ValueError` for a confidence that is not between 0 and 1.

    >>> round(reach(10), 4)
    0.7154
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence!r} is not allowed; between 0 and 1")
    if n < 2:
        return nan
    from scipy.special import stdtrit  # Student's t without the half of scipy that `scipy.stats` needs

    return float(stdtrit(n - 1, (1 + confidence) / 2)) / sqrt(n)
