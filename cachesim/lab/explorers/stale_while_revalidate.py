"""One key with stale-while-revalidate: who is served stale, who waits all the same, and how old a value becomes.

A value is fresh for F s, then stale for S s, then gone; λ requests/s arrive as a Poisson process, and a load takes D s.
For a hot key nobody waits, and of every 1 + λ (F + D) requests 1 + λD are served stale. For a rare key the next request
often comes when the value has gone: with probability e^(-λS) an expiry makes somebody wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from cachesim import theory
from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import StaleLife
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database
from cachesim.world.writes import Writes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StaleWhileRevalidate", "explore"]

_WINDOW = 12.0
"""What the picture shows, in seconds; the simulation lasts at least as long."""
_WRITES = 0.25
"""Writes per second, of which the cache is not told."""

_OUTCOMES = ("hit", "stale hit", "delayed hit", "miss")

Results = dict[str, Result]


@dataclass(frozen=True)
class StaleWhileRevalidate:
    """Where the controls stand: λ in requests/s, F, S and D in seconds."""

    rate: float = slider("Request rate λ", "requests/s", 0.5, 20, 0.5, start=5.0)
    fresh_for: float = slider("Fresh for F", "s", 0.5, 4, 0.5, start=2.0)
    stale_for: float = slider("Stale for S", "s", 0, 4, 0.25, start=2.0)
    load_time: float = slider("Load time D", "s", 0.1, 2, 0.1, start=0.5)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One key, and a database that is written without the cache being told."""
        scenario = Scenario(
            title="A value served stale while it is refreshed",
            arrivals=arrivals.Poisson(rate=self.rate),
            keys=keys.OneKey(),
            cache=Pattern("stale-while-revalidate", fresh_for=self.fresh_for, stale_for=self.stale_for),
            database=Database(latency=latency.Constant(self.load_time)),
            writes=Writes(behind=_WRITES),
            duration=max(_WINDOW, ceil(requests / self.rate)),
            seed=self.seed,
        )
        return {"stale-while-revalidate": scenario}

    @property
    def times(self) -> tuple[float, float, float, float]:
        """λ, D, F and S, as the formulas take them."""
        return self.rate, self.load_time, self.fresh_for, self.stale_for

    @property
    def bound(self) -> float:
        """No value is served that has been out of date for longer, in seconds."""
        return theory.staleness_bound(self.fresh_for + self.stale_for, self.load_time)


class _Picture:
    """The states of the value and the requests by outcome, over time."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 400)
        axes = self.figure.subplots()
        self._life = StaleLife(axes)
        # Laid out once, with room for the longest texts.
        axes.set_xlim(0, _WINDOW)
        axes.set_yticks([1, 5], ["wait 0.88 s", "delayed hit"])
        axes.set_title(" ")
        freeze(self.figure)

    def draw(self, settings: StaleWhileRevalidate, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        whole, cycles = _whole_cycles(result)
        stale = float((whole["outcome"] == "stale_hit").mean())
        waiting = float(whole["outcome"].isin(["delayed_hit", "miss"]).mean())
        waits = f"{_percent(waiting)} wait" if waiting else "nobody waits"
        title = f"{_percent(stale)} of requests are served stale, and {waits}"
        self._life.show(
            result.requests,
            result.loads,
            fresh_for=settings.fresh_for,
            stale_for=settings.stale_for,
            end=_WINDOW,
            title=title,
            limit=settings.load_time,
        )
        return Findings(
            sentence=f"{title}. A value may be out of date for {settings.bound:.3g} s at most.",
            alt=_alt(result, title),
            numbers=_numbers(settings, result, whole, cycles),
            note=_note(result, whole, cycles),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _whole_cycles(result: Result) -> tuple[pd.DataFrame, int]:
    """The requests from the first to the last time that a value was stored, and how often it was in between."""
    stored = np.sort(result.loads["end"].dropna().to_numpy())
    stored = stored[stored <= result.duration]
    times = result.requests["time"]
    return result.requests[(times >= stored[0]) & (times < stored[-1])], len(stored) - 1


def _alt(result: Result, title: str) -> str:
    shown = result.requests["outcome"][result.requests["time"] < _WINDOW].value_counts()
    counts = ", ".join(f"{name} {shown.get(name.replace(' ', '_'), 0)}" for name in _OUTCOMES)
    return f"One value over {_WINDOW:g} s, fresh, stale or gone, and the requests for it: {counts}. {title}."


def _numbers(settings: StaleWhileRevalidate, result: Result, whole: pd.DataFrame, cycles: int) -> list[Number]:
    shares = theory.revalidation_shares(*settings.times)
    errors = theory.revalidation_share_errors(*settings.times, cycles)
    waiting = float(whole["outcome"].isin(["delayed_hit", "miss"]).mean())
    stale = float((whole["outcome"] == "stale_hit").mean())
    return [
        Number("Served stale", stale, "%", expected=shares.stale_hit, error=errors.stale_hit),
        Number("Wait for a load", waiting, "%", expected=shares.waiting, error=errors.waiting),
        Number("Largest stampede", result.metrics["largest_stampede"], expected=1.0),
        Number("Latency, 99th percentile", float(np.percentile(whole["latency"], 99, method="inverted_cdf")), "s"),
        Number(f"Longest out of date (bound: {settings.bound:.3g} s)", float(whole["staleness"].max()), "s"),
    ]


def _note(result: Result, whole: pd.DataFrame, cycles: int) -> str:
    return (
        f"From {len(whole):,} requests in {cycles:,} whole cycles, from one store of the value to the next: the load "
        f"of the empty cache is left out. The row is written {_WRITES:g} times a second, the cache is not told. The "
        f"picture shows the first {_WINDOW:g} s."
    )


def explore(run: Run[StaleWhileRevalidate, Results] = simulated) -> Explorer[StaleWhileRevalidate, Results]:
    """The explorer of stale-while-revalidate; `run` simulates."""
    return Explorer(StaleWhileRevalidate, _Picture, run, moving=800, resting=8_000)
