"""Theory beside simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cachesim.plots.colours import BLUE, VERMILION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["agreement"]


def agreement(
    points: pd.DataFrame,
    theory: pd.Series[float],
    *,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """A theory as a line, and simulations as points with their intervals.

    `points`: columns mean, low and high, by the parameter; `theory`: values by the parameter. The default title says
    how many of the intervals contain what theory says.

    >>> import pandas as pd
    >>> points = pd.DataFrame({"mean": [1.1, 2.2], "low": [0.9, 2.1], "high": [1.3, 2.3]}, index=[1.0, 2.0])
    >>> agreement(points, pd.Series([1.0, 2.0], [1.0, 2.0]), xlabel="x (s)", ylabel="y (s)").get_title(loc="left")
    '1 of 2 intervals contain what theory says'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3.6), dpi=150, layout="constrained").subplots()
    at = points.index.to_numpy(dtype=np.float64)
    says = np.interp(at, theory.index.to_numpy(dtype=np.float64), theory.to_numpy(dtype=np.float64))
    mean, low, high = (points[column].to_numpy() for column in ("mean", "low", "high"))
    ax.plot(theory.index, theory, color=VERMILION, linestyle=(0, (5, 3)), linewidth=1.8, label="theory")
    ax.errorbar(
        at, mean, yerr=[mean - low, high - mean], color=BLUE, fmt="o", capsize=4, label="simulation, with interval"
    )
    slack = 1e-9 * np.abs(says)
    contained = int(((low - slack <= says) & (says <= high + slack)).sum())
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title or f"{contained} of {len(at)} intervals contain what theory says", loc="left", weight="bold")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax
