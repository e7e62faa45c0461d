"""Where in a run a load that a write had overtaken stored an old row, and who was given it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachesim.plots import late_fill
from cachesim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["show", "worst"]


def worst(result: Result) -> tuple[str, float]:
    """The key of the row that was served most often when out of date, and the time (s) at which it was stored."""
    import pandas as pd

    stale = result.requests[result.requests["version_lag"] > 0].sort_values("time")
    entries = result.entries.sort_values("stored")
    served = pd.merge_asof(stale, entries, left_on="time", right_on="stored", by="key")
    counts = served.groupby(["key", "stored"]).size().rename("count").reset_index()
    most = counts.sort_values("count", kind="stable").iloc[-1]
    return str(most["key"]), float(most["stored"])


def show(result: Result, key: str, start: float, end: float) -> Axes:
    """What happened to a key from `start` to `end` (s)."""
    entries = result.entries
    own = entries["key"].str.rpartition(":")[2] == key  # patterns put a namespace before it
    requests, loads = (table[table["key"] == key] for table in (result.requests, result.loads))
    return late_fill(requests, loads, entries[own], start=start, end=end)
