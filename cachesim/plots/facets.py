"""A measure by several settings: small pictures side by side, all with the same scales."""

from __future__ import annotations

from itertools import product
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from cachesim.plots.colours import BLUE, GREY, SERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Numbers = NDArray[np.integer[Any]] | int

__all__ = ["faceted", "scattered"]

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
_CHARACTER, _BOLD = 0.078, 0.11
"""How wide a character is, and one of the title, in inches, about."""
_APART = 0.05
"""Between points at the same value, in inches, if there is room; twice that if the values are texts."""
_MOST_ENTRIES = 15
"""Of a legend, one below the other."""
_MOST_CAPS = 12
"""Intervals at more places than this have no caps, which would touch."""
_MOST_TICKS = 8


def faceted(
    points: pd.DataFrame,
    *,
    x: str,
    label: str,
    line: str | None = None,
    column: str | None = None,
    row: str | None = None,
    unit: str = "",
    title: str | None = None,
) -> list[Axes]:
    """A measure by the column `x`: a line for each value of `line`, a panel for each of `column` and `row`.

    `points` has the columns mean, low and high (the interval; NaN where there is none) and those named. Numbers rise,
    joined by lines; the scale is logarithmic, and says so, if they span a factor of 50 and lie evenly on it. Texts and
    booleans stand in the order in which they appear. Where several lines have a point at the same x, these stand a
    little apart. What is NaN is not drawn. `label`: the measure; `unit`: "", "s", "1/s", "B" or "ratio" (0..1, shown
    as %). Returns the panels, row by row.

    >>> import pandas as pd
    >>> points = pd.DataFrame({"ttl": [1, 9, 1, 9], "nodes": [1, 1, 4, 4], "mean": 0.5, "low": 0.4, "high": 0.6})
    >>> [panel.get_title() for panel in faceted(points, x="ttl", label="hit_ratio", unit="ratio", column="nodes")]
    ['nodes = 1', 'nodes = 4']
    """
    lines, columns, rows = ([None] if name is None else _values(points[name]) for name in (line, column, row))
    across = len(columns) if row else _across(len(columns), 4)
    panels, (width, height) = _panels(len(rows) * len(columns), across, short=row is not None)
    _measure(panels, across, points, label=label, unit=unit)
    scale = _Scale(x, points[x], width)
    for place, (panel, (r, c)) in enumerate(zip(panels, product(rows, columns), strict=True)):
        here = points[_is(points, row, r) & _is(points, column, c)]
        scale.draw(panel)
        _lines(panel, here, x, scale, line, lines)
        if here["mean"].isna().all():
            panel.text(0.5, 0.5, "no values", transform=panel.transAxes, ha="center", va="center", color=GREY)
        if column and (place < across or not row):
            panel.set_title(_wrapped(f"{column} = {_told(c)}", width), fontsize="medium")
        if row and (place + 1) % across == 0:
            beside: Any = {"rotation": 270, "ha": "left", "va": "center"}
            panel.text(1.02, 0.5, _wrapped(f"{row} = {_told(r)}", height), transform=panel.transAxes, **beside)
        below = place + across >= len(panels)
        panel.tick_params(labelbottom=below)
        panel.set_xlabel(scale.label if below else "")
    if line:
        _legend(panels[0], line)
    _title(panels[0], title or f"{label} by {x}")
    return panels


