"""A log of fills, compiled: values that all live equally long expire in the order in which they came.

When room is needed, the fills that have expired are *counted out*: they take no room from then on, wherever their keys
still stand in a queue. Fills are numbered. The log has three bounds: the number of the fill in its first place, the
oldest that is not counted out, and the next to come.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cachesim.curves.compiling import kernel
from cachesim.curves.kernels.logs import grown

__all__ = [
    "NOBODY",
    "Fills",
    "append",
    "close_up_fills",
    "count_out",
    "empty_fills",
    "grown_fills",
    "room_left",
    "strike",
    "with_low_numbers",
]

NOBODY = (1 << 32) - 1

_MOST_FILLS = 1 << 31
"""At the start of a chunk: numbers fit 32 bits."""

Fills: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.float64]]
"""Of each place in the log the key, `NOBODY` once it has left the cache or was filled anew, and when it expires.

What comes after the last fill never expires.
"""


def empty_fills() -> Fills:
    """A log without any."""
    return np.zeros(1, np.uint32), np.full(1, np.inf)


def grown_fills(fills: Fills, most: int) -> Fills:
    """The log with room for several times what can be in the cache."""
    key, expires = fills
    room = 4 * most + 4096
    return grown(key, room), grown(expires, room)


def with_low_numbers(
    fill: NDArray[np.uint32], bounds: tuple[int, int, int]
) -> tuple[NDArray[np.uint32], tuple[int, int, int]]:
    """The number of each key's fill, and the bounds of the log: numbered anew if there is little room for more."""
    first, oldest, following = bounds
    if first < _MOST_FILLS:
        return fill, bounds
    past = first - 1
    return np.maximum(fill, past) - np.uint32(past), (1, oldest - past, following - past)


@kernel
def append(
    fills: Fills, fill: NDArray[np.uint32], bounds: tuple[int, int, int], key: int, expires: float
) -> tuple[int, int, int]:
    """Logs a fill, and its number in `fill`; returns the bounds then."""
    fill_key, fill_expires = fills
    first, oldest, following = bounds
    place = following - first
    fill[key] = following
    fill_key[place] = key
    fill_expires[place] = expires
    fill_expires[place + 1] = np.inf
    return first, oldest, following + 1


@kernel
def room_left(fills: Fills, bounds: tuple[int, int, int]) -> int:
    """How many fills there is room for."""
    fill_key, _ = fills
    first, _, following = bounds
    return len(fill_key) - 1 - (following - first)


@kernel
def strike(fills: Fills, bounds: tuple[int, int, int], number: int) -> bool:
    """Makes a fill nobody's; returns whether it was not counted out before."""
    fill_key, _ = fills
    first, oldest, _ = bounds
    counted = number >= oldest
    if counted:
        fill_key[number - first] = NOBODY
    return counted


@kernel
def count_out(
    fills: Fills, bounds: tuple[int, int, int], now: float, used: int, weights: NDArray[np.int64] | None
) -> tuple[tuple[int, int, int], int]:
    """Counts out the fills that have expired; returns the bounds, and how much is used then.

    `weights`: of each key; None: each counts as one.
    """
    fill_key, fill_expires = fills
    first, oldest, following = bounds
    place = oldest - first
    while fill_expires[place] <= now:
        key = fill_key[place]
        if key != NOBODY:
            used -= 1 if weights is None else weights[key]
        place += 1
    return (first, first + place, following), used


@kernel
def close_up_fills(fills: Fills, fill: NDArray[np.uint32], bounds: tuple[int, int, int]) -> tuple[int, int, int]:
    """Drops what is counted out or nobody's, when there is no room left; returns the bounds then.

    What is kept gets new numbers, higher than any before: the number of a fill that has gone stays behind. This is not
    a part of `append`, which would be too large to be compiled into the loops that call it.
    """
    fill_key, fill_expires = fills
    first, oldest, following = bounds
    kept = 0
    for place in range(oldest - first, following - first):
        key = fill_key[place]
        if key != NOBODY:
            fill_key[kept] = key
            fill_expires[kept] = fill_expires[place]
            fill[key] = following + kept
            kept += 1
    fill_expires[kept] = np.inf
    return following, following, following + kept
