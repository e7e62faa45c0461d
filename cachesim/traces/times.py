"""Times that must not fall: refused where a table or a list has them, put right in a log.

A log is written when requests end, and may tell when they began, so that its times run back a little. To sort it, the
whole would have to be held: instead each time that falls is raised to the latest one before it, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cachesim.traces.files import TraceError

__all__ = ["raised", "require_rising"]


def require_rising(
    path: Path,
    times: NDArray[np.float64],
    last: float,
    *,
    read: Sequence[Any],
    number: Callable[[int], int],
    unit: str = "line",
) -> None:
    """Raises `TraceError` for a time that is not finite or before the one before it, which is `last` for the first.

    `read`: what was read as those times; `number`: gives that of the line, or whatever `unit` is, of the i-th.
    """
    before = np.concatenate(([last], times))[:-1]
    wrong = ~(np.isfinite(times) & (times >= before))
    if wrong.any():
        first = int(wrong.argmax())
        rising = f"{float(before[first])!r} (the {unit} before) or more"
        allowed = rising if np.isfinite(times[first]) else "a finite time"
        raise TraceError(f"{path}, {unit} {number(first)}: {read[first]!r} is not allowed; {allowed}")


def raised(times: NDArray[np.float64], last: float) -> NDArray[np.float64]:
    """The times, none before the latest of those before it, the latest of which is `last` for the first.

    >>> raised(np.array([3.0, 2.0, 5.0, 4.0]), last=2.5).tolist()
    [3.0, 3.0, 5.0, 5.0]
    """
    latest: NDArray[np.float64] = np.maximum.accumulate(np.concatenate(([last], times)))
    return latest[1:]
