"""One value in a process's memory: how many of its reads hit, wait for somebody else's load, or load?

λ reads/s arrive as a Poisson process, the value lives T s, a load takes D s. With single flight a cycle has one miss,
λD reads that wait for what is left of its load, and λT that hit. Without it, all who come during the first load miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cachesim import theory
from cachesim.lab.controls import seed, slider, switch
from cachesim.lab.cycles import Cycles, errors, expected
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import Shares, Waits
from cachesim.plots.colours import BLUE, SERIES, VERMILION
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InProcess", "explore"]

_WINDOW = 30.0
"""What the picture shows, in seconds."""
_HIGHEST = 1.15
"""Where its vertical axis ends, in seconds: above the longest load."""
_NAMES = {"hit ●": BLUE, "delayed hit ▲": SERIES[2], "miss ◆": VERMILION}

Results = dict[str, Result]


@dataclass(frozen=True)
class InProcess:
    """Where the controls stand: λ in requests/s, T and D in seconds."""

    rate: float = slider("Request rate λ", "requests/s", 1, 20, 1, start=2.0)
    ttl: float = slider("Lifetime T", "s", 1, 10, 0.5, start=5.0)
    load_time: float = slider("Load time D", "s", 0.1, 1, 0.1, start=0.5)
    single_flight: bool = switch("Single flight", start=True)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One key in the memory of one process, for at least as long as the picture."""
        scenario = Scenario(
            title="One value in the memory of a process",
            arrivals=arrivals.Poisson(rate=self.rate),
            keys=keys.OneKey(),
            cache=Pattern("in-process", ttl=self.ttl, single_flight="process" if self.single_flight else "none"),
            database=Database(latency=latency.Constant(self.load_time)),
            duration=max(2 * _WINDOW, requests / self.rate),
            seed=self.seed,
        )
        return {"in-process": scenario}

    @property
    def key(self) -> dict[str, Any]:
        """What theory needs to know of the key."""
        return {
            "rate": self.rate,
            "load_time": self.load_time,
            "ttl": self.ttl,
            "single_flight": self.single_flight,
        }


class _Picture:
    """The wait of each read over time, and the shares of hits, delayed hits and misses."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 420)
        above, below = self.figure.subplots(2, height_ratios=[1.5, 1])
        self._waits = Waits(above)
        self._shares = Shares(below, _NAMES, label="share of reads; the black marks are theory")
        # Laid out once, with room for the longest texts.
        above.set(title=" ", xlim=(0, _WINDOW), ylim=(0, _HIGHEST))
        freeze(self.figure)

    def draw(self, settings: InProcess, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        cycles = Cycles.of(result)
        says, _ = expected(**settings.key)
        waiting = cycles.shares.delayed_hit + cycles.shares.miss
        if settings.single_flight:
            title = f"{_percent(waiting)} of reads wait, {_percent(cycles.shares.miss)} load"
        else:
            title = f"{_percent(waiting)} of reads wait, and every one of them loads"
        self._waits.show(result.requests, result.loads, end=_WINDOW, limit=_HIGHEST, title=title)
        self._shares.show(cycles.shares, says, [_percent(share) for share in cycles.shares])
        return Findings(
            sentence=f"{title}; theory says {_theory(says)}.",
            alt=f"The wait of each read during {_WINDOW:g} s: {_shape(settings, result.loads)}. {title}.",
            numbers=_numbers(settings, result, cycles),
            note=_note(result, cycles),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _theory(shares: theory.Shares) -> str:
    return f"{_percent(shares.delayed_hit + shares.miss)} and {_percent(shares.miss)}"


def _shape(settings: InProcess, loads: pd.DataFrame) -> str:
    """What the marks do, for those who do not see them."""
    count = int((loads["start"] < _WINDOW).sum())
    if settings.single_flight:
        return f"{count} loads of {settings.load_time:g} s, and reads in each that wait for what is left of it"
    return f"{count} reads that load and wait {settings.load_time:g} s each, in groups, and between them reads that hit"


def _numbers(settings: InProcess, result: Result, cycles: Cycles) -> Sequence[Number]:
    shares, wait = expected(**settings.key)
    share_errors, wait_error = errors(**settings.key, cycles=cycles.count)
    names = ("Hits", "Delayed hits", "Misses, each a load")
    return [
        *(Number(*row) for row in zip(names, cycles.shares, "%%%", shares, share_errors, strict=True)),
        Number("Wait, mean of all reads", cycles.wait, "s", wait, wait_error),
        Number("Largest stampede (loads)", result.metrics["largest_stampede"]),
    ]


def _note(result: Result, cycles: Cycles) -> str:
    return (
        f"From {result.metrics['requests']:,.0f} requests in {result.duration:,.0f} s, counted over {cycles.count} "
        f"whole cycles, each from a miss to the next that finds nothing. The picture shows the first {_WINDOW:g} s; "
        "grey: the value is being loaded."
    )


def explore(run: Run[InProcess, Results] = simulated) -> Explorer[InProcess, Results]:
    """The explorer of one value in memory; `run` simulates."""
    return Explorer(InProcess, _Picture, run)
