"""Answers beside what they should be: a table in which the wrong ones stand out, by a cross and by colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cachesim.plots.colours import DARK_VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["answers"]

_ROW = 0.3
"""Inches."""


def answers(columns: Mapping[str, Sequence[object]], right: str, *, title: str | None = None, width: float = 8) -> Axes:
    """A table by columns, of which `right` says what is right; those after it are held against it, row by row.

    None is shown as a dash; `width` in inches. The default title counts what is wrong.

    >>> table = {"asked for": [1, 99], "right": ["tea", None], "printed code": ["tea", "pot"]}
    >>> answers(table, "right").get_title(loc="left")
    '1 of 2 answers is wrong'
    """
    names, rows = list(columns), len(columns[right])
    judged = names[names.index(right) + 1 :]
    wrong = {(name, row) for name in judged for row in range(rows) if columns[name][row] != columns[right][row]}
    ax = Figure(figsize=(width, _ROW * (rows + 2)), dpi=150, layout="constrained").subplots()
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(rows + 0.5, -0.6))
    widths = [max(len(text) for text in [name, *map(_text, columns[name])]) + 4 for name in names]
    place = 0.0
    for name, share in zip(names, widths, strict=True):
        ax.text(place, 0, name, va="center", weight="bold")
        for row, value in enumerate(columns[name]):
            if (name, row) in wrong:
                ax.text(place, row + 1, f"✗ {_text(value)}", va="center", color=DARK_VERMILION, weight="bold")
            else:
                ax.text(place, row + 1, _text(value), va="center")
        place += share / sum(widths)
    ax.hlines(0.5, 0, 1, color="black", linewidth=0.8)
    count = f"{len(wrong)} of {rows * len(judged)} answers {'is' if len(wrong) == 1 else 'are'} wrong"
    ax.set_title(count if title is None else title, loc="left", weight="bold")
    return ax


def _text(value: object) -> str:
    return "–" if value is None else str(value)
