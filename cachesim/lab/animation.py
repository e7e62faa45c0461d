"""The storm, animated: requests as marks that travel from the clients through the cache to the database and back.

A mark is a request, or a load that nobody waits for. Its stages are what the result says: it arrives, its load is in
flight at the database from `reached` to `left`, and it ends. All that is drawn besides is the way of a request between
the clients and the cache, which takes no simulated time.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import anywidget
import numpy as np
import pandas as pd
import traitlets as t

from cachesim.lab.panel import problem
from cachesim.lab.picture import kept_figure, plain_style, static_image
from cachesim.plots import in_flight, storm
from cachesim.result import Result
from cachesim.scenario import Scenario
from cachesim.simulation import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cachesim.lab.panel import Listing, Panel

    Steps = tuple[NDArray[Any], NDArray[Any]]
    """Times, and what holds from each of them on."""

__all__ = ["KINDS", "Animation", "Stages"]

KINDS = ("hit", "stale_hit", "delayed_hit", "miss", "early", "error", "write", "background")
"""What a mark may be: the outcome of a request, or a load that no request waits for."""

_HERE = Path(__file__).parent
_LOADING = ("miss", "early", "error")
"""Outcomes of requests that may have started a load and waited for it."""
_ROUNDING = 1e-9
"""Seconds by which time + latency may miss the end that they were computed from."""


class Stages(NamedTuple):
    """The marks of a run as arrays of equal length, times in seconds.

    `arrival` and `end`: of the request; NaN where there is none. `reached` and `left`: when its load began and ended;
    NaN where there is none, infinity while it is in flight. `kind`: its place in `KINDS`. Each request is a mark and
    each load belongs to exactly one.
    """

    arrival: NDArray[np.float64]
    reached: NDArray[np.float64]
    left: NDArray[np.float64]
    end: NDArray[np.float64]
    kind: NDArray[np.uint8]

    @classmethod
    def of(cls, result: Result) -> Self:
        """The marks of a result that has its tables: its requests, then the loads without one."""
        requests, loads = result.requests, result.loads
        owner = _owners(requests, loads)
        begin, finish = loads["start"].to_numpy(), loads["end"].fillna(np.inf).to_numpy()
        arrival = requests["time"].to_numpy()
        end = arrival + requests["latency"].to_numpy()
        kind = np.array([KINDS.index(outcome) for outcome in requests["outcome"].cat.categories], dtype=np.uint8)
        reached, left = np.full((2, len(requests)), np.nan)
        owned, alone = owner >= 0, owner < 0
        reached[owner[owned]], left[owner[owned]] = begin[owned], finish[owned]
        nobody = np.full(int(alone.sum()), np.nan)
        return cls(
            arrival=np.concatenate([arrival, nobody]),
            reached=np.concatenate([reached, begin[alone]]),
            left=np.concatenate([left, finish[alone]]),
            end=np.concatenate([end, nobody]),
            kind=np.concatenate(
                [
                    kind[requests["outcome"].cat.codes],
                    np.full(len(nobody), KINDS.index("background"), dtype=np.uint8),
                ]
            ),
        )

    def within(self, start: float, end: float) -> Self:
        """The marks with a part in the window from `start` to `end`, their times counted from `start`."""
        begins, ends = np.fmin(self.arrival, self.reached), np.fmax(self.end, self.left)
        shown = (begins < end) & (ends >= start)
        arrival, reached, left, ended = (part[shown] - start for part in self[:4])
        return type(self)(arrival, reached, left, ended, self.kind[shown])


def _owners(requests: pd.DataFrame, loads: pd.DataFrame) -> NDArray[np.int64]:
    """For each load the place of the request that waited for it, or -1.

    That is the first to end, after the load did, of those for the same key on the same node that arrived before the
    load began. Both tables are in order of completion, so one walk finds them all.
    """
    waiting: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    loading = np.flatnonzero(requests["outcome"].isin(_LOADING)).tolist()
    columns = (requests[name].iloc[loading] for name in ("key", "node", "time", "latency"))
    for place, key, node, arrival, latency in zip(loading, *columns, strict=True):
        waiting[key, node].append((arrival, arrival + latency + _ROUNDING, place))
    owners = np.full(len(loads), -1)
    rows = zip(*(loads[name] for name in ("key", "node", "start", "end", "cause")), strict=True)
    for index, (key, node, start, end, cause) in enumerate(rows):
        group = waiting[key, node] if cause != "refresh" else []
        fitting = (request for request in group if request[0] <= start and request[1] >= end)  # NaN: still in flight
        if owner := next(fitting, None):
            owners[index] = owner[2]
            group.remove(owner)
    return owners


class _Followed(Protocol):
    """What decides what is shown: an explorer, of which the scenario file counts once it is at rest."""

    listing: Listing
    finding: Panel


class Animation(anywidget.AnyWidget):
    """A run that is replayed when the reader presses Play, and only then; times are simulated seconds."""

    _esm = "".join((_HERE / name).read_text() for name in ("animation_stage.js", "animation.js"))  # it imports nothing
    _css = _HERE / "animation.css"
    run = t.Dict().tag(sync=True)
    """What is replayed, in one message: see `_message`."""
    problem = t.Unicode().tag(sync=True)

    @classmethod
    def of(cls, result: Result, start: float = 0.0, end: float = 10.0) -> Self:
        """An animation that shows a result."""
        animation = cls()
        animation.show(result, start, end)
        return animation

    def show(self, result: Result, start: float = 0.0, end: float = 10.0) -> None:
        """Replace what is shown by a result from `start` to `end`, paused at its start.

        Raises `ValueError` when `end` is not above `start`, or the result has no tables.
        """
        loads, entries = result.loads, result.entries
        self.run = _message(
            (start, end),
            Stages.of(result).within(start, end),
            flight=in_flight(loads["start"], loads["end"], end, start),
            kept=in_flight(entries["stored"], entries["ended"], end, start),
            values=len(entries[["key", "place"]].drop_duplicates()),
        )
        self.problem = ""

    def follow(self, explorer: _Followed, start: float = 0.0, end: float = 10.0) -> Self:
        """Show the scenario of an explorer, cut to the window, now and when it rests anew; returns the animation.

        What goes wrong now is raised; later it is told on the page.
        """
        shown = ""

        def replay() -> None:
            nonlocal shown
            if explorer.listing.text != shown:
                shown = explorer.listing.text
                scenario = Scenario(**tomllib.loads(shown)).replace(duration=end, warmup=0)
                self.show(simulate(scenario), start, end)

        def changed(change: object) -> None:
            if not explorer.finding.busy:  # while the controls move, every picture would be in their way
                try:
                    replay()
                except Exception as error:
                    self.problem = problem(error)

        replay()
        explorer.listing.observe(changed, "text")
        explorer.finding.observe(changed, "busy")
        return self

    @t.default("run")
    def _nothing(self) -> dict[str, Any]:
        none = np.empty(0)
        marks = Stages(none, none, none, none, none.astype(np.uint8))
        return _message((0.0, 10.0), marks, flight=(none, none), kept=(none, none), values=0)

    def _repr_html_(self) -> str:
        """What a page without a kernel shows: the loads in flight, over the same window."""
        start, end = self.run["start"], self.run["end"]
        _, reached, left, _ = np.frombuffer(self.run["times"], np.float32).reshape(4, -1) + start
        loads = pd.DataFrame({"start": reached, "end": left}).dropna()
        with plain_style():
            figure = kept_figure(768, 300)
            axes = storm(loads, start=start, duration=end, ax=figure.subplots())
            return static_image(figure, f"{axes.get_title(loc='left')}, from {start:g} s to {end:g} s.")


def _message(window: tuple[float, float], marks: Stages, *, flight: Steps, kept: Steps, values: int) -> dict[str, Any]:
    """What the page is sent: the window, the marks, and step functions of the loads in flight and the values kept.

    `values`: how many were ever kept; each key in each place counts. All times are float32 seconds from the start.
    """
    start, end = window
    return {
        "start": start,
        "end": end,
        "kinds": list(KINDS),
        "times": _bytes(*marks[:4]),
        "marks": marks.kind.tobytes(),
        "flight": _bytes(flight[0] - start, flight[1]),
        "kept": _bytes(kept[0] - start, kept[1]),
        "values": values,
    }


def _bytes(*rows: NDArray[Any]) -> bytes:
    return np.stack(rows).astype(np.float32).tobytes()
