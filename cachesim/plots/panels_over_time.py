"""Several measures over time, one above the other: what moves first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cachesim.plots.colours import BLUE, DARK_VERMILION, GREY, VERMILION

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["timelines"]

_HEIGHT = 0.78
"""Of one of the pictures, in inches."""


def timelines(
    series: pd.DataFrame,
    *,
    xlabel: str,
    bounds: Mapping[str, float],
    marks: Mapping[str, float],
    title: str | None = None,
) -> Axes:
    """A small picture for each column, over the time in the index; returns the uppermost, which has the title.

    The names of the columns say what they are, with unit. `bounds`: the value of a column that it should not pass, as a
    dashed line. `marks`: the time from which a column does, as a triangle, which those that have none never do. The
    default title says which column does so first.

    >>> import pandas as pd
    >>> series = pd.DataFrame({"load (1/s)": [1, 2, 4], "errors (%)": [0, 0, 3]}, index=[0.0, 1.0, 2.0])
    >>> timelines(
    ...     series, xlabel="time (min)", bounds={"load (1/s)": 1.5, "errors (%)": 1}, marks={"load (1/s)": 1.0}
    ... ).get_title(loc="left")
    'First past its bound: load (1/s)'
    """
    figure = Figure(figsize=(8, 0.9 + _HEIGHT * len(series.columns)), dpi=150, layout="constrained")
    panels = figure.subplots(len(series.columns), sharex=True, squeeze=False)[:, 0]
    for panel, column in zip(panels, series.columns, strict=True):
        _draw(panel, series[column], bounds.get(column), marks.get(column))
    panels[-1].set(xlabel=xlabel, xlim=(series.index[0], series.index[-1]))
    first = min(marks, key=lambda column: marks[column]) if marks else None
    finding = "None passes its bound" if first is None else f"First past its bound: {first}"
    panels[0].set_title(title or finding, loc="left", weight="bold")
    figure.align_ylabels()
    return panels[0]  # type: ignore[no-any-return]


def _draw(panel: Axes, values: pd.Series[float], bound: float | None, mark: float | None) -> None:
    beside: Any = {"textcoords": "offset points", "fontsize": "small", "color": DARK_VERMILION}
    panel.plot(values.index, values, color=BLUE, linewidth=1.6)
    if bound is not None:
        panel.axhline(bound, color=VERMILION, linestyle=(0, (5, 3)), linewidth=1)
        panel.annotate(f"{bound:g}", (1, bound), (4, 0), xycoords=("axes fraction", "data"), va="center", **beside)
    if bound is not None and mark is not None:
        panel.axvspan(mark, values.index[-1], color=VERMILION, alpha=0.1, linewidth=0)
        rises = values.iloc[-1] > bound  # then there is room above the curve before the mark, else below it
        place, shift, side = ((mark, 1), (-2, -3), "top") if rises else ((mark, 0), (-2, 3), "bottom")
        near: Any = {"xycoords": ("data", "axes fraction"), "ha": "right", "va": side}
        panel.annotate(f"from {mark:g} ▶", place, shift, **near, **beside)
    panel.margins(y=0.12)
    panel.set_ylabel(str(values.name).replace(" (", "\n("), rotation=0, ha="right", va="center", color=GREY)
    panel.yaxis.set_major_locator(MaxNLocator(3))
    panel.spines[["top", "right"]].set_visible(False)
