"""What a page waits for that needs many keys: a lane for each way of asking, a row in it for each key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection

from cachesim.plots.colours import BLUE, DARK_VERMILION, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PageWaits", "Wait"]

_LANE = 0.84
"""The share of a lane that its rows take; the rest is room between lanes."""
_THINNEST = 0.9
"""Points: thinner rows cannot be seen."""
_LEGEND = ((0.0, "Redis", BLUE), (0.12, "database", DARK_VERMILION), (0.29, "queue for a connection", GREY))


class Wait(NamedTuple):
    """What one row of a lane waits for, from `begin` to `end` (s): "redis", "queue" or "database"."""

    row: int
    what: str
    begin: float
    end: float


_COLOURS = {"redis": BLUE, "queue": "#999999", "database": VERMILION}


class PageWaits:
    """Lanes named from the top, as artists that take new data; each ends with a label."""

    def __init__(self, ax: Axes, names: Sequence[str]) -> None:
        self.ax = ax
        self._names = names
        self._spans = LineCollection([], capstyle="butt")
        ax.add_collection(self._spans, autolim=False)
        middles = [lane + _LANE / 2 for lane in range(len(names))]
        beside = ("axes fraction", "data")
        self._ends = [ax.plot([0, 0], [0, 0], color=GREY, linewidth=1)[0] for _ in names]
        self._labels = [
            ax.annotate("", (1.01, middle), xycoords=beside, va="center", linespacing=1.45) for middle in middles
        ]
        ax.set(ylim=(len(names) - 1 + _LANE + 0.06, -0.06), xlabel="time since the page was asked for (ms)")
        ax.set_yticks(middles, names)
        ax.tick_params("y", length=0)
        ax.grid(axis="x", alpha=0.3)
        ax.spines[["top", "right", "left"]].set_visible(False)
        for place, name, colour in _LEGEND:
            ax.text(place, 1.02, f"■ {name}", transform=ax.transAxes, color=colour, va="bottom")

    def show(self, lanes: Sequence[Sequence[Wait]], *, limit: float, labels: Sequence[str]) -> None:
        """Show the waits of each lane, which is divided into its rows; the time axis ends at `limit` (s)."""
        figure = self.ax.get_figure(root=True)
        assert figure is not None
        points = self.ax.get_window_extent().height / figure.dpi * 72 / len(self._names)
        segments, widths, colours = [], [], []
        for lane, waits in enumerate(lanes):
            height = _LANE / (1 + max(wait.row for wait in waits))
            for wait in waits:
                depth = lane + (wait.row + 0.5) * height
                segments.append(np.array([[1000 * wait.begin, depth], [1000 * wait.end, depth]]))
                widths.append(max((0.72 if height < _LANE else 1.0) * height * points, _THINNEST))
                colours.append(_COLOURS[wait.what])
            last = 1000 * max(wait.end for wait in waits)
            self._ends[lane].set_data([last, last], [lane, lane + _LANE])
        self._spans.set(segments=segments, linewidths=widths, colors=colours)
        for label, text in zip(self._labels, labels, strict=True):
            label.set_text(text)
        self.ax.set_xlim(0, 1000 * limit)
