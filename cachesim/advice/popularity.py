"""How popular keys are: a Zipf law fitted to how often each was asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cachesim.world.keys import Zipf

__all__ = ["fitted_zipf"]

_MOST_KEYS = 1_000_000
"""What a scenario can draw from; more only where more were seen."""

_STEEPEST = 4.0


def fitted_zipf(counts: NDArray[np.int64]) -> Zipf:
    """The Zipf law that fits keys asked so often, each at least once, in any order.

    `alpha` is that of greatest likelihood with the keys in the order of their counts; `n` is such that as many keys are
    expected to be seen at all, at most a million unless more were: those not seen would be asked later.
    """
    from scipy.optimize import brentq

    falling = np.sort(counts)[::-1]
    seen, requests = len(falling), int(falling.sum())

    def missing(log_n: float) -> float:
        """How many keys more than were seen would be seen among n."""
        n = round(np.exp(log_n))
        weights = np.arange(1, n + 1) ** -_alpha(falling, n)
        return float(-np.expm1(requests * np.log1p(-weights / weights.sum() * (1 - 1e-12))).sum() - seen)

    low, high = np.log(seen), np.log(max(seen, min(100 * seen, _MOST_KEYS)))
    if missing(low) >= 0 or high == low:
        n = seen
    elif missing(high) <= 0:
        n = round(np.exp(high))
    else:
        n = round(np.exp(brentq(missing, low, high, rtol=1e-3)))
    return Zipf(n=n, alpha=round(_alpha(falling, n), 3))


def _alpha(falling: NDArray[np.int64], n: int) -> float:
    """Of greatest likelihood among n keys, of which those with counts are the most popular."""
    from scipy.optimize import minimize_scalar

    logs = np.log(np.arange(1, n + 1))
    asked, requests = float(falling @ logs[: len(falling)]), int(falling.sum())

    def surprise(alpha: float) -> float:
        return alpha * asked + requests * float(np.log(np.exp(-alpha * logs).sum()))

    return float(minimize_scalar(surprise, bounds=(0, _STEEPEST), method="bounded").x)
