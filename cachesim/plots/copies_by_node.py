"""Copies of one row in the memory of several nodes: who holds one, and when it is stale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cachesim.plots.colours import BLUE, VERMILION

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["NodeCopies", "node_copies"]


def node_copies(
    copies: pd.DataFrame,
    writes: pd.DataFrame,
    *,
    nodes: int,
    end: float,
    start: float = 0.0,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """A row for each node from `start` to `end` (s): where it holds a copy, where that is stale, and who writes when.

    `copies`: columns node, stored, stale (when the first write made it so; NaN: none did) and ended, in seconds;
    `writes`: node and committed. The default title says for which share of the time a node holds a stale copy.

    >>> import pandas as pd
    >>> copies = pd.DataFrame({"node": [0, 1], "stored": [0.0, 0.0], "stale": [1.0, float("nan")], "ended": [2.0, 4.0]})
    >>> writes = pd.DataFrame({"node": [1], "committed": [1.0]})
    >>> node_copies(copies, writes, nodes=2, end=4).get_title(loc="left")
    'Nodes hold a stale copy for 12 % of the time'
    """
    if ax is None:
        ax = Figure(figsize=(8, 1.4 + 0.35 * nodes), dpi=150, layout="constrained").subplots()
    stale = (copies["ended"].clip(start, end) - copies["stale"].clip(start, end)).sum() / (nodes * (end - start))
    NodeCopies(ax).show(
        copies,
        writes,
        nodes=nodes,
        start=start,
        end=end,
        title=title or f"Nodes hold a stale copy for {100 * stale:.2g} % of the time",
    )
    return ax


class NodeCopies:
    """The picture that `node_copies` draws, as artists that take new data."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        bar: Any = {"solid_capstyle": "butt"}
        (self._written,) = ax.plot([], [], color="black", linewidth=0.8, dashes=(4, 3))
        (self._held,) = ax.plot([], [], color=BLUE, linewidth=5, label="fresh copy", **bar)
        (self._stale,) = ax.plot([], [], color=VERMILION, linewidth=13, label="stale copy", **bar)
        (self._writer,) = ax.plot(
            [], [], linestyle="none", marker="D", markersize=6, color="black", markerfacecolor="white", label="write"
        )
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, handlelength=1.4)
        ax.set(xlabel="time (s)")
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)

    def show(
        self, copies: pd.DataFrame, writes: pd.DataFrame, *, nodes: int, start: float, end: float, title: str
    ) -> None:
        """Show what happens from `start` to `end`."""
        self.ax.set(xlim=(start, end), ylim=(nodes - 0.4, -0.6))
        self.ax.set_yticks(range(nodes), [f"node {node}" for node in range(nodes)])
        self.ax.set_title(title, loc="left", weight="bold")
        row, until = copies["node"].to_numpy(), copies["ended"].to_numpy()
        stale = copies["stale"].to_numpy()
        self._held.set_data(*_bars(copies["stored"].to_numpy(), np.fmin(stale, until), row))
        self._stale.set_data(*_bars(stale, until, row))
        committed = writes["committed"].to_numpy()
        self._writer.set_data(committed, writes["node"].to_numpy())
        across = np.tile([-0.6, nodes - 0.4, np.nan], len(committed))
        self._written.set_data(np.repeat(committed, 3), across)


def _bars(
    begin: NDArray[np.float64], end: NDArray[np.float64], row: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Sequence[float] | NDArray[np.float64]]:
    """Bars from `begin` to `end` as one line with gaps; none where `begin` is NaN."""
    gap = np.full(len(begin), np.nan)
    return np.column_stack([begin, end, gap]).ravel(), np.column_stack([row, row, gap]).ravel()
