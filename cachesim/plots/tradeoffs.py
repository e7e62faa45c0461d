"""What is given for what: two costs of several choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cachesim.plots.colours import BLUE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["tradeoff"]


def tradeoff(points: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Two costs of several choices, each a point with its name: the nearer to the lower left corner, the better.

    `points` has a row for each choice and two columns, whose names say what they are, with units. The default title
    says which choice is the best in the first.

    >>> import pandas as pd
    >>> points = pd.DataFrame({"wait (s)": [2.0, 0.0], "age (s)": [1.0, 3.0]}, index=["load anew", "serve stale"])
    >>> tradeoff(points).get_title(loc="left")
    'Least wait (s): serve stale'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3.6), dpi=150, layout="constrained").subplots()
    across, up = points.columns
    ax.plot(points[across], points[up], "o", color=BLUE, markersize=9, clip_on=False, zorder=3)
    for name, x, y in points.itertuples():
        ax.annotate(name, (x, y), (9, 0), textcoords="offset points", va="center")
    ax.set(xlabel=across, ylabel=up, xlim=(0, 1.35 * points[across].max()), ylim=(0, 1.2 * points[up].max()))
    ax.set_title(title or f"Least {across}: {points[across].idxmin()}", loc="left", weight="bold")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
