"""The life of one value that is served stale for a while: what state it is in, and how each request for it fares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cachesim.plots.colours import BLUE, GREY, VERMILION
from cachesim.plots.storms import in_flight

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["StaleLife", "stale_life"]

_ORANGE, _GREEN = "#E69F00", "#009E73"
_OUTCOMES = {"hit": ("o", BLUE), "stale_hit": ("^", _ORANGE), "delayed_hit": ("s", _GREEN), "miss": ("X", VERMILION)}
"""Markers and colours of the outcomes, a row for each, from the top."""
_VALUE, _LOAD, _WAIT = 3.0, 2.1, 0.3
"""Where the rows below these begin; those of the outcomes are at 7, 6, 5 and 4."""
_FRESH, _STALE = 0.6, 0.3
"""Heights of the band of the value: of a fresh one, of a stale one, and nothing where it has gone."""


def stale_life(
    requests: pd.DataFrame,
    loads: pd.DataFrame,
    *,
    fresh_for: float,
    stale_for: float,
    end: float,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """One value from 0 s to `end`, fresh for `fresh_for` s from each load, then stale for `stale_for` s, then gone.

    `requests` has the columns time, outcome and latency (s), `loads` start and end (s), as a `Result` has them. The
    default title says how many of the requests were served stale, and how many waited.

    >>> import pandas as pd
    >>> outcomes = ["miss", "hit", "stale_hit"]
    >>> requests = pd.DataFrame({"time": [0.0, 1.0, 3.0], "outcome": outcomes, "latency": [0.5, 0.0, 0.0]})
    >>> loads = pd.DataFrame({"start": [0.0, 3.0], "end": [0.5, 3.5]})
    >>> stale_life(requests, loads, fresh_for=2, stale_for=1, end=4).get_title(loc="left")
    'Of 3 requests, 1 served stale and 1 made to wait'
    """
    if ax is None:
        ax = Figure(figsize=(8, 4), dpi=150, layout="constrained").subplots()
    shown = requests[requests["time"] < end]
    stale, waits = int((shown["outcome"] == "stale_hit").sum()), int((shown["latency"] > 0).sum())
    finding = f"Of {len(shown)} requests, {stale} served stale and {waits} made to wait"
    longest = max(float(shown["latency"].max()), 1e-9)
    picture = StaleLife(ax)
    picture.show(
        requests, loads, fresh_for=fresh_for, stale_for=stale_for, end=end, title=title or finding, limit=longest
    )
    return ax


class StaleLife:
    """The picture that `stale_life` draws, as artists that take new data: for one that changes while somebody looks."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        rows = {name: row for row, name in zip(range(7, 3, -1), _OUTCOMES, strict=True)}
        for row in [*rows.values(), _VALUE, _LOAD, _WAIT]:
            ax.axhline(row, color="#DDDDDD", linewidth=0.6, zorder=0)
        self._marks = {
            name: ax.plot([], [], marker, color=colour, markersize=6, markeredgewidth=0)[0]
            for name, (marker, colour) in _OUTCOMES.items()
        }
        self._rows = rows
        self._fresh = ax.stairs([0], [0, 1], baseline=_VALUE, fill=True, color=BLUE, alpha=0.85, linewidth=0)
        self._stale = ax.stairs([0], [0, 1], baseline=_VALUE, fill=True, color=_ORANGE, alpha=0.9, linewidth=0)
        self._load = ax.stairs([0], [0, 1], baseline=_LOAD, fill=True, color=GREY, linewidth=0)
        (self._waits,) = ax.plot([], [], color=VERMILION, linewidth=1.2)
        self._names = [
            ax.text(0, _VALUE + height / 2, name, ha="center", va="center", color=colour, size=9)
            for name, height, colour in (("fresh", _FRESH, "white"), ("stale", _STALE, "black"))
        ]
        ax.set(xlabel="time (s)", ylim=(0.2, 7.5))
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)

    def show(
        self,
        requests: pd.DataFrame,
        loads: pd.DataFrame,
        *,
        fresh_for: float,
        stale_for: float,
        end: float,
        title: str,
        limit: float,
    ) -> None:
        """Show a run from 0 s to `end`; the row of the waits is so high that `limit` (s) fits."""
        shown = requests[requests["time"] < end]
        for name, marks in self._marks.items():
            at = shown["time"][shown["outcome"] == name]
            marks.set_data(at, np.full(len(at), self._rows[name]))
        stored = np.sort(loads["end"].dropna().to_numpy())
        self._show_value(stored[stored < end], fresh_for, stale_for, end)
        times, counts = in_flight(loads["start"], loads["end"], end)
        self._load.set_data(_LOAD + np.minimum(counts, 1) * 0.45, np.append(times, end), _LOAD)
        waits = shown[shown["latency"] > 0]
        self._waits.set_data(*_stems(waits["time"].to_numpy(), _WAIT + waits["latency"].to_numpy() / limit))
        names = [name.replace("_", " ") for name in self._rows]
        ticks = [*self._rows.values(), _VALUE + _FRESH / 2, _LOAD + 0.2, _WAIT + 1, _WAIT]
        self.ax.set_yticks(ticks, [*names, "value", "load", f"wait {limit:.3g} s", "0 s"])
        self.ax.set_xlim(0, end)
        self.ax.set_title(title, loc="left", weight="bold")

    def _show_value(self, stored: NDArray[np.float64], fresh_for: float, stale_for: float, end: float) -> None:
        """The band of the value, and the names of its states where there is room for them at first."""
        until = np.append(stored[1:], end)
        ages = np.minimum(stored + fresh_for, until)
        gone = np.minimum(stored + fresh_for + stale_for, until)
        for band, name, begin, over, height in (
            (self._fresh, self._names[0], stored, ages, _FRESH),
            (self._stale, self._names[1], ages, gone, _STALE),
        ):
            edges = np.column_stack([begin, over]).ravel()
            heights = np.tile([_VALUE + height, _VALUE], len(stored))
            band.set_data(heights, np.append(edges, end), _VALUE)
            wide = np.flatnonzero(over - begin > 0.05 * end)[:1]
            name.set_visible(len(wide) > 0)
            name.set_x(float((begin + over)[wide].sum() / 2))


def _stems(times: NDArray[np.float64], heights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A line from the row's ground up to each height, in one path that is broken between them."""
    ground, nothing = np.full(len(times), _WAIT), np.full(len(times), np.nan)
    return np.column_stack([times, times, nothing]).ravel(), np.column_stack([ground, heights, nothing]).ravel()