def scattered(
    points: pd.DataFrame, fields: Sequence[str], *, label: str, unit: str = "", title: str | None = None
) -> list[Axes]:
    """A measure by each of several columns: a panel for each, which shows every point.

    For settings that were drawn at random, so that they differ from point to point. `points`, `label` and `unit` as in
    `faceted`; points of the same value stand side by side. Returns the panels.

    >>> import pandas as pd
    >>> points = pd.DataFrame({"ttl": [3.7, 8.2], "beta": [0.9, 1.4], "mean": 0.5, "low": 0.4, "high": 0.6})
    >>> [panel.get_xlabel() for panel in scattered(points, ["ttl", "beta"], label="hit_ratio", unit="ratio")]
    ['ttl', 'beta']
    """
    across = _across(len(fields), 3)
    panels, (width, _) = _panels(len(fields), across, sharex=False)
    _measure(panels, across, points, label=label, unit=unit)
    for panel, name in zip(panels, fields, strict=True):
        scale = _Scale(name, points[name], width)
        scale.draw(panel)
        panel.set_xlabel(scale.label)
        same = points.groupby(name)[name]
        places = scale.places(points[name], same.cumcount().to_numpy(), same.transform("size").to_numpy())
        _draw(panel, places, points, color=BLUE, linestyle="none", marker="o", markersize=4, elinewidth=0.8, alpha=0.7)
    _title(panels[0], title or f"{label} by {', '.join(fields)}")
    return panels


# Panels


def _across(number: int, most: int) -> int:
    """How many of them stand side by side, so that few places stay empty."""
    return ceil(number / ceil(number / most))


def _panels(
    number: int, across: int, *, short: bool = False, sharex: bool = True
) -> tuple[list[Axes], tuple[float, float]]:
    """So many panels on a figure that grows with them, row by row, and the size of one in inches."""
    down = ceil(number / across)
    width, height = max(8.0 / across, 2.9), 2.3 if short or down > 2 else 2.6 if down > 1 else 3.2
    figure = Figure(figsize=(width * across, 1.0 + height * down), dpi=150, layout="constrained")
    grid = figure.subplots(down, across, sharex=sharex, sharey=True, squeeze=False).ravel().tolist()
    for spare in grid[number:]:
        spare.remove()
    for panel in grid[:number]:
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    return grid[:number], (width - 0.8, height - 0.2)


def _measure(panels: Sequence[Axes], across: int, points: pd.DataFrame, *, label: str, unit: str) -> None:
    """The upright axis, which the panels share: from 0 where that costs no more than half of its length."""
    formats = {"ratio": PercentFormatter(1.0, symbol=" %"), "s": EngFormatter("s"), "B": EngFormatter("B")}
    panels[0].yaxis.set_major_formatter(formats.get(unit) or FuncFormatter(_plain))
    for panel in panels[::across]:
        panel.set_ylabel(f"{label} (1/s)" if unit == "1/s" else label)
    shown = points[["mean", "low", "high"]].to_numpy(dtype=np.float64)
    if not np.isnan(shown).all():
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        if 0 <= low < high / 2 or low == high:
            panels[0].set_ylim(-0.05 * (high or 1), 1.05 * (high or 1))


def _legend(panel: Axes, line: str) -> None:
    figure = panel.get_figure(root=True)
    assert isinstance(figure, Figure)
    handles, labels = panel.get_legend_handles_labels()
    ncols = ceil(len(labels) / _MOST_ENTRIES)
    figure.legend(handles, labels, title=line, loc="outside right center", ncols=ncols, frameon=False)


