"""Pictures: arrays and frames in, matplotlib Axes out. Times in seconds.

Each function draws on the Axes it is given, or on a Figure of its own that pyplot does not know, so that nothing is
left open behind it; `axes.figure.savefig` writes it to a file. Colours are Okabe and Ito's, told apart by every kind of
colour vision (https://jfly.uni-koeln.de/color/); fonts and sizes are whatever matplotlib is set to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["BLUE", "VERMILION", "Storm", "agreement", "comparison", "hit_rate_curves", "in_flight", "storm"]

BLUE, VERMILION = "#0072B2", "#D55E00"
_DARK_VERMILION = "#A94A00"
"""For text, which needs more contrast than a line."""
_GREY = "#555555"

_SERIES = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MOST_MARKERS = 12
_DASHES = ("-", "--", "-.", ":")

_BELOW = 0.22
"""How far below a mean its runs are drawn, as a share of the distance between caches."""

_MOST_STEPS = 4000
"""More steps than this cannot be told apart on a page, and the renderer refuses areas with some hundred thousand."""

_MOST_LABELS = 12
"""More storms than this get no numbers of their own, but for the highest."""

_LABEL_WIDTH = 0.06
"""The room of a label, as a share of the width."""


def in_flight(
    starts: ArrayLike, ends: ArrayLike, end: float, start: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many of the intervals [starts, ends) are open at each time from `start` to `end`, as a step function.

    Returns (times, counts): `counts[i]` are open from `times[i]` until the next time, the last until `end`; `times[0]`
    is `start`. An `ends` of NaN: still open. An interval that ends at the instant another starts ends before it. Raises
    `ValueError` when `end` is not above `start`.

    >>> times, counts = in_flight([0, 1, 4], [2, 3, float("nan")], end=5)
    >>> times.tolist(), counts.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0], [1, 2, 1, 0, 1])
    """
    if not end > start:
        raise ValueError(f"end: {end!r} is not allowed; above start ({start:g})")
    begun = np.asarray(starts, dtype=np.float64)
    over = np.asarray(ends, dtype=np.float64)
    over = np.where(np.isnan(over), np.inf, over)
    moments = np.concatenate(([start], np.maximum(begun, start), np.maximum(over, start)))
    steps = np.repeat([0, 1, -1], [1, len(begun), len(over)])
    times, where = np.unique(moments, return_inverse=True)
    change = np.zeros(len(times), dtype=np.int64)
    np.add.at(change, where, steps)
    shown = (times < end) & ((change != 0) | (times == start))
    return times[shown], np.cumsum(change)[shown]


