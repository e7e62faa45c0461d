"""When keys are recomputed, seen from their expiry: spread before it, or a wall behind it."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from cachesim.plots.colours import BLUE, DARK_VERMILION, SERIES, VERMILION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["RecomputeInstants", "recompute_instants", "recomputes"]

_MARKERS = ("o", "s", "^", "D")
_COLOURS = (BLUE, *SERIES[2:5])  # vermilion is theory's
_HIGHEST = 0.85
"""Where the highest density lies, as a share of the height."""
_BASE = -0.8
"""Where the panels begin: the lowest row is at 0."""
_FEW = 12
"""So many keys have room for larger marks."""


def recomputes(loads: pd.DataFrame, *, ttl: float) -> pd.DataFrame:
    """The loads of each key by the time from its expiry: columns key, node, lifetime and late (s; negative: before it).

    `loads` has the columns start, end (s; NaN: still in flight), key and node, as `Result.loads` has them. Of loads of
    a key that were in flight together the last to end begins a lifetime of `ttl` s; lifetimes of a key are counted from
    1, and the loads that filled the empty cache are left out. Rows by key and start.

    >>> import pandas as pd
    >>> loads = pd.DataFrame({"start": [0.0, 1.0, 10.5], "end": [0.5, 1.5, 11.0], "key": "a", "node": 0})
    >>> recomputes(loads, ttl=10)[["lifetime", "late"]].values.tolist()
    [[1.0, -9.5], [2.0, -1.0]]
    """
    import pandas as pd

    keys, codes = np.unique(loads["key"].to_numpy(dtype=str), return_inverse=True)
    order = np.lexsort((loads["start"], codes))
    codes = codes[order]
    start, end = (loads[column].to_numpy(dtype=np.float64)[order] for column in ("start", "end"))
    horizon = 1 + max(float(np.nanmax(end, initial=0)), float(start.max(initial=0)))
    end = np.where(np.isnan(end), horizon, end)
    # One key after the other on one line of time, so that one running maximum serves all.
    latest = np.maximum.accumulate(end + codes * horizon)
    first = np.append(True, (start + codes * horizon)[1:] >= latest[:-1])
    begins = np.flatnonzero(first)
    expiries = np.append(0.0, np.maximum.reduceat(end, begins)[:-1] + ttl)
    of_key = np.append(True, np.diff(codes[begins]) > 0)  # the first of a key: what came before was another
    lifetimes = np.arange(len(begins)) - np.maximum.accumulate(np.where(of_key, np.arange(len(begins)), 0))
    each = np.cumsum(first) - 1
    columns = {
        "key": keys[codes],
        "node": loads["node"].to_numpy()[order],
        "lifetime": lifetimes[each],
        "late": start - expiries[each],
    }
    frame = pd.DataFrame(columns)
    return frame.loc[frame["lifetime"] > 0].reset_index(drop=True)


def recompute_instants(
    groups: Mapping[str, pd.DataFrame],
    *,
    densities: Mapping[str, pd.Series[float]] | None = None,
    start: float | None = None,
    end: float | None = None,
    title: str | None = None,
) -> Axes:
    """When keys are recomputed, seen from their expiry: a panel a group, a row a key, a mark for each load.

    `groups`: tables as `recomputes` returns them, by name. `densities`: for some of them, how dense theory says the
    loads are, by the time from the expiry (s), on a scale that the panels share. Shown is from `start` to `end` (s from
    the expiry); default: all, with the expiry. Returns the uppermost panel, which the default title is about.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"key": ["a", "a", "b"], "node": [0, 1, 0], "lifetime": 1, "late": [-2.0, -1.5, -0.5]})
    >>> recompute_instants({"early recompute": frame}).get_title(loc="left")
    '1.5 loads per expiry, 100 % before it'
    """
    densities = densities or {}
    keys = sorted({key for frame in groups.values() for key in frame["key"]})
    nodes = 1 + max(int(frame["node"].max()) for frame in groups.values())
    times = np.concatenate([frame["late"].to_numpy() for frame in groups.values()])
    figure = Figure(figsize=(8, 1.1 + 1.7 * len(groups)), dpi=150, layout="constrained")
    picture = RecomputeInstants(figure, panels=len(groups), keys=len(keys), nodes=nodes)
    low, high = min(0.0, float(times.min())), max(0.0, float(times.max()))
    room = 0.03 * (high - low)
    picture.window(low - room if start is None else start, high + room if end is None else end)
    findings = {name: _finding(frame) for name, frame in groups.items()}
    names = [f"{name}:\n" + finding.replace(", ", ",\n") for name, finding in findings.items()]
    picture.show(list(groups.values()), keys, names)
    picture.theory([densities.get(name) for name in groups])
    top: Axes = picture.panels[0]
    top.set_title(title or next(iter(findings.values())), loc="left", weight="bold")
    return top


def _finding(frame: pd.DataFrame) -> str:
    size = len(frame) / len(frame[["key", "lifetime"]].drop_duplicates())
    return f"{size:.2g} loads per expiry, {100 * (frame['late'] < 0).mean():.0f} % before it"


class RecomputeInstants:
    """The picture that `recompute_instants` draws, as artists that take new data."""

    def __init__(self, figure: Figure, *, panels: int, keys: int, nodes: int) -> None:
        self.panels = list(figure.subplots(panels, sharex=True, squeeze=False)[:, 0])
        self._keys = keys
        self._marks = [[_marks(panel, node, keys) for node in range(nodes)] for panel in self.panels]
        self._areas = [
            panel.fill_between([0.0], [0.0], color=VERMILION, alpha=0.13, linewidth=0, zorder=1)
            for panel in self.panels
        ]
        dashed = {"color": VERMILION, "linestyle": (0, (5, 3)), "linewidth": 1.5}
        self._curves = [panel.plot([], [], **dashed)[0] for panel in self.panels]
        self._names = [
            panel.annotate("", (-0.015, 0.5), xycoords="axes fraction", ha="right", va="center")
            for panel in self.panels
        ]
        for panel in self.panels:
            panel.axvline(0, color="black", linewidth=1.5, zorder=1)
            panel.set(ylim=(_BASE, keys - 1 - _BASE), yticks=[])
            panel.spines[["top", "right"]].set_visible(False)
        halo = [withStroke(linewidth=3, foreground="white")]
        beside = {"textcoords": "offset points", "path_effects": halo}
        top = self.panels[0]
        top.annotate("expiry", (0, 0), (0, -3), xycoords=("data", "axes fraction"), ha="center", va="top", **beside)
        self._theory = top.annotate("", (0, 0), (6, 3), color=DARK_VERMILION, **beside)
        self.panels[-1].set_xlabel("time from the expiry (s)")
        words = Line2D([], [], linestyle="", label="A row for each key, a mark for each load from")
        legend = figure.legend(
            handles=[words, *self._marks[0]],
            loc="outside lower left",
            ncols=1 + nodes,
            frameon=False,
            handletextpad=0.2,
            columnspacing=1.2,
        )
        self._legend = list(zip(legend.get_lines()[1:], legend.get_texts()[1:], strict=True))

    def window(self, start: float, end: float) -> None:
        """Show the time from `start` to `end`, in seconds from the expiry."""
        self.panels[0].set_xlim(start, end)

    def show(self, frames: Sequence[pd.DataFrame], keys: Sequence[str], names: Sequence[str]) -> None:
        """Show the loads of these keys, the first at the top, a table for each panel, and its name beside it."""
        rows = {key: self._keys - 1 - row for row, key in enumerate(keys)}
        for frame, marks, label, name in zip(frames, self._marks, self._names, names, strict=True):
            row = np.array([rows.get(key, nan) for key in frame["key"]], dtype=np.float64)
            late, node = frame["late"].to_numpy(), frame["node"].to_numpy()
            for index, line in enumerate(marks):
                line.set_data(late[node == index], row[node == index])
            label.set_text(name)
        nodes = 1 + max(int(frame["node"].max()) for frame in frames)
        for index, parts in enumerate(self._legend):
            for part in parts:
                part.set_visible(index < nodes)

    def theory(self, densities: Sequence[pd.Series[float] | None]) -> None:
        """Show how dense the loads should be in each panel, by the time from the expiry (s), on one scale."""
        known = [density for density in densities if density is not None]
        scale = _HIGHEST * self._keys / max((float(density.max()) for density in known), default=1.0)
        for density, curve, area in zip(densities, self._curves, self._areas, strict=True):
            if density is None:
                continue
            heights = _BASE + scale * density.to_numpy()
            curve.set_data(density.index, heights)
            area.set_data(density.index, _BASE, heights)
        if densities[0] is not None:
            heights = densities[0].to_numpy()
            half = np.flatnonzero(heights >= heights.max() / 2)[-1]
            self._theory.xy = (densities[0].index[half], _BASE + scale * heights[half])
            self._theory.set_text("theory")


def _marks(panel: Axes, node: int, keys: int) -> Line2D:
    """The loads of a node."""
    (marks,) = panel.plot(
        [],
        [],
        _MARKERS[node % 4],
        color=_COLOURS[node % 4],
        markersize=7 if keys <= _FEW else 4.5,
        markeredgewidth=0,
        alpha=0.85,
        zorder=4,  # above the texts
        label=f"node {node + 1}",
    )
    return marks
