"""What a sweep found, a row a point: as a frame, and as text for a terminal.

A *point* is a combination of the values of the fields; its runs differ in their seeds alone. Only good runs count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan, nan
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from cachesim.estimates import Estimate, estimate
from cachesim.formatting import aligned, format_of, half_width, listed, shown
from cachesim.messages import one_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fields_of", "is_numeric", "table", "text", "value_text"]

_TOLD = (
    *("hit_ratio", "load_rate", "largest_stampede", "latency_mean", "latency_p99", "error_ratio", "stale_ratio"),
    *("delayed_hit_ratio", "database_utilization", "peak_concurrent_loads", "episode_size_mean"),
    *("stale_reads", "staleness_max", "redis_round_trips", "bytes_sent"),
)
"""What the text tells, the first that there is room for, where it is neither 0 nor missing everywhere."""

_WIDTH = 110
"""Of the text, in characters; more only for the fields and metrics that are asked for."""
_MOST_REASONS, _MOST_POINTS, _MOST_SEEDS = 10, 5, 5
"""How much of what failed is told."""


def fields_of(frame: pd.DataFrame) -> list[str]:
    """The fields of a sweep: the columns before the seed."""
    columns = list(frame.columns)
    return columns[: columns.index("seed")]


def table(frame: pd.DataFrame, metrics: Sequence[str] | None = None, *, confidence: float = 0.95) -> pd.DataFrame:
    """A row for each point of a sweep, in order of appearance: fields, (good) runs, failed, metrics (default: all).

    Each metric has three columns, as hit_ratio (the mean of the good runs), hit_ratio_low and hit_ratio_high (its
    Student-t interval). A run that stands there twice, as when a random design draws a point again, counts once. NaN: a
    good run without the metric, or no good run; and one run has no interval. Raises `KeyError` for an unknown metric,
    `ValueError` for a confidence that is not between 0 and 1.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"nodes": [1, 1, 4], "seed": [7, 8, 7], "failure": ["", "", "late"], "loads": [2.0, 3, 9]})
    >>> table(frame)[["nodes", "runs", "failed", "loads"]].to_numpy().tolist()
    [[1.0, 2.0, 0.0, 2.5], [4.0, 0.0, 1.0, nan]]
    """
    import pandas as pd

    fields, known = fields_of(frame), list(frame.columns)[len(fields_of(frame)) + 2 :]
    for name in metrics or ():
        if name not in known:
            raise KeyError(f"unknown metric {name!r}; known: {', '.join(known)}")
    rows = []
    for point, runs in _each_once(frame).groupby(fields, sort=False):
        good = runs[runs["failure"] == ""]
        row = {**dict(zip(fields, point, strict=True)), "runs": len(good), "failed": len(runs) - len(good)}
        for name in known if metrics is None else metrics:
            found = estimate(good[name].to_numpy(), confidence) if len(good) else Estimate(nan, nan)
            row[name], (row[f"{name}_low"], row[f"{name}_high"]) = found.mean, found.interval
        rows.append(row)
    return pd.DataFrame(rows)


def text(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> str:
    """The same for a terminal: each mean ± half its 95 % interval, with its unit, and below it what failed and why.

    Without `metrics`: the usual ones that are neither 0 nor missing everywhere and not the same at all points, as many
    as there is room for; those left out are named. Raises `KeyError` for an unknown metric.
    """
    points = table(frame, _TOLD if metrics is None else metrics)
    columns = [_field(points, name) for name in fields_of(frame)]
    if points["failed"].any():
        columns += [(">", [name, *map(str, points[name])]) for name in ("runs", "failed")]
    told = list(_telling(points) if metrics is None else metrics)
    metric_columns = [_metric(points, name) for name in told]
    while metrics is None and len(metric_columns) > 1 and _width([*columns, *metric_columns]) > _WIDTH:
        metric_columns.pop()
    columns += metric_columns
    sides = "".join(side for side, _ in columns)
    lines = [_head(points), "", *aligned(zip(*(cells for _, cells in columns), strict=True), sides)]
    if told[len(metric_columns) :]:
        lines += ["", *listed([f"There was no room for {', '.join(told[len(metric_columns) :])}."])]
    return "\n".join([*lines, *_failures(_each_once(frame))])


def value_text(value: Any) -> str:
    """A field's value as it is shown.

    >>> value_text(10_000), value_text(0.25), value_text(True), value_text("process")
    ('10,000', '0.25', 'True', 'process')
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return one_line(str(value), 40)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.6g}"


