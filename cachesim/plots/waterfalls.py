"""Each request a row, from its arrival until it is answered: who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cachesim.plots.colours import BLUE, GREY, SERIES, VERMILION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["waterfall"]

_CLOSE = 1e-9
"""Seconds by which arrival + latency may miss the end of the load."""


def waterfall(
    requests: pd.DataFrame, loads: pd.DataFrame, *, end: float, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Requests as rows, in order of arrival, until `end` (s): a thin line while one waits, a bar while it loads.

    `requests` has the columns time, latency and outcome, `loads` start and end (s), as `Result` has them. A load is
    drawn in the row of the first request that was there when it started and answered when it ended. The default title
    counts the loads.

    >>> import pandas as pd
    >>> requests = pd.DataFrame({"time": [0.0, 0.1], "latency": [0.5, 0.4], "outcome": ["miss", "delayed_hit"]})
    >>> waterfall(requests, pd.DataFrame({"start": [0.0], "end": [0.5]}), end=1).get_title(loc="left")
    '1 load for 2 requests'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3), dpi=150, layout="constrained").subplots()
    requests, loads = requests.sort_values("time"), loads.sort_values("start")
    arrivals = requests["time"].to_numpy()
    answers = arrivals + requests["latency"].to_numpy()
    rows = np.arange(len(arrivals))
    failed = (requests["outcome"] == "error").to_numpy()
    ax.hlines(rows, arrivals, answers, color=GREY, linewidth=1.2, zorder=1, label="waits")
    starts, ends = loads["start"].to_numpy(), loads["end"].to_numpy()
    theirs = (arrivals <= starts[:, None]) & np.isclose(answers, ends[:, None], rtol=0, atol=_CLOSE)
    ax.barh(theirs.argmax(axis=1), ends - starts, left=starts, height=0.6, color=BLUE, label="loads")
    for which, marker, colour, told in ((failed, "X", VERMILION, "error"), (~failed, "o", SERIES[2], "value")):
        if which.any():
            ax.plot(
                answers[which], rows[which], marker, color=colour, markersize=9, markeredgecolor="white", label=told
            )
    ax.set(xlim=(0, end), ylim=(len(rows) - 0.3, -0.7), xlabel="time (s)", ylabel="request", yticks=rows)
    ax.set_yticklabels([str(row + 1) for row in rows])
    count = f"{len(loads)} load{'s' * (len(loads) != 1)} for {len(rows)} requests"
    ax.set_title(count if title is None else title, loc="left", weight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return ax
