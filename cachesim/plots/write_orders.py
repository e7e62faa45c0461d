"""Writes on their way from the database to the cache: which overtake each other, and when the cache is behind.

A write is *committed* and *arrives* at the cache later, in seconds; `taken` says whether the cache kept it. Versions
count the writes in the order of their commits, from 1; a cache that holds none has version 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cachesim.plots.colours import BLUE, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Behind", "WriteOrder", "Writes", "write_order"]

_BESIDE: Any = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.05), "frameon": False, "handlelength": 1.6}


class Behind(NamedTuple):
    """When a cache holds an older row than the database: step functions between `edges` (s)."""

    edges: NDArray[np.float64]
    on_the_way: NDArray[np.bool_]
    """The newest row is still on its way."""
    overwritten: NDArray[np.bool_]
    """It has arrived, and an older one came after it."""


class Writes(NamedTuple):
    """The writes of one key in the order of their commits, as arrays of equal length."""

    committed: NDArray[np.float64]
    arrived: NDArray[np.float64]
    taken: NDArray[np.bool_]

    @classmethod
    def of(cls, committed: ArrayLike, arrived: ArrayLike, taken: ArrayLike) -> Writes:
        """Writes in any order.

        >>> Writes.of([2, 1], [3, 4], [True, True]).arrived.tolist()
        [4.0, 3.0]
        """
        leaving = np.asarray(committed, np.float64)
        order = np.argsort(leaving)
        return cls(leaving[order], np.asarray(arrived, np.float64)[order], np.asarray(taken, np.bool_)[order])

    @property
    def undone(self) -> NDArray[np.bool_]:
        """Whether the cache kept an older write after each of them.

        >>> Writes.of([1, 2, 5], [4, 3, 6], [True, True, True]).undone.tolist()
        [False, True, False]
        """
        latest = np.maximum.accumulate(np.where(self.taken, self.arrived, -np.inf))
        return np.append(-np.inf, latest[:-1]) > self.arrived

    @property
    def late(self) -> NDArray[np.bool_]:
        """Whether a newer write arrived before each of them."""
        first = np.minimum.accumulate(self.arrived[::-1])[::-1]
        return np.append(first[1:], np.inf) < self.arrived

    def cached(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The version that the cache holds, as a step function: from which time on (s), and which.

        >>> times, versions = Writes.of([1, 2, 5], [4, 3, 6], [True, True, True]).cached()
        >>> times.tolist(), versions.tolist()
        ([0.0, 3.0, 4.0, 6.0], [0, 2, 1, 3])
        """
        arrived = self.arrived[self.taken]
        order = np.argsort(arrived)
        versions = np.flatnonzero(self.taken)[order] + 1
        return np.append(0.0, arrived[order]), np.append(0, versions)

    def behind(self, start: float, end: float) -> Behind:
        """When the cache is behind the database, from `start` to `end` (s).

        >>> edges, on_the_way, overwritten = Writes.of([1, 2, 5], [4, 3, 6], [True, True, True]).behind(0, 7)
        >>> edges.tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
        >>> on_the_way.tolist(), overwritten.tolist()
        ([False, True, True, False, False, True, False], [False, False, False, False, True, False, False])
        """
        times, versions = self.cached()
        moments = np.concatenate(([start], self.committed, times))
        moments = np.unique(moments[(start <= moments) & (moments < end)])
        newest = np.searchsorted(self.committed, moments, side="right")
        behind = versions[np.searchsorted(times, moments, side="right") - 1] < newest
        there = np.append(-np.inf, self.arrived)[newest] <= moments
        return Behind(np.append(moments, end), behind & ~there, behind & there)