def is_numeric(values: pd.Series[Any]) -> bool:
    """Whether a field's values are numbers, all of them."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(values) and not is_bool_dtype(values)


# What is told

Column = tuple[str, list[str]]
"""The side that its cells are aligned to, and the cells."""


def _telling(points: pd.DataFrame) -> list[str]:
    """The metrics that matter; where some of them are not the same at all points, those alone."""
    matter = [name for name in _TOLD if points[name].any()]
    return [name for name in matter if points[name].nunique(dropna=False) > 1] or matter


def _field(points: pd.DataFrame, name: str) -> Column:
    return ">" if is_numeric(points[name]) else "<", [name, *map(value_text, points[name])]


def _metric(points: pd.DataFrame, name: str) -> Column:
    """Means to the right, what follows them to the left, so that one ± stands below the other."""
    format = format_of(name)
    halves = []
    for mean, low in zip(points[name], points[f"{name}_low"], strict=True):
        halves.append("" if isnan(low) else half_width(format, mean, mean - low))
    width = max(map(len, halves))
    means = [shown(format, mean) for mean in points[name]]
    return ">", [
        name,
        *(f"{mean} {half:<{width}}" if width else mean for mean, half in zip(means, halves, strict=True)),
    ]


def _width(columns: Sequence[Column]) -> int:
    return sum(max(map(len, cells)) for _, cells in columns) + 2 * (len(columns) - 1)


def _head(points: pd.DataFrame) -> str:
    runs = (points["runs"] + points["failed"]).max()
    each = f"{runs:,} runs each: mean ± half the 95 % interval" if runs > 1 else "1 run each"
    return f"{len(points):,} {'points' if len(points) > 1 else 'point'}, {each}"


def _each_once(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop_duplicates([*fields_of(frame), "seed"])


def _failures(frame: pd.DataFrame) -> Iterator[str]:
    """Each reason with the points and seeds that it was met at; those that differ in numbers alone are one."""
    failed = frame[frame["failure"] != ""]
    if failed.empty:
        return
    yield from ("", f"{len(failed):,} of {len(frame):,} runs failed")
    kinds = failed["failure"].str.replace(r"\d+(\.\d+)?", "0", regex=True)
    reasons = [runs for _, runs in failed.groupby(kinds, sort=False)]
    yield from listed(map(_reason, reasons[:_MOST_REASONS]))
    if len(reasons) > _MOST_REASONS:
        yield f"  and {len(reasons) - _MOST_REASONS:,} more"


def _reason(runs: pd.DataFrame) -> str:
    vary = " (numbers vary)" if runs["failure"].nunique() > 1 else ""
    return f"{len(runs):,} × {one_line(runs['failure'].iloc[0])}{vary}; at {_places(runs)}"


def _places(runs: pd.DataFrame) -> str:
    fields = fields_of(runs)
    points = list(runs.groupby(fields, sort=False)["seed"])
    told = []
    for point, seeds in points[:_MOST_POINTS]:
        at = ", ".join(f"{name} {value_text(value)}" for name, value in zip(fields, point, strict=True))
        more = ", ..." if len(seeds) > _MOST_SEEDS else ""
        told.append(f"{at} (seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds[:_MOST_SEEDS]))}{more})")
    return "; ".join([*told, *([f"and {len(points) - _MOST_POINTS:,} more"] if len(points) > _MOST_POINTS else [])])
