"""How far out of date each read was, over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cachesim.plots.colours import SERIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["staleness"]

_MARKERS = "o^sDv"


def staleness(
    reads: Mapping[str, pd.DataFrame],
    *,
    end: float,
    start: float = 0.0,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """A mark for each stale read from `start` to `end` (s), at the seconds by which it is out of date.

    `reads` by what answered them: columns time and staleness in seconds, as `Result.requests` has them. The default
    title says how many there are, and by how much at most.

    >>> import pandas as pd
    >>> reads = pd.DataFrame({"time": [1.0, 2.0], "staleness": [0.0, 0.5]})
    >>> staleness({"printed code": reads}, end=3).get_title(loc="left")
    'Stale reads: printed code 1, up to 0.5 s'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3.2), dpi=150, layout="constrained").subplots()
    found = []
    for index, (name, rows) in enumerate(reads.items()):
        stale = rows[rows["time"].between(start, end) & (rows["staleness"] > 0)]
        found.append(f"{name} {len(stale)}" + (f", up to {stale['staleness'].max():.2g} s" if len(stale) else ""))
        ax.plot(
            stale["time"], stale["staleness"], _MARKERS[index], color=SERIES[index], markersize=4, alpha=0.7, label=name
        )
    ax.set(xlabel="time of the read (s)", ylabel="out of date by (s)", xlim=(start, end))
    ax.set_ylim(bottom=0)
    ax.set_title(title or f"Stale reads: {'; '.join(found)}", loc="left", weight="bold")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, handletextpad=0.2)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
