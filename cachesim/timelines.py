"""A run over time as text, where there are no pictures: what was asked, what came of it, and the loads in flight.

Each row counts per column, and its highest count stands beside it. Whatever is not nothing has a mark: a single miss
among a thousand hits is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import ceil, floor, inf, log10
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cachesim.formatting import seconds
from cachesim.result import Result

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Stampede", "largest_stampede", "timeline"]

_COLUMNS, _TICK = 75, 20
"""At most so many columns, with a time below every so many."""
_LOW, _HIGH = 4, 6
"""The lines that the loads in flight take: in the whole run, and in the stampede."""
_BLOCKS = " ▁▂▃▄▅▆▇█"
_OUTCOMES = {
    "hit": "hits",
    "stale_hit": "stale hits",
    "delayed_hit": "delayed hits",
    "miss": "misses",
    "early": "early recompute",
    "error": "errors",
    "write": "writes",
}


class Stampede(NamedTuple):
    """`size` loads of a key, at least one of them in flight at any time from `start` to `end` (s)."""

    size: int
    key: str
    start: float
    end: float


def timeline(result: Result) -> str:
    """The whole run and, closer, its largest stampede, if it has one: lines of at most 100 characters.

    Raises `ValueError` for a run that kept no tables.
    """
    requests, loads = result.requests, result.loads
    whole = _Window.over(result.warmup, result.duration)
    measured = f"from {seconds(result.warmup, 1.0)} to {seconds(result.duration, 1.0)}"
    lines = [f"The run {measured}, {whole.scale}", *_panel(whole, requests, loads, _LOW)]
    stampede = largest_stampede(loads)
    if stampede is not None and stampede.size > 1 and (close := _around(stampede, result)).width < whole.width:
        key = stampede.key if len(stampede.key) <= 25 else f"{stampede.key[:22]}..."
        lines += ["", f"The largest stampede, {stampede.size:,} loads of the key {key!r}, {close.scale}"]
        lines += _panel(close, requests[requests["key"] == stampede.key], loads[loads["key"] == stampede.key], _HIGH)
    return "\n".join(lines)


def largest_stampede(loads: pd.DataFrame) -> Stampede | None:
    """The episode with the most loads, the first of equals; None without loads. `loads` is that of a `Result`.

    >>> import pandas as pd
    >>> largest_stampede(pd.DataFrame({"key": ["a", "b", "a"], "start": [0.0, 0.1, 0.4], "end": [0.5, 0.6, 0.9]}))
    Stampede(size=2, key='a', start=0.0, end=0.9)
    """
    episodes: list[Stampede] = []
    ordered = loads.fillna({"end": inf}).sort_values(["key", "start"], kind="stable")
    for key, start, end in ordered[["key", "start", "end"]].itertuples(index=False):
        last = episodes[-1] if episodes else None
        if last and last.key == key and start < last.end:
            episodes[-1] = Stampede(last.size + 1, key, last.start, max(last.end, end))
        else:
            episodes.append(Stampede(1, key, start, end))
    return max(episodes, key=lambda episode: (episode.size, -episode.start), default=None)


class _Window(NamedTuple):
    """A part of the run, in columns of equal width (s)."""

    start: float
    width: float
    columns: int

    @classmethod
    def over(cls, start: float, end: float) -> _Window:
        """In columns of 1, 2, 2.5 or 5 times a power of ten, which begin at multiples of it."""
        least = max(end - start, 1e-6) / (_COLUMNS - 1)
        power = 10.0 ** floor(log10(least))
        width = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= least)
        first = floor(start / width + 1e-9) * width
        return cls(first, width, max(1, ceil((end - first) / width - 1e-9)))

    @property
    def scale(self) -> str:
        return f"{seconds(self.width, self.width)} a column"

    @property
    def edges(self) -> Any:
        return self.start + self.width * np.arange(self.columns + 1)

    def axis(self) -> str:
        decimals = len(f"{self.width:.9f}".rstrip("0").partition(".")[2])
        ticks = [f"{self.start + self.width * column:.{decimals}f} s" for column in range(0, self.columns, _TICK)]
        return "".join(f"|{tick:<{_TICK - 1}}" for tick in ticks)


def _around(stampede: Stampede, result: Result) -> _Window:
    """The stampede with a quarter of its length on either side."""
    end = min(stampede.end, result.duration)
    margin = (end - stampede.start) / 4
    return _Window.over(max(result.warmup, stampede.start - margin), min(result.duration, end + margin))


def _panel(window: _Window, requests: pd.DataFrame, loads: pd.DataFrame, height: int) -> Iterator[str]:
    """A row of all requests, one for each outcome that there was, all on one scale; the loads; the time."""
    asked = np.histogram(requests["time"], window.edges)[0]
    yield _row("requests", asked, asked.max())
    for outcome, label in _OUTCOMES.items():
        counts = np.histogram(requests["time"][requests["outcome"] == outcome], window.edges)[0]
        if counts.any():
            yield _row(label, counts, asked.max())
    yield from _chart("loads in flight", _most_in_flight(loads, window.edges), height)
    yield _beside("", "", window.axis())


def _most_in_flight(loads: pd.DataFrame, edges: Any) -> Any:
    """How many loads were in flight at most, from each edge to the next."""
    starts, ends = loads["start"].to_numpy(), loads["end"].fillna(inf).to_numpy()
    times = np.concatenate([starts, ends])
    rank = np.concatenate([np.ones(len(starts)), np.where(ends > starts, 0, 2)])  # who leaves makes room for who comes
    order = np.lexsort((rank, times))
    levels = np.cumsum(np.where(order < len(starts), 1, -1))
    at_edges = np.searchsorted(np.sort(starts), edges) - np.searchsorted(np.sort(ends), edges, side="right")
    events = np.searchsorted(times[order], edges)
    columns = zip(at_edges, pairwise(events), strict=False)
    return np.array([levels[first:last].max(initial=carried) for carried, (first, last) in columns])


def _row(label: str, counts: Any, most: int) -> str:
    return _beside(label, f"{counts.max():,}", "".join(_BLOCKS[level] for level in _levels(counts, most)))


def _chart(label: str, counts: Any, height: int) -> Iterator[str]:
    """A row of several lines, from the top down; no more than there are loads."""
    most = counts.max()
    height = max(1, min(height, most))
    levels = _levels(counts, most, height)
    for line in reversed(range(height)):
        bars = "".join(_BLOCKS[min(8, max(0, level - 8 * line))] for level in levels)
        yield _beside(label, f"{most:,}", bars) if line == height - 1 else _beside("", "", bars)


def _levels(counts: Any, most: int, lines: int = 1) -> list[int]:
    """How high each column is, in eighths of a line."""
    return [ceil(8 * lines * int(count) / int(most)) if count else 0 for count in counts]


def _beside(label: str, number: str, bars: str) -> str:
    return f"{label:<15} {number:>7} {bars}".rstrip()
