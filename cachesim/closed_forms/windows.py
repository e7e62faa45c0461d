"""Means over a stretch of time of what happens from an empty cache on, by inverting their Laplace transforms.

A run measures [warmup, duration), and its first cycle begins at 0 s. A hot key forgets that late: lifetimes of 10 s,
each begun within 10 ms of the last one's end, are still in step after thousands of them. So what a run of a given
length counts on average is not its length times the rate of the long run; renewal theory has its Laplace transform
(Cox, "Renewal Theory", 1962), and the Fourier-series method of Abate and Whitt ("Numerical inversion of Laplace
transforms of probability distributions", ORSA Journal on Computing 7, 1995) inverts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, exp, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Complexes", "Floats", "Transforms", "Window", "value_at"]

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
Transforms = Callable[[Complexes], Sequence[Complexes]]
"""Laplace transforms of several functions of time, at many points of the complex plane."""

_DAMPING = 16.18
"""Aliases of the series fade as e to the minus this, 1e-7. (No round number: formulas have gaps at round rates.)"""
_EULER = 12
"""The last partial sums are averaged with binomial weights (Euler summation)."""

_DETAIL = 4
"""Terms of the series for each thing that happens, so that what happens at a set time is seen to do so."""
_PIECE = 50_000


class Window(NamedTuple):
    """The measured time, in seconds."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start

    def totals(self, rates: Transforms, *, fastest: float) -> Floats:
        """What comes up within the window, for things that come at certain rates per second from 0 s on.

        `rates`: their transforms. `fastest`: the quickest rate (1/s) at which anything random happens.
        """

        def until(s: Complexes) -> Sequence[Complexes]:
            return [rate / s for rate in rates(s)]

        total = value_at(self.end, until, fastest=fastest)
        return total - value_at(self.start, until, fastest=fastest) if self.start > 0 else total


def value_at(time: float, transforms: Transforms, *, fastest: float) -> Floats:
    """The functions with these transforms, at one time (s), to about 1e-6 of their size.

    >>> [decayed] = value_at(2.0, lambda s: [1 / (s + 0.5)], fastest=0.5)
    >>> round(float(decayed), 6)  # e to the minus 1
    0.367879
    """
    terms = 500 + int(_DETAIL * fastest * time)
    number = np.arange(terms + _EULER)
    weights = np.where(number % 2, -1.0, 1.0)
    weights[0] = 0.5
    kept = np.cumsum([comb(_EULER, late) for late in range(_EULER)]) / 2.0**_EULER
    weights[terms:] *= kept[::-1]
    s: Complexes = (_DAMPING + 2j * pi * number).astype(np.complex128) / (2 * time)
    pieces = 1 + len(s) // _PIECE
    sums = [
        [float(weight @ np.real(each)) for each in transforms(piece)]
        for weight, piece in zip(np.array_split(weights, pieces), np.array_split(s, pieces), strict=True)
    ]
    values: Floats = exp(_DAMPING / 2) / time * np.array(sums).sum(axis=0)
    return values
