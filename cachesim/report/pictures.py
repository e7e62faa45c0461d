"""The pictures of a report: drawn as SVG, which the address of an image can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import product
from math import floor, log10
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from cachesim.formatting import seconds
from cachesim.result import Result
from cachesim.scenario import Scenario
from cachesim.settings import kebab_case
from cachesim.world.faults import Deploy, Fault, Flush, Window

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Picture", "pictures"]

_POINTS, _REQUESTS = 100, 10
"""A line has at most so many points, each for so many requests on average."""

_FAULT = "#CC79A7"
"""Of the colours in `cachesim.plots.colours`, one that no line here has."""


class Picture(NamedTuple):
    """An image: the address that holds it; what it shows, in words; what is said below it."""

    address: str
    alt: str
    caption: str


def pictures(scenario: Scenario, result: Result) -> list[Picture]:
    """What happened over time in a run that kept its tables, with the faults of its scenario marked."""
    from matplotlib import rc_context, style

    with style.context("default"), rc_context({"svg.hashsalt": "cachesim"}):
        marks = list(_marks(scenario, result))
        return [_storm(result, marks), _timelines(result, marks)]


def _storm(result: Result, marks: Sequence[_Mark]) -> Picture:
    from cachesim import plots

    axes = plots.storm(result.loads, duration=result.duration, start=result.warmup)
    alt = f"{axes.get_title(loc='left')}, from {_span(result)}. {len(result.loads):,} loads in all."
    return Picture(_drawn(axes, marks), alt, " ".join(map(str, marks)))


def _timelines(result: Result, marks: Sequence[_Mark]) -> Picture:
    import pandas as pd

    from cachesim import plots

    bin = _bin(result.duration - result.warmup, result.metrics["requests"])
    series = pd.DataFrame(dict(_columns(result.series(bin))))
    middles = series.set_index(series.index + bin / 2)
    axes = plots.timelines(middles, xlabel="time (s)", bounds={}, marks={}, title="Rates, hit ratio and latency")
    for panel, highest in zip(axes.figure.axes, series.max(), strict=True):
        panel.yaxis.labelpad = 9
        panel.set(xlim=(result.warmup, result.duration), ylim=(-0.05 * (highest or 1), 1.12 * (highest or 1)))
    ranges = (f"{name} from {values.min():.4g} to {values.max():.4g}" for name, values in series.items())
    alt = f"Over time, from {_span(result)}: {'; '.join(ranges)}."
    return Picture(_drawn(axes, marks), alt, f"Each point of a line stands for {seconds(bin, bin)}.")


def _span(result: Result) -> str:
    return f"{seconds(result.warmup, 1.0)} to {seconds(result.duration, 1.0)}"


def _bin(measured: float, requests: float) -> float:
    """The seconds that a point stands for: 1, 2 or 5 times a power of ten.

    >>> _bin(60, 6000), _bin(60, 60), _bin(3600, 1e6), _bin(0.05, 3)
    (1.0, 10.0, 50.0, 0.005)
    """
    enough = measured * _REQUESTS / requests if requests else measured
    least = max(measured / _POINTS, min(measured / _REQUESTS, enough))
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def _columns(series: pd.DataFrame) -> Iterator[tuple[str, pd.Series[float]]]:
    """What is drawn over time, named with its unit; what never has a value is left out, and a queue that never is."""
    scale, unit = (1, "s") if series["latency_p99"].max() >= 1 else (1000, "ms")
    yield "requests (1/s)", series["request_rate"]
    if series["hit_ratio"].notna().any():
        yield "hit ratio (%)", 100 * series["hit_ratio"]
    yield "loads (1/s)", series["load_rate"]
    if series["queue"].any():
        yield "waiting queries (mean)", series["queue"]
    if series["latency_p50"].notna().any():
        yield f"median latency ({unit})", scale * series["latency_p50"]
        yield f"p99 latency ({unit})", scale * series["latency_p99"]


# Faults


class _Mark(NamedTuple):
    """A fault where a picture shows it: from when to when, the same for what does not last."""

    begin: float
    end: float
    name: str

    def __str__(self) -> str:
        if self.begin == self.end:
            return f"Dotted line at {seconds(self.begin, 1.0)}: {self.name}."
        return f"Shaded from {seconds(self.begin, 1.0)} to {seconds(self.end, 1.0)}: {self.name}."


def _marks(scenario: Scenario, result: Result) -> Iterator[_Mark]:
    """The faults, as far as they fall into the measured time."""
    for fault in scenario.faults:
        for begin, end in _times(fault, scenario.nodes):
            mark = _Mark(max(begin, result.warmup), min(end, result.duration), kebab_case(type(fault).__name__))
            if mark.begin < mark.end or mark.begin == begin == end == mark.end:
                yield mark


def _times(fault: Fault, nodes: int) -> list[tuple[float, float]]:
    match fault:
        case Window():
            return [(fault.start, fault.end)]
        case Flush():
            return [(fault.at, fault.at)]
        case Deploy():
            return [(time, time) for time in (fault.at + node * fault.every for node in range(nodes))]
    raise AssertionError(fault)


def _draw(mark: _Mark, panel: Axes) -> None:
    if mark.begin == mark.end:
        panel.axvline(mark.begin, color=_FAULT, linestyle=":", linewidth=1.5)
    else:
        panel.axvspan(mark.begin, mark.end, color=_FAULT, alpha=0.15, linewidth=0)


# The file


def _drawn(axes: Axes, marks: Sequence[_Mark]) -> str:
    """The address of the picture with these axes, the same for the same picture."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    for panel, mark in product(figure.axes, marks):
        _draw(mark, panel)
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    _, _, svg = buffer.getvalue().decode().partition('"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n')
    return "data:image/svg+xml," + quote(re.sub(r" d=\"[^\"]*\"", _shorter, svg), safe=" /:;,=()")


def _shorter(path: re.Match[str]) -> str:
    """Its coordinates to a hundredth of a point: a tenth of what can be seen."""
    return re.sub(r"(\.\d\d)\d+", r"\1", path[0]).replace("\n", "")
