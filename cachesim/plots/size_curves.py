"""Hit ratio by size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from cachesim.plots.colours import SERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["HitRateCurves", "apart", "hit_rate_curves", "leader_line"]

_MOST_MARKERS = 12
_MOST_LABELS = 14
"""More lines than this have no room for their names at their ends, and get a legend."""
_DASHES = ("-", "--", "-.", ":")
_TOP = 0.97
"""The highest place of a name, which leaves room for the title."""
_LINE_HEIGHT, _PLOTTED = 14, 0.75
"""Of a name, in points; the share of a figure's height that is taken by the axes, about."""


def hit_rate_curves(
    curves: Mapping[str, pd.DataFrame],
    *,
    theory: Mapping[str, pd.Series[float]] | None = None,
    ax: Axes | None = None,
    unit: str = "entries",
    title: str | None = None,
) -> Axes:
    """Hit ratio by size, on a logarithmic scale: a line for each curve, or for each lifetime of a curve.

    A curve has the columns size and hit_ratio; ttl (s), if it has several lifetimes; low and high, drawn as a band, if
    it is an estimate. Long curves are drawn at some hundred sizes, spread evenly over the scale. `theory`: what a
    theory says, hit ratios by size, drawn as circles.

    >>> import pandas as pd
    >>> curve = pd.DataFrame({"size": [1, 10, 100], "hit_ratio": [0.1, 0.5, 0.9]})
    >>> hit_rate_curves({"lru": curve}).get_title(loc="left")
    'Up to 90 % of requests hit: lru at 100 entries'
    """
    if ax is None:
        ax = Figure(figsize=(8, 4.2), dpi=150, layout="constrained").subplots()
    frames = [line for name, frame in curves.items() for line in _lines(name, frame)]
    shown = [(name, frame.iloc[_spread(len(frame))]) for name, frame in frames]
    named = len(shown) <= _MOST_LABELS
    picture = HitRateCurves(ax, curves=len(shown), unit=unit)
    picture.show([(name if named and len(shown) > 1 else "", *_columns(frame)) for name, frame in shown])
    picture.theory([*(theory or {}).values()])
    for line, (name, frame) in zip(picture.lines, shown, strict=True):
        line.set_label(name)
        if "low" in frame:
            low, high = frame["low"].clip(0, 1), frame["high"].clip(0, 1)
            ax.fill_between(frame["size"], low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.relim()
    ax.autoscale_view(scaley=False)
    handles = [*([] if named else picture.lines), *([picture.circles] if theory else [])]
    if handles:
        ax.legend(handles=handles, frameon=False, ncols=1 + len(handles) // 12)
    best, frame = max(frames, key=lambda line: float(line[1]["hit_ratio"].iloc[-1]))
    finding = f"Up to {frame['hit_ratio'].iloc[-1]:.0%} of requests hit: {best} at {frame['size'].iloc[-1]:,} {unit}"
    ax.set_title(title or finding.replace("%", " %"), loc="left", weight="bold")
    return ax


class HitRateCurves:
    """The picture that `hit_rate_curves` draws, as artists that take new data: curves named at their ends."""

    def __init__(self, ax: Axes, *, curves: int, unit: str = "entries") -> None:
        self.ax = ax
        styles = [(SERIES[index % len(SERIES)], _DASHES[index % len(_DASHES)]) for index in range(curves)]
        self.lines = [
            ax.plot([], [], color=colour, linestyle=dashes, linewidth=1.8, markersize=5)[0] for colour, dashes in styles
        ]
        self.circles = ax.scatter([], [], s=81, facecolors="none", edgecolors="black", zorder=3, label="theory")
        self._names = [
            ax.annotate(
                "",
                (1, 1),
                (1.03, 1),
                textcoords=ax.get_yaxis_transform(),  # beside the axes, at the height of a hit ratio
                va="center",
                arrowprops=leader_line(colour),
                annotation_clip=False,
            )
            for colour, _ in styles
        ]
        ax.set(xscale="log", xlabel=f"size ({unit})", ylabel="hit ratio", ylim=(0, 1))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)

    def show(self, curves: Sequence[tuple[str, NDArray[np.int64], NDArray[np.float64]]]) -> None:
        """Show curves as (name, sizes, hit ratios); one without a name has none at its end."""
        figure = self.ax.get_figure(root=True)
        assert figure is not None
        gap = _LINE_HEIGHT / (_PLOTTED * 72 * figure.get_size_inches()[1])
        named = [index for index, (name, _, _) in enumerate(curves) if name]
        places = dict(zip(named, apart([float(curves[index][2][-1]) for index in named], gap), strict=True))
        for index, (name, sizes, hit_ratios) in enumerate(curves):
            self.lines[index].set_data(sizes, hit_ratios)
            # Between few sizes the line is no more than a guide.
            self.lines[index].set_marker("o" if len(sizes) <= _MOST_MARKERS else "")
            label = self._names[index]
            label.set_visible(bool(name))
            if name:
                label.set_text(name)
                label.xy = (sizes[-1], hit_ratios[-1])
                label.set_position((1.03, places[index]))

    def theory(self, curves: Sequence[pd.Series[float]]) -> None:
        """Show what theory says as circles: hit ratios by size."""
        sizes = [size for curve in curves for size in curve.index]
        hit_ratios = [hit_ratio for curve in curves for hit_ratio in curve]
        self.circles.set_offsets(np.column_stack([sizes, hit_ratios]))


def leader_line(colour: str) -> dict[str, Any]:
    """The thin line from the end of a curve to its name: what matplotlib calls the properties of an arrow."""
    return {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 2, "relpos": (0, 0.5)}


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights as near to these as can be, within 0 and .97, and `gap` from one to the next, in their order.

    Least squares: those that push each other away share the way (pool adjacent violators).

    >>> [round(height, 2) for height in apart([0.9, 0.5, 0.52], gap=0.1)]
    [0.9, 0.46, 0.56]
    """
    order = np.argsort(heights, kind="stable")
    pools: list[list[float]] = []  # without the gaps they must not fall; each pool stays together
    for rank, index in enumerate(order):
        pools.append([heights[index] - rank * gap])
        while len(pools) > 1 and np.mean(pools[-2]) >= np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    highest = max(0.0, _TOP - gap * (len(heights) - 1))
    places = [min(max(float(np.mean(pool)), 0.0), highest) for pool in pools for _ in pool]
    found = [0.0] * len(heights)
    for rank, index in enumerate(order):
        found[index] = places[rank] + rank * gap
    return found


def _columns(frame: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return frame["size"].to_numpy(), frame["hit_ratio"].to_numpy()


def _lines(name: str, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """A curve, or those of each of its lifetimes, and what to call them."""
    if "ttl" not in frame:
        return [(name, frame)]
    return [(f"{name}, {ttl:g} s", frame[frame["ttl"] == ttl]) for ttl in frame["ttl"].unique().tolist()]


def _spread(length: int) -> NDArray[np.int64]:
    """The places of some hundred of so many rows, evenly spread over the scale of magnitudes."""
    return np.unique(np.geomspace(1, length, 400).round().astype(np.int64)) - 1