def _title(panel: Axes, title: str) -> None:
    figure = panel.get_figure(root=True)
    assert isinstance(figure, Figure)
    most = int(figure.get_size_inches()[0] / _BOLD)
    lines = [wrapped for line in title.splitlines() for wrapped in wrap(line, most)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", weight="bold")


def _wrapped(text: str, room: float) -> str:
    return "\n".join(wrap(text, int(room / _CHARACTER)))


# What is in them


def _values(values: pd.Series[Any]) -> list[Any]:
    """Those that there are: numbers rising, texts and booleans in the order in which they appear."""
    return sorted(values.unique().tolist()) if _numeric(values) else values.unique().tolist()


def _told(value: Any) -> str:
    """A value as text, in which no dollar begins a formula."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return _plain(value) if number else str(value).replace("$", r"\$")


def _is(points: pd.DataFrame, name: str | None, value: Any) -> NDArray[np.bool_]:
    return np.full(len(points), True) if name is None else (points[name] == value).to_numpy()


def _lines(panel: Axes, here: pd.DataFrame, x: str, scale: _Scale, line: str | None, names: Sequence[Any]) -> None:
    """What this panel shows: a line for each name, even where it has no points."""
    for number, name in enumerate(names):
        some = here[_is(here, line, name)]
        some = some.sort_values(x) if scale.numeric else some
        _draw(
            panel,
            scale.places(some[x], number, len(names)),
            some,
            color=SERIES[number % len(SERIES)],
            marker=_MARKERS[(number + number // len(SERIES)) % len(_MARKERS)],
            linestyle=_DASHES[number % len(_DASHES)] if scale.numeric else "none",
            capsize=3 if len(scale.values) <= _MOST_CAPS else 0,
            label=_told(name),
        )


def _draw(panel: Axes, places: NDArray[np.float64], points: pd.DataFrame, **style: Any) -> None:
    mean, low, high = (points[name].to_numpy(dtype=np.float64) for name in ("mean", "low", "high"))
    panel.errorbar(
        places, mean, yerr=[mean - low, high - mean], **{"linewidth": 1.6, "elinewidth": 1, "markersize": 5, **style}
    )


def _numeric(values: pd.Series[Any]) -> bool:
    return str(values.dtype.kind) in "iuf"


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:,.10g}"


# From left to right


class _Scale:
    """Where the values of a setting stand on an axis of so many inches.

    Numbers stand where they are; on a logarithmic scale if they span a factor of 50 (draws from two decades do not
    quite span them) and lie evenly on it: the middle one is nearer to the geometric than to the arithmetic middle.
    Texts and booleans stand in the order in which they appear.
    """

    def __init__(self, name: str, values: pd.Series[Any], inches: float) -> None:
        self.inches = inches
        self.numeric = _numeric(values)
        self.values = _values(values)
        self.whole = self.numeric and values.dtype.kind != "f"
        self.logarithmic = self.numeric and self.values[0] > 0 and self.values[-1] >= 50 * self.values[0]
        if self.logarithmic:
            first, middle, last = np.quantile(np.log(self.values), (0, 0.5, 1))
            self.logarithmic = middle - (first + last) / 2 < (np.logaddexp(first, last) - np.log(2)) - middle
        self.label = f"{name} (log scale)" if self.logarithmic else name
        places = np.array(self.values if self.numeric else range(len(self.values)), dtype=np.float64)
        places = np.log(places) if self.logarithmic else places
        self.gap = float(np.diff(places).min()) if len(places) > 1 else 1.0
        self.length = float(np.ptp(places)) if self.numeric else float(len(places))

    def places(self, values: pd.Series[Any], number: Numbers = 0, of: Numbers = 1) -> NDArray[np.float64]:
        """Where values stand, a little to the side if they are the number-th of so many that have the same."""
        order = {value: place for place, value in enumerate(self.values)}
        places = (values if self.numeric else values.map(order)).to_numpy(dtype=np.float64)
        times = 1 if self.numeric else 2
        apart = np.minimum(_APART * (self.length or 1.0) / self.inches, 0.35 * self.gap / of)
        shift = times * apart * (number - (of - 1) / 2)
        return places * np.exp(shift) if self.logarithmic else places + shift

    def draw(self, panel: Axes) -> None:
        """Scale and ticks; these are at the values if they are few and have room."""
        if not self.numeric:
            names = [_told(value) for value in self.values]
            crowded = max(map(len, names)) * _CHARACTER > self.inches / len(names)
            turned: Any = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
            panel.set_xticks(range(len(names)), names, **turned)
            panel.set_xlim(-0.6, len(names) - 0.4)
            return
        panel.update_datalim([(value, 0) for value in self.values], updatey=False)  # even where nothing is drawn
        if self.logarithmic:
            panel.set_xscale("log")
        room = self.inches * (self.gap / self.length if self.length else 1.0)
        if (
            len(self.values) <= _MOST_TICKS
            and _CHARACTER * (1 + max(len(_told(value)) for value in self.values)) < room
        ):
            panel.set_xticks(self.values)
            panel.xaxis.set_minor_locator(NullLocator())
        elif self.whole and not self.logarithmic:
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.xaxis.set_major_formatter(FuncFormatter(_plain))
