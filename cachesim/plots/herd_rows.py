"""The thundering herd, protection by protection: requests in flight at the database, a row for each, on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cachesim.plots.colours import BLUE, DARK_VERMILION, GREY, VERMILION
from cachesim.plots.storms import in_flight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from numpy.typing import NDArray

__all__ = ["Herd", "Herds", "herds"]

_OTHERS = 0.13
"""The share of the height that each row has but the first, the herd without protection, which has the rest."""
_ROOM = 0.88
"""How much of its row the highest herd may take."""

_TITLE = -0.25
"""Where the title begins, as a share of the width of the axes: above the names."""

_WHAT = "requests in flight\nat the database"


class Herd(NamedTuple):
    """A row: a step function as `in_flight` returns it, what to write beside it, and a note below that."""

    times: NDArray[np.float64]
    counts: NDArray[np.int64]
    label: str
    note: str = ""


def herds(
    loads: Mapping[str, pd.DataFrame],
    *,
    end: float,
    start: float = 0.0,
    ax: Axes | None = None,
    title: str | None = None,
    what: str = _WHAT,
    moment: str = "",
) -> Axes:
    """The requests in flight at the database from `start` to `end` (s), a row for each of several caches.

    `loads` has for each name one row a load with the columns start and end (s; NaN: still in flight). All rows have one
    scale; the first, the herd without protection, has most of the height. A dashed line marks 0 s if
    `moment` says what happens then. Anything else that begins and ends can be counted so: `what` names it.

    >>> import pandas as pd
    >>> herd, one = pd.DataFrame({"start": [0.0, 0.1], "end": [0.5, 0.6]}), pd.DataFrame({"start": [0.0], "end": [0.5]})
    >>> herds({"nothing": herd, "single flight": one}, end=1).get_title(loc="left")
    'Up to 2 requests in flight at the database with nothing, 1 with single flight'
    """
    if ax is None:
        ax = Figure(figsize=(8, 4.6), dpi=150, layout="constrained").subplots()
    steps = {name: in_flight(table["start"], table["end"], end, start) for name, table in loads.items()}
    most = {name: int(counts.max()) for name, (_, counts) in steps.items()}
    first, best = next(iter(most)), min(most, key=lambda name: most[name])
    finding = f"Up to {most[first]:,} {what} with {first}, {most[best]:,} with {best}"
    rows = [Herd(*step, f"{most[name]:,} at once") for name, step in steps.items()]
    Herds(ax, list(loads), what=what, moment=moment).show(rows, end=end, title=title or " ".join(finding.split()))
    return ax


class Herds:
    """The picture that `herds` draws, as artists that take new data: for pictures that change while somebody looks."""

    def __init__(self, ax: Axes, names: Sequence[str], *, what: str = _WHAT, moment: str = "") -> None:
        """`names` of the rows; `what` is counted; `moment`: what happens at 0 s."""
        self.ax = ax
        others = len(names) - 1
        self._shares = [1 - _OTHERS * others, *[_OTHERS] * others]
        self._bases = [1 - sum(self._shares[: row + 1]) for row in range(len(names))]
        self._areas = [
            ax.stairs([0], [0, 1], fill=True, color=_colour(row), alpha=0.35, lw=0) for row in range(len(names))
        ]
        self._outlines = [
            ax.stairs([0], [0, 1], baseline=None, color=_colour(row), lw=1.6) for row in range(len(names))
        ]
        ax.hlines(self._bases[:-1], 0, 1, transform=ax.get_yaxis_transform(), color="#BBBBBB", linewidth=0.6, zorder=0)
        if moment:
            ax.axvline(0, color=GREY, linestyle=(0, (4, 3)), linewidth=1.2, zorder=0)
        ax.annotate(moment, (0, 1), (-6, -4), textcoords="offset points", ha="right", va="top", color=GREY)
        self._labels, self._notes = [], []
        for row, name in enumerate(names):
            self._text(name, row, 0, (-36, 0), ha="right", va="center", weight="bold")
            self._labels.append(self._text("", row, 1, (8, -2), va="bottom", weight="bold", size=14))
            self._notes.append(self._text("", row, 1, (8, -3), va="top", size=9))
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=3)
        ax.text(0.01, 0.99, what, transform=ax.transAxes, va="top", color=GREY, size=9)
        ax.set(xlabel="time (s)", ylim=(0, 1))

    def _text(self, text: str, row: int, side: int, offset: tuple[float, float], **style: Any) -> Annotation:
        """A text at the middle of a row: on the left of it (0), or on the right (1)."""
        middle = self._bases[row] + self._shares[row] / 2
        return self.ax.annotate(
            text,
            (side, middle),
            offset,
            xycoords="axes fraction",
            textcoords="offset points",
            color=_dark(row),
            **style,
        )

    def show(self, rows: Sequence[Herd], *, end: float, title: str, limit: float | None = None) -> None:
        """Show a step function in each row, until `end`; the first row is so high that `limit` fits, or its peak."""
        peaks = [max(int(row.counts.max()), 1) for row in rows]
        first = self._shares[0]
        highest = first * max(peak / share for peak, share in zip(peaks, self._shares, strict=True))
        unit = _ROOM * first / max(limit or 0.0, highest)  # of the height, for one request
        for herd, base, area, outline, label, note in zip(
            rows, self._bases, self._areas, self._outlines, self._labels, self._notes, strict=True
        ):
            edges, heights = np.append(herd.times, end), base + unit * herd.counts
            area.set_data(heights, edges, base)
            outline.set_data(heights, edges)
            label.set_text(herd.label)
            note.set_text(herd.note)
        self.ax.set_xlim(rows[0].times[0], end)
        self.ax.set_title(title, loc="left", weight="bold", x=_TITLE)
        ticks = MaxNLocator(4, steps=[1, 2, 5, 10], integer=True).tick_values(0, first / unit)
        kept = [tick for tick in ticks if tick * unit < 0.9 * first]
        places = [self._bases[0] + unit * tick for tick in kept]
        self.ax.set_yticks([*places, *self._bases[1:]], [*(f"{tick:.0f}" for tick in kept), *["0"] * (len(rows) - 1)])


def _colour(row: int) -> str:
    return BLUE if row else VERMILION


def _dark(row: int) -> str:
    """For text, which needs more contrast."""
    return BLUE if row else DARK_VERMILION
