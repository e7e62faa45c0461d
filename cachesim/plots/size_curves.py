"""Hit ratio by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from cachesim.plots.colours import SERIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["hit_rate_curves"]

_MOST_MARKERS = 12
_DASHES = ("-", "--", "-.", ":")


def hit_rate_curves(
    curves: Mapping[str, pd.DataFrame], *, ax: Axes | None = None, unit: str = "entries", title: str | None = None
) -> Axes:
    """Hit ratio by size, on a logarithmic scale: a line for each curve, or for each lifetime of a curve.

    A curve has the columns size and hit_ratio; ttl (s), if it has several lifetimes; low and high, drawn as a band, if
    it is an estimate. Long curves are drawn at some hundred sizes, spread evenly over the scale.

    >>> import pandas as pd
    >>> curve = pd.DataFrame({"size": [1, 10, 100], "hit_ratio": [0.1, 0.5, 0.9]})
    >>> hit_rate_curves({"lru": curve}).get_title(loc="left")
    'Up to 90 % of requests hit: lru at 100 entries'
    """
    if ax is None:
        ax = Figure(figsize=(8, 4.2), dpi=150, layout="constrained").subplots()
    lines = [line for name, frame in curves.items() for line in _lines(name, frame)]
    for index, (name, frame) in enumerate(lines):
        shown = frame.iloc[_spread(len(frame))]
        colour, dashes = SERIES[index % len(SERIES)], _DASHES[index % len(_DASHES)]
        marker = "o" if len(shown) <= _MOST_MARKERS else ""  # between few sizes the line is no more than a guide
        ax.plot(
            shown["size"], shown["hit_ratio"], label=name, color=colour, linestyle=dashes, marker=marker, linewidth=1.8
        )
        if "low" in shown:
            low, high = shown["low"].clip(0, 1), shown["high"].clip(0, 1)
            ax.fill_between(shown["size"], low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set(xscale="log", xlabel=f"size ({unit})", ylabel="hit ratio", ylim=(0, 1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        ax.legend(frameon=False, ncols=1 + len(lines) // 12)
    best, frame = max(lines, key=lambda line: float(line[1]["hit_ratio"].iloc[-1]))
    finding = f"Up to {frame['hit_ratio'].iloc[-1]:.0%} of requests hit: {best} at {frame['size'].iloc[-1]:,} {unit}"
    ax.set_title(title or finding.replace("%", " %"), loc="left", weight="bold")
    return ax


def _lines(name: str, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """A curve, or those of each of its lifetimes, and what to call them."""
    if "ttl" not in frame:
        return [(name, frame)]
    return [(f"{name}, {ttl:g} s", frame[frame["ttl"] == ttl]) for ttl in frame["ttl"].unique().tolist()]


def _spread(length: int) -> NDArray[np.int64]:
    """The places of some hundred of so many rows, evenly spread over the scale of magnitudes."""
    return np.unique(np.geomspace(1, length, 400).round().astype(np.int64)) - 1