def storm(
    loads: pd.DataFrame, *, duration: float, start: float = 0.0, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """The requests in flight at the database over time, from `start` to `duration` (s).

    `loads` has one row a load with the columns start and end (s; NaN: still in flight), as `Result.loads` has them. The
    default title says how many there were at most.

    >>> import pandas as pd
    >>> storm(pd.DataFrame({"start": [0.0, 0.1], "end": [0.5, 0.6]}), duration=1).get_title(loc="left")
    'Up to 2 requests at the database at once'
    """
    if ax is None:
        ax = Figure(figsize=(8, 3.6), dpi=150, layout="constrained").subplots()
    times, counts = in_flight(loads["start"], loads["end"], duration, start)
    Storm(ax).show(times, counts, end=duration, title=title)
    return ax


class Storm:
    """The picture that `storm` draws, as artists that take new data: for pictures that change while somebody looks."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self._area = ax.stairs([0], [0, 1], fill=True, color=BLUE, alpha=0.3, linewidth=0)
        self._outline = ax.stairs([0], [0, 1], baseline=None, color=BLUE, linewidth=1.5)
        halo = [withStroke(linewidth=3, foreground=ax.get_facecolor())]  # so that no line runs through a number
        self._labels = [
            ax.annotate(
                "",
                (0, 0),
                (0, 3),
                textcoords="offset points",
                ha="center",
                color=BLUE,
                weight="bold",
                path_effects=halo,
            )
            for _ in range(_MOST_LABELS)
        ]
        self._line = ax.axhline(0, color=VERMILION, linestyle=(0, (5, 3)), linewidth=1.5, visible=False)
        beside = ("axes fraction", "data")
        self._line_name = ax.annotate(
            "", (1, 0), (6, 0), xycoords=beside, textcoords="offset points", va="center", color=_DARK_VERMILION
        )
        ax.set(xlabel="time (s)", ylabel="requests in flight\nat the database")
        ax.spines[["top", "right"]].set_visible(False)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))

    def show(
        self,
        times: NDArray[np.float64],
        counts: NDArray[np.int64],
        *,
        end: float,
        title: str | None = None,
        limit: float | None = None,
    ) -> None:
        """Show a step function as `in_flight` returns it; the vertical axis ends at `limit`, or above the peak."""
        peaks = _peaks(times, counts, end)
        highest = int(counts.max())
        self.ax.set(xlim=(times[0], end), ylim=(0, limit or 1.2 * max(highest, 1)))
        self.ax.set_title(_finding(highest) if title is None else title, loc="left", weight="bold")
        times, counts = _thin(times, counts, end)
        edges = np.append(times, end)
        room = _LABEL_WIDTH / 3 * (end - edges[0])
        self._area.set_data(counts, edges)
        self._outline.set_data(counts, edges)
        for index, label in enumerate(self._labels):
            time, peak = peaks[index] if index < len(peaks) else (0.0, 0)
            label.xy = (min(max(time, edges[0] + room), end - room), peak)
            label.set_text(f"{peak:,}" if peak else "")

    def mark(self, height: float, name: str) -> None:
        """Draw a dashed line at `height` and name it beside the axes."""
        self._line.set(ydata=[height, height], visible=True)
        self._line_name.xy = (1, height)
        self._line_name.set_text(name)


def _peaks(times: NDArray[np.float64], counts: NDArray[np.int64], end: float) -> list[tuple[float, int]]:
    """Time and height of what deserves a number: the highest step of each storm, unless there are too many of them.

    A storm lasts from no request in flight to none again. Where two are too close for two numbers, the higher has it.
    """
    idle = np.flatnonzero(counts == 0)
    storms = np.split(np.arange(len(counts)), idle) if len(idle) <= _MOST_LABELS else [np.arange(len(counts))]
    highest = [int(storm[counts[storm].argmax()]) for storm in storms if counts[storm].any()]
    middles = (times + np.append(times[1:], end)) / 2
    width = end - float(times[0])
    kept: list[tuple[float, int]] = []
    for step in sorted(highest, key=lambda step: -int(counts[step]))[:_MOST_LABELS]:
        if all(abs(middles[step] - time) >= _LABEL_WIDTH * width for time, _ in kept):
            kept.append((float(middles[step]), int(counts[step])))
    return kept


def _finding(highest: int) -> str:
    if highest == 0:
        return "No request reached the database"
    if highest == 1:
        return "Never more than one request at the database"
    return f"Up to {highest:,} requests at the database at once"


def _thin(
    times: NDArray[np.float64], counts: NDArray[np.int64], end: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """At most `_MOST_STEPS` steps: those that fall together show the highest of their counts."""
    if len(times) <= _MOST_STEPS:
        return times, counts
    edges = np.linspace(times[0], end, _MOST_STEPS + 1)[:-1]
    # What holds within a bin: the step that still lasts when it begins, and those up to the one that lasts at its end.
    first = np.searchsorted(times, edges, side="right") - 1
    last = np.append(first[1:], len(times) - 1)
    return edges, np.maximum(np.maximum.reduceat(counts, first), counts[last])


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
    ax.plot(runs.to_numpy().T, below, color=_GREY, alpha=0.35, linewidth=0.8, marker="o", markersize=4, zorder=1)
    mean, low, high = (intervals[column].to_numpy() for column in ("mean", "low", "high"))
    ax.hlines(places, low, high, color=BLUE, linewidth=3, zorder=2)
    ax.plot(mean, places, "D", color=BLUE, markeredgecolor="white", markersize=8, linestyle="none", zorder=3)
    ax.set_yticks(places, names)
    ax.set(xlabel=label, ylim=(len(names) - 0.4, -0.6))
    ax.set_title(title or "Mean and interval; dots of the same requests are joined", loc="left", weight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


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
        colour, dashes = _SERIES[index % len(_SERIES)], _DASHES[index % len(_DASHES)]
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
