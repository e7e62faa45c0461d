"""Hit ratios before, during and after something that disturbs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from cachesim.plots.colours import GREY, SERIES
from cachesim.plots.size_curves import apart, leader_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["disturbance"]

_DASHES = ("-", "--", "-.", ":")
_GAP = 0.06
"""Between two names, as a share of the height."""


def disturbance(
    hit_ratios: Mapping[str, pd.Series[float]],
    *,
    begins: float,
    ends: float,
    what: str,
    xlabel: str,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Hit ratios of several caches by time, or number of requests; shaded from `begins` to `ends`, `what` goes on then.

    The default title says which of them loses most while it goes on, from the mean before it to the mean during it.

    >>> import pandas as pd
    >>> lru = pd.Series([0.5, 0.5, 0.2, 0.2, 0.5], [1, 2, 3, 4, 5])
    >>> disturbance({"LRU": lru}, begins=2, ends=4, what="a job", xlabel="hours").get_title(loc="left")
    'LRU falls from 50 % to 20 % during a job'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3.6), dpi=150, layout="constrained").subplots()
    ax.axvspan(begins, ends, color=GREY, alpha=0.15, linewidth=0)
    ax.annotate(what, ((begins + ends) / 2, 0.02), xycoords=("data", "axes fraction"), ha="center", color=GREY)
    places = apart([float(series.iloc[-1]) for series in hit_ratios.values()], _GAP)
    losses = {}
    for index, ((name, series), place) in enumerate(zip(hit_ratios.items(), places, strict=True)):
        colour, dashes = SERIES[index % len(SERIES)], _DASHES[index % len(_DASHES)]
        ax.plot(series.index, series, color=colour, linestyle=dashes, linewidth=1.8, marker="o", markersize=3.5)
        ax.annotate(
            name,
            (series.index[-1], series.iloc[-1]),
            (1.03, place),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            arrowprops=leader_line(colour),
        )
        before = series[series.index <= begins].mean()
        losses[name] = (before, series[(series.index > begins) & (series.index <= ends)].mean())
    ax.set(xlabel=xlabel, ylabel="hit ratio", ylim=(0, 1))
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:,.0f}"))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    most = max(losses, key=lambda name: losses[name][0] - losses[name][1])
    before, during = losses[most]
    finding = f"{most} falls from {100 * before:.0f} % to {100 * during:.0f} % during {what}"
    ax.set_title(title or finding, loc="left", weight="bold")
    return ax