def write_order(writes: Writes, *, end: float, start: float = 0.0, title: str | None = None) -> Axes:
    """The versions in database and cache from `start` to `end` (s) and, below, each write on its way.

    The default title says how many writes were undone. Returns the upper Axes.

    >>> write_order(Writes.of([1, 2, 5], [4, 3, 6], [True, True, True]), end=7).get_title(loc="left")
    '1 of 3 writes undone by an older one'
    """
    figure = Figure(figsize=(8, 3.9), dpi=150, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    picture = WriteOrder(upper, lower)
    shown = (start <= writes.committed) & (writes.committed < end)
    finding = f"{(shown & writes.undone).sum()} of {shown.sum()} writes undone by an older one"
    picture.show(writes, start=start, end=end, title=finding if title is None else title)
    return upper  # type: ignore[no-any-return]


class WriteOrder:
    """The picture that `write_order` draws, as artists that take new data."""

    def __init__(self, versions: Axes, messages: Axes) -> None:
        self._versions, self._messages = versions, messages
        band: Any = {"fill": True, "linewidth": 0, "transform": versions.get_xaxis_transform()}
        self._on_the_way = versions.stairs([0], [0, 1], color="0.88", **band)
        self._overwritten = versions.stairs([0], [0, 1], color=VERMILION, alpha=0.5, **band)
        (self._database,) = versions.plot([], [], color=BLUE, linewidth=1.8, drawstyle="steps-post")
        (self._cache,) = versions.plot([], [], color="black", linewidth=1.4, dashes=(3, 1.5), drawstyle="steps-post")
        versions.set_ylabel("version of the row")
        versions.legend(
            [self._database, self._cache, self._on_the_way, self._overwritten],
            ["in the database", "in the cache", "newest on its way", "older came last"],
            **_BESIDE,
        )
        self._ways = {
            "in order": _ways(messages, color=GREY, linewidth=1),
            "late, kept": _ways(messages, color=VERMILION, linewidth=2),
            "late, refused": _ways(messages, color=BLUE, linewidth=1.6, linestyle=":"),
        }
        self._ends = {
            "in order": _ends(messages, marker="v", color=GREY, markersize=4),
            "late, kept": _ends(messages, marker="X", color=VERMILION, markersize=8),
            "late, refused": _ends(messages, marker="o", color=BLUE, markerfacecolor="white", markersize=6),
        }
        messages.legend(list(zip(self._ways.values(), self._ends.values(), strict=True)), list(self._ways), **_BESIDE)
        messages.set(xlabel="time (s)", ylim=(-0.25, 1.1), yticks=[0, 1], yticklabels=["at the cache", "committed"])
        for ax in (versions, messages):
            ax.spines[["top", "right"]].set_visible(False)

    def show(self, writes: Writes, *, start: float, end: float, title: str, limit: float | None = None) -> None:
        """Show what happens from `start` to `end`; versions count from `start`, and the axis ends at `limit`."""
        first = int(np.searchsorted(writes.committed, start))
        last = int(np.searchsorted(writes.committed, end))
        highest = limit or 1.1 * (last - first + 1)
        self._versions.set(xlim=(start, end), ylim=(-0.08 * highest, highest))
        self._versions.set_title(title, loc="left", weight="bold")
        edges, on_the_way, overwritten = writes.behind(start, end)
        self._on_the_way.set_data(on_the_way, edges)
        self._overwritten.set_data(overwritten, edges)
        committed = writes.committed[first:last]
        self._database.set_data([start, *committed, end], [0, *range(1, last - first + 1), last - first])
        times, versions = writes.cached()
        self._cache.set_data(np.append(times, end), np.append(versions, versions[-1:]) - first)
        seen = (writes.arrived >= start) & (writes.committed <= end)
        kept, refused = seen & writes.late & writes.taken, seen & ~writes.taken
        for kind, mask in (("in order", seen & ~kept & ~refused), ("late, kept", kept), ("late, refused", refused)):
            leaving, arriving = writes.committed[mask], writes.arrived[mask]
            gap = np.full(len(leaving), np.nan)
            self._ways[kind].set_data(
                np.column_stack([leaving, arriving, gap]).ravel(), np.tile([1, 0, np.nan], len(gap))
            )
            self._ends[kind].set_data(arriving, np.zeros(len(gap)))


def _ways(ax: Axes, **look: Any) -> Line2D:
    (line,) = ax.plot([], [], **look)
    return line


def _ends(ax: Axes, **look: Any) -> Line2D:
    (line,) = ax.plot([], [], linestyle="none", **look)
    return line
