"""The requests in flight at the database over time: what a thundering herd looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from cachesim.plots.colours import BLUE, DARK_VERMILION, VERMILION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Storm", "in_flight", "storm"]

_MOST_STEPS = 4000
"""More steps than this cannot be told apart on a page, and the renderer refuses areas with some hundred thousand."""

_MOST_LABELS = 12
"""More storms than this get no numbers of their own, but for the highest."""

_LABEL_WIDTH = 0.06
"""The room of a label, as a share of the width."""


def in_flight(
    starts: ArrayLike, ends: ArrayLike, end: float, start: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many of the intervals [starts, ends) are open at each time from `start` to `end`, as a step function.

    Returns (times, counts): `counts[i]` are open from `times[i]` until the next time, the last until `end`; `times[0]`
    is `start`. An `ends` of NaN: still open. An interval that ends at the instant another starts ends before it. Raises
    `ValueError` when `end` is not above `start`.

    >>> times, counts = in_flight([0, 1, 4], [2, 3, float("nan")], end=5)
    >>> times.tolist(), counts.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0], [1, 2, 1, 0, 1])
    """
    if not end > start:
        raise ValueError(f"end: {end!r} is not allowed; above start ({start:g})")
    begun = np.asarray(starts, dtype=np.float64)
    over = np.asarray(ends, dtype=np.float64)
    over = np.where(np.isnan(over), np.inf, over)
    moments = np.concatenate(([start], np.maximum(begun, start), np.maximum(over, start)))
    steps = np.repeat([0, 1, -1], [1, len(begun), len(over)])
    times, where = np.unique(moments, return_inverse=True)
    change = np.zeros(len(times), dtype=np.int64)
    np.add.at(change, where, steps)
    shown = (times < end) & ((change != 0) | (times == start))
    return times[shown], np.cumsum(change)[shown]


def storm(
    loads: pd.DataFrame, *, duration: float, start: float = 0.0, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """The requests in flight at the database over time, from `start` to `duration` (s).

    `loads` has one row a load with the columns start and end (s; NaN: still in flight), as `Result.loads` has them. The
    default title says how many there were at most.

    >>> import pandas as pd
    >>> storm(pd.DataFrame({"start": [0.0, 0.1], "end": [0.5, 0.6]}), duration=1).get_title(loc="left")
    'Up to 2 requests at the database at once'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3.6), dpi=150, layout="constrained").subplots()
    times, counts = in_flight(loads["start"], loads["end"], duration, start)
    Storm(ax).show(times, counts, end=duration, title=title)
    return ax


class Storm:
    """The picture that `storm` draws, as artists that take new data: for pictures that change while somebody looks."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self._area = ax.stairs([0], [0, 1], fill=True, color=BLUE, alpha=0.3, linewidth=0)
        self._outline = ax.stairs([0], [0, 1], baseline=None, color=BLUE, linewidth=1.5)
        halo = [withStroke(linewidth=3, foreground=ax.get_facecolor())]  # so that no line runs through a number
        self._labels = [
            ax.annotate(
                "",
                (0, 0),
                (0, 3),
                textcoords="offset points",
                ha="center",
                color=BLUE,
                weight="bold",
                path_effects=halo,
            )
            for _ in range(_MOST_LABELS)
        ]
        self._line = ax.axhline(0, color=VERMILION, linestyle=(0, (5, 3)), linewidth=1.5, visible=False)
        beside = ("axes fraction", "data")
        self._line_name = ax.annotate(
            "", (1, 0), (6, 0), xycoords=beside, textcoords="offset points", va="center", color=DARK_VERMILION
        )
        ax.set(xlabel="time (s)", ylabel="requests in flight\nat the database")
        ax.spines[["top", "right"]].set_visible(False)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))

    def show(
        self,
        times: NDArray[np.float64],
        counts: NDArray[np.int64],
        *,
        end: float,
        title: str | None = None,
        limit: float | None = None,
    ) -> None:
        """Show a step function as `in_flight` returns it; the vertical axis ends at `limit`, or above the peak."""
        peaks = _peaks(times, counts, end)
        highest = int(counts.max())
        self.ax.set(xlim=(times[0], end), ylim=(0, limit or 1.2 * max(highest, 1)))
        self.ax.set_title(_finding(highest) if title is None else title, loc="left", weight="bold")
        times, counts = _thin(times, counts, end)
        edges = np.append(times, end)
        room = _LABEL_WIDTH / 3 * (end - edges[0])
        self._area.set_data(counts, edges)
        self._outline.set_data(counts, edges)
        for index, label in enumerate(self._labels):
            time, peak = peaks[index] if index < len(peaks) else (0.0, 0)
            label.xy = (min(max(time, edges[0] + room), end - room), peak)
            label.set_text(f"{peak:,}" if peak else "")

    def mark(self, height: float, name: str) -> None:
        """Draw a dashed line at `height` and name it beside the axes."""
        self._line.set(ydata=[height, height], visible=True)
        self._line_name.xy = (1, height)
        self._line_name.set_text(name)


def _peaks(times: NDArray[np.float64], counts: NDArray[np.int64], end: float) -> list[tuple[float, int]]:
    """Time and height of what deserves a number: the highest step of each storm, unless there are too many of them.

    A storm lasts from no request in flight to none again. Where two are too close for two numbers, the higher has it.
    """
    idle = np.flatnonzero(counts == 0)
    storms = np.split(np.arange(len(counts)), idle) if len(idle) <= _MOST_LABELS else [np.arange(len(counts))]
    highest = [int(storm[counts[storm].argmax()]) for storm in storms if counts[storm].any()]
    middles = (times + np.append(times[1:], end)) / 2
    width = end - float(times[0])
    kept: list[tuple[float, int]] = []
    for step in sorted(highest, key=lambda step: -int(counts[step]))[:_MOST_LABELS]:
        if all(abs(middles[step] - time) >= _LABEL_WIDTH * width for time, _ in kept):
            kept.append((float(middles[step]), int(counts[step])))
    return kept


def _finding(highest: int) -> str:
    if highest == 0:
        return "No request reached the database"
    if highest == 1:
        return "Never more than one request at the database"
    return f"Up to {highest:,} requests at the database at once"


def _thin(
    times: NDArray[np.float64], counts: NDArray[np.int64], end: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """At most `_MOST_STEPS` steps: those that fall together show the highest of their counts."""
    if len(times) <= _MOST_STEPS:
        return times, counts
    edges = np.linspace(times[0], end, _MOST_STEPS + 1)[:-1]
    # What holds within a bin: the step that still lasts when it begins, and those up to the one that lasts at its end.
    first = np.searchsorted(times, edges, side="right") - 1
    last = np.append(first[1:], len(times) - 1)
    return edges, np.maximum(np.maximum.reduceat(counts, first), counts[last])
