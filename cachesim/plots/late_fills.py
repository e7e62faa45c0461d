"""What happens to one key when a write overtakes a load: its reads, loads, writes, and its row in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cachesim.plots.colours import BLUE, GREY, SERIES, VERMILION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["late_fill"]

_LANES = ("reads", "loads", "writes", "in the cache")
_CLOSE = 1e-9
"""Seconds within which two times are the same."""


def late_fill(
    requests: pd.DataFrame,
    loads: pd.DataFrame,
    entries: pd.DataFrame,
    *,
    start: float,
    end: float,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The life of one key from `start` to `end` (s), in four lanes.

    `requests` has the columns time, latency, outcome and version_lag, `loads` start and end, `entries` stored and ended
    (NaN: not yet), as `Result` has them, all of the same key; a write commits when its request ends. A row is an old
    one if a write committed between the start of its load and its storing. The default title counts the stale reads.

    >>> import pandas as pd
    >>> requests = pd.DataFrame(
    ...     {"time": [0.0, 0.1, 2.0], "latency": [0.5, 0.2, 0.0], "outcome": ["miss", "write", "hit"],
    ...      "version_lag": [0, float("nan"), 1]}
    ... )
    >>> loads, entries = ({"start": [0.0], "end": [0.5]}, {"stored": [0.5], "ended": [float("nan")]})
    >>> tables = requests, pd.DataFrame(loads), pd.DataFrame(entries)
    >>> late_fill(*tables, start=0, end=3).get_title(loc="left")
    '1 of 2 reads is stale'
    """
    if ax is None:
        ax = Figure(figsize=(8, 2.9), dpi=150, layout="constrained").subplots()
    shown = requests[(requests["time"] < end) & (requests["time"] + requests["latency"] >= start)]
    writes, reads = shown[shown["outcome"] == "write"], shown[(shown["outcome"] != "write") & (shown["time"] >= start)]
    stale = (reads["version_lag"] > 0).to_numpy()
    commits = (requests["time"] + requests["latency"])[requests["outcome"] == "write"].to_numpy()
    for which, marker, color in ((~stale, "o", BLUE), (stale, "X", VERMILION)):
        ax.plot(
            reads["time"][which], [0] * int(which.sum()), marker, color=color, markersize=9, markeredgecolor="white"
        )
    _bars(ax, 1, loads["start"], loads["end"], color=GREY)
    _bars(ax, 2, writes["time"], writes["time"] + writes["latency"], color=SERIES[2])
    ends = entries["ended"].fillna(end)
    old = _old(entries["stored"].to_numpy(), loads, commits)
    _bars(ax, 3, entries["stored"][~old], ends[~old], color=BLUE, alpha=0.55)
    _bars(ax, 3, entries["stored"][old], ends[old], color=VERMILION, alpha=0.55, hatch="///")
    ax.vlines(
        commits[(commits >= start) & (commits < end)], -0.4, 3.4, color=SERIES[2], linestyle=(0, (2, 2)), zorder=0
    )
    ax.set(xlim=(start, end), ylim=(3.5, -0.6), xlabel="time (s)")
    ax.set_yticks(range(len(_LANES)), _LANES)
    ax.tick_params("y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    told = f"{int(stale.sum())} of {len(stale)} reads {'is' if stale.sum() == 1 else 'are'} stale"
    ax.set_title(title or told, loc="left", weight="bold")
    _legend(ax)
    return ax


def _bars(ax: Axes, lane: int, starts: pd.Series[float], ends: pd.Series[float], **style: object) -> None:
    ax.barh([lane] * len(starts), ends - starts, left=starts, height=0.55, **{"edgecolor": "white", **style})  # type: ignore[arg-type]


def _old(stored: NDArray[np.float64], loads: pd.DataFrame, commits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a write committed between the start of the load that stored a row and that moment."""
    begun, over = loads["start"].to_numpy(), loads["end"].to_numpy()
    own = np.isclose(stored[:, None], over, rtol=0, atol=_CLOSE)
    since = begun[own.argmax(axis=1)]
    overtaken = ((since[:, None] < commits) & (commits <= stored[:, None])).any(axis=1)
    old: NDArray[np.bool_] = np.logical_and(overtaken, own.any(axis=1))
    return old


def _legend(ax: Axes) -> None:
    marks = {
        "current row": Line2D([], [], linestyle="none", marker="o", color=BLUE, markersize=8),
        "old row": Line2D([], [], linestyle="none", marker="X", color=VERMILION, markersize=8),
        "old row in the cache": Patch(facecolor=VERMILION, alpha=0.55, hatch="///", edgecolor="white"),
        "a write commits": Line2D([], [], color=SERIES[2], linestyle=(0, (2, 2))),
    }
    ax.legend(marks.values(), marks, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.25))
