"""What is asked of a stream of requests, and what it answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answer", "Question"]


class Question(NamedTuple):
    """How many requests miss, in caches of one policy."""

    policy: str
    sizes: NDArray[np.int64] | None
    """Rising; None: all of LRU's, or some that are spread evenly over the scale of magnitudes."""

    ttls: tuple[float | None, ...]
    weighed: bool
    seed: int


class Answer(NamedTuple):
    """Misses at each size and lifetime."""

    requests: int
    distinct: int
    """Keys; those in the sample, if there is one."""

    sizes: NDArray[np.int64]
    misses: NDArray[np.int64] | NDArray[np.float64]
    """(sizes, ttls); whole numbers unless estimated from a sample."""

    half_widths: NDArray[np.float64] | None = None
    """Of the 95 % interval of the miss ratio, (sizes, ttls); None: exact."""
