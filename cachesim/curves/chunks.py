"""A piece of a request stream, as the kernels take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_REQUESTS", "Chunk"]

MOST_REQUESTS = 1 << 24
"""A chunk is no longer, so that positions within it, and what is carried over to it, fit 32 bits."""


class Chunk(NamedTuple):
    """Requests in order, their keys numbered densely in the order of first appearance over the whole stream."""

    ids: NDArray[np.int32]
    """The number of each request's key, (n,)."""

    distinct: int
    """How many keys there have been so far: numbers are below it."""

    stable_keys: Callable[[], NDArray[np.uint64]]
    """Gives the stable 64-bit key of each number, (distinct,), for what hashes."""

    times: NDArray[np.float64] | None = None
    """When each request arrives, in seconds, never falling, (n,)."""

    weights: NDArray[np.int64] | None = None
    """The bytes of each request's object, (n,); None: each counts as one."""
