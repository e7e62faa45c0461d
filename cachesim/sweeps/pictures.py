"""What a sweep found, as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from cachesim.formatting import unit_of
from cachesim.sweeps.tables import fields_of, is_numeric, table, value_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["plot"]


def plot(
    frame: pd.DataFrame,
    metric: str,
    *,
    x: str | None = None,
    line: str | None = None,
    column: str | None = None,
    row: str | None = None,
    confidence: float = 0.95,
    title: str | None = None,
) -> Figure:
    """Draw a metric of a sweep by its fields: each point's mean and Student-t interval (none from one run).

    Fields that vary and are given no role get one, in the order of the sweep: the numeric field with most values is
    `x`, the next are lines, columns and rows of panels. If more than four vary, or if there are points for less than
    half of the combinations of their values, as in a random design, each field (or `x` alone) has a panel that shows
    every point instead. Points without a good run are left out; the title says how many runs failed. The panels are
    `figure.axes`.

    Raises `KeyError` for an unknown metric, and `ValueError` for an unknown field and for one with two roles.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"nodes": [1, 4], "seed": 7, "failure": "", "load_rate": [2.0, 8.0]})
    >>> plot(frame, "load_rate").get_suptitle()
    'load_rate by nodes: one run each'
    """
    from cachesim import plots

    fields = fields_of(frame)
    points = table(frame, [metric], confidence=confidence)
    roles = _roles(points, fields, {"x": x, "line": line, "column": column, "row": row})
    points = points.rename(columns={metric: "mean", f"{metric}_low": "low", f"{metric}_high": "high"})
    for name in fields:
        if not is_numeric(points[name]):
            points[name] = points[name].map(value_text)
    if unit_of(metric) == "ratio":
        points[["low", "high"]] = points[["low", "high"]].clip(0, 1)
    shown: Any = {"label": metric, "unit": unit_of(metric)}
    runs = _runs(points, confidence)
    if roles is not None:
        panels = plots.faceted(points, **roles, **shown, title=title or f"{metric} by {roles['x']}: {runs}")
    else:
        each = [x] if x is not None else _varying(points, fields)
        panels = plots.scattered(points, each, **shown, title=title or f"{metric} of {len(points):,} points: {runs}")
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    return figure


def _runs(points: pd.DataFrame, confidence: float) -> str:
    runs, failed = points["runs"] + points["failed"], points["failed"].sum()
    each = runs.max()
    told = f"mean and {100 * confidence:g} % interval of {each} runs" if each > 1 else "one run each"
    return f"{told}\n{failed:,} of {runs.sum():,} runs failed" if failed else told


def _varying(points: pd.DataFrame, fields: Iterable[str]) -> list[str]:
    return [name for name in fields if points[name].nunique() > 1]


def _roles(points: pd.DataFrame, fields: Sequence[str], given: Mapping[str, str | None]) -> dict[str, str] | None:
    """Which field is what; None where a panel for each field shows more."""
    roles = {role: name for role, name in given.items() if name is not None}
    for role, name in roles.items():
        if name not in fields:
            raise ValueError(f"{role}: {name!r} is unknown; known: {', '.join(fields)}")
        if list(roles.values()).count(name) > 1:
            raise ValueError(f"{role}: {name!r} is not allowed twice; each role takes a field of its own")
    free = [name for name in fields if name not in roles.values()]
    varying = _varying(points, free)
    if "x" not in roles:
        if not free:
            raise ValueError("x: missing; every field has another role")
        numeric = [name for name in varying or free if is_numeric(points[name])]
        roles["x"] = max(numeric or varying or free, key=lambda name: points[name].nunique())
        varying = [name for name in varying if name != roles["x"]]
    open_roles = [role for role in given if role not in roles]
    automatic = all(given[role] is None for role in ("line", "column", "row"))
    combinations = prod(points[name].nunique() for name in fields)
    if len(varying) > len(open_roles) or (automatic and combinations > 2 * len(points)):
        return None
    return {**roles, **dict(zip(open_roles, varying, strict=False))}
