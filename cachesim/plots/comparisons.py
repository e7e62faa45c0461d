"""One metric of several caches under the same requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cachesim.plots.colours import BLUE, GREY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["comparison"]

_BELOW = 0.22
"""How far below a mean its runs are drawn, as a share of the distance between caches."""


def comparison(
    runs: pd.DataFrame, intervals: pd.DataFrame, *, label: str, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """One metric of several caches: each run a dot, joined to those that met the same requests, and each mean.

    `runs` has a column for each cache and a row for each seed; `intervals` a row for each cache with the columns mean,
    low and high. NaN is not drawn. `label`: the metric and its unit. Lines that all lean to one side show a difference
    that every run agrees on, however far chance spreads the runs.

    >>> import pandas as pd
    >>> runs = pd.DataFrame({"none": [1.0, 2.0], "lock": [0.5, 0.7]})
    >>> intervals = pd.DataFrame({"mean": [1.5, 0.6], "low": [1.1, 0.4], "high": [1.9, 0.8]}, index=["none", "lock"])
    >>> [text.get_text() for text in comparison(runs, intervals, label="latency (s)").get_yticklabels()]
    ['none', 'lock']
    """
    names = [str(name) for name in runs.columns]
    if ax is None:
        height = 1.4 + 0.55 * len(names)
        ax = Figure(figsize=(8, height), dpi=150, layout="constrained").subplots()
    places = np.arange(len(names))
    below = places + _BELOW  # the mean stands above the dots, or it would hide them
    ax.plot(runs.to_numpy().T, below, color=GREY, alpha=0.35, linewidth=0.8, marker="o", markersize=4, zorder=1)
    mean, low, high = (intervals[column].to_numpy() for column in ("mean", "low", "high"))
    ax.hlines(places, low, high, color=BLUE, linewidth=3, zorder=2)
    ax.plot(mean, places, "D", color=BLUE, markeredgecolor="white", markersize=8, linestyle="none", zorder=3)
    ax.set_yticks(places, names)
    ax.set(xlabel=label, ylim=(len(names) - 0.4, -0.6))
    ax.set_title(title or "Mean and interval; dots of the same requests are joined", loc="left", weight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
