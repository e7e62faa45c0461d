"""How long each read of one key waits: whoever finds it loading waits for what is left of the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cachesim.plots.colours import BLUE, GREY, SERIES, VERMILION
from cachesim.plots.storms import in_flight

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Waits"]

_MARKS = {"hit": ("o", BLUE), "delayed_hit": ("^", SERIES[2]), "miss": ("D", VERMILION)}
"""Marker and colour of each outcome."""


class Waits:
    """Reads as marks over time, each at the height of its wait (s), and grey where a load is under way.

    Artists that take new data: for pictures that change while somebody looks.
    """

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self._loading = ax.stairs([0], [0, 1], fill=True, color=GREY, alpha=0.18, linewidth=0)
        self._marks = {
            outcome: ax.plot([], [], marker, color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.5)[
                0
            ]
            for outcome, (marker, colour) in _MARKS.items()
        }
        ax.set(xlabel="time (s)", ylabel="wait (s)")
        ax.spines[["top", "right"]].set_visible(False)

    def show(self, reads: pd.DataFrame, loads: pd.DataFrame, *, end: float, limit: float, title: str) -> None:
        """Show reads (columns time, latency, outcome) and loads (start, end) until `end`; waits up to `limit` (s)."""
        reads = reads[reads["time"] < end]
        for outcome, marks in self._marks.items():
            shown = reads[reads["outcome"] == outcome]
            marks.set_data(shown["time"], shown["latency"])
        times, counts = in_flight(loads["start"], loads["end"], end)
        self._loading.set_data(np.where(counts > 0, limit, 0.0), np.append(times, end))
        self.ax.set(xlim=(0, end), ylim=(-0.06 * limit, limit))
        self.ax.set_title(title, loc="left", weight="bold")
