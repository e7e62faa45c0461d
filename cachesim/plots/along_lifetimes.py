"""A metric along the lifetime of values: theory as a curve, and on it what a run found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = ["DASHES", "AlongLifetime"]

DASHES = (0, (5, 3))
"""How theory is drawn."""


class AlongLifetime:
    """A dashed curve and a point with its interval, as artists that take new data; `point` is for a legend."""

    def __init__(self, ax: Axes, *, color: str, marker: str) -> None:
        self.ax = ax
        (self._curve,) = ax.plot([], [], color=color, linestyle=DASHES, linewidth=1.6)
        (self._interval,) = ax.plot([], [], color=color, linewidth=3, alpha=0.45, solid_capstyle="butt")
        (self.point,) = ax.plot(  # with data from the start: as it is not clipped, the layout takes account of it
            [0], [0], marker, color=color, markersize=9, markeredgecolor="white", clip_on=False, zorder=5
        )
        ax.set(xlabel="lifetime T (s)")
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)

    def show(self, lifetimes: ArrayLike, theory: ArrayLike, *, at: float, value: float, error: float) -> None:
        """Show theory by lifetime (s), and at one of them a value, with 1.96 standard errors to each side."""
        self._curve.set_data(lifetimes, theory)
        self._interval.set_data([at, at], [max(0.0, value - 1.96 * error), value + 1.96 * error])
        self.point.set_data([at], [value])
