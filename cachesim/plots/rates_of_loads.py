"""Loads per second of several caches over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cachesim.plots.colours import SERIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["load_rates"]

_DASHES = ((0, (5, 2)), (0, ()), (0, (1, 1.5)))


def load_rates(series: Mapping[str, pd.DataFrame], *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """A line for each cache, named at its end; at most three.

    `series` by the name of the cache: a column load_rate (1/s) by time (s), as `Result.series` has it. The default
    title compares the second halves of the first and the last.

    >>> import pandas as pd
    >>> frames = {"none": pd.DataFrame({"load_rate": [5.0, 6.0]}), "lock": pd.DataFrame({"load_rate": [5.0, 1.5]})}
    >>> load_rates(frames).get_title(loc="left")
    'In the second half 6 loads/s (none) and 1.5 (lock)'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3), dpi=150, layout="constrained").subplots()
    means = []
    for (name, frame), color, dashes in zip(series.items(), reversed(SERIES[: len(series)]), _DASHES, strict=False):
        rates = frame["load_rate"]
        ax.plot(rates.index, rates, color=color, linestyle=dashes, linewidth=1.8)
        means.append((rates.iloc[len(rates) // 2 :].mean(), name))
        end = (rates.index[-1], means[-1][0])
        ax.annotate(name, end, (8, 0), textcoords="offset points", va="center", color=color, annotation_clip=False)
    ax.set(xlabel="time (s)", ylabel="loads per second", xlim=(rates.index[0], rates.index[-1]))
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    (first, name), (last, other) = means[0], means[-1]
    finding = f"In the second half {first:.3g} loads/s ({name}) and {last:.3g} ({other})"
    ax.set_title(title or finding, loc="left", weight="bold")
    return ax
