"""Who visits a page when, and gets it whole or is told that nothing has changed: a row for each client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cachesim.plots.colours import BLUE, DARK_VERMILION, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["Visits"]


class Visits:
    """Visits as marks over time, and changes of the page as lines, as artists that take new data."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax
        self._changes = ax.vlines([], 0, 1, transform=ax.get_xaxis_transform(), color=GREY, linestyle=(0, (4, 3)))
        (self._kept,) = ax.plot([], [], "o", color=BLUE, markeredgewidth=0)
        (self._whole,) = ax.plot([], [], "s", color=VERMILION, markeredgewidth=0)
        ax.set(xlabel="time (s)", ylabel="browser")
        ax.spines[["top", "right"]].set_visible(False)
        legend = [(0.0, "●  304, nothing to read", BLUE), (0.27, "■  200, the whole page", DARK_VERMILION)]
        for place, name, colour in [*legend, (0.55, "┆  the page changes", GREY)]:
            ax.text(place, 1.02, name, transform=ax.transAxes, color=colour, va="bottom")

    def show(
        self, times: ArrayLike, clients: ArrayLike, kept: ArrayLike, changes: ArrayLike, *, n: int, end: float
    ) -> None:
        """Show visits of clients 0 to n - 1 from 0 to `end` (s), `kept` where the answer was 304, and changes."""
        at, who, is_kept = np.asarray(times), np.asarray(clients) + 1, np.asarray(kept, dtype=bool)
        for marks, chosen, scale in ((self._kept, is_kept, 1.0), (self._whole, ~is_kept, 1.3)):
            marks.set_data(at[chosen], who[chosen])
            marks.set_markersize(scale * float(np.clip(150 / n, 2.6, 7)))
        self._changes.set_segments([np.array([[change, 0.0], [change, 1.0]]) for change in np.asarray(changes)])
        self.ax.set(xlim=(0, end), ylim=(n + 0.8, 0.2))
