"""What a whole divides into: a bar for each share, and a mark where theory puts its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import PercentFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Shares"]


class Shares:
    """Horizontal bars, named and coloured by `names` from the top, as artists that take new data."""

    def __init__(self, ax: Axes, names: Mapping[str, str], *, label: str) -> None:
        self.ax = ax
        places = range(len(names))
        self._bars = ax.barh(places, [0] * len(names), height=0.62, color=list(names.values()))
        (self._marks,) = ax.plot([0] * len(names), places, "|", color="black", markersize=19, markeredgewidth=2)
        self._texts = [ax.annotate("", (0, place), (8, 0), textcoords="offset points", va="center") for place in places]
        ax.set_yticks(places, list(names))
        ax.set(xlim=(0, 1), ylim=(len(names) - 0.45, -0.55), xlabel=label)
        ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        ax.tick_params("y", length=0)
        ax.spines[["top", "right"]].set_visible(False)

    def show(self, shares: Sequence[float], theory: Sequence[float], texts: Sequence[str]) -> None:
        """Show shares (0 to 1), where theory puts them, and a text beside each, or in it if there is no room."""
        self._marks.set_xdata(theory)
        for bar, text, share, expected, words in zip(self._bars, self._texts, shares, theory, texts, strict=True):
            bar.set_width(share)
            outermost = max(share, expected)
            inside = outermost > 0.6
            text.xy = (min(share, expected) if inside else outermost, text.xy[1])
            text.set(
                text=words,
                x=-8 if inside else 8,
                ha="right" if inside else "left",
                color="white" if inside else "black",
            )
