"""Which key goes when the cache is full: hit ratio by size of several policies, and the bound that none can pass.

Independent requests for n keys, the i-th as popular as i^-α says. The curves are those of full caches, from compiled
kernels rather than from events; the scenario is that of the chosen policy and size, and says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cachesim.lab.controls import choice, seed, slider
from cachesim.lab.demonstrations.streams import steady_curves
from cachesim.lab.explorer import Explorer, Findings, Report, Run
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import HitRateCurves
from cachesim.scenario import Pattern, Scenario
from cachesim.theory import che_fifo_hit_ratio, che_lru_hit_ratio
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

__all__ = ["NAMES", "Eviction", "by_size", "explore"]

NAMES = {
    "lru": "LRU",
    "fifo": "FIFO",
    "sieve": "SIEVE",
    "s3-fifo": "S3-FIFO",
    "w-tinylfu": "W-TinyLFU",
    "opt": "OPT: the bound",
}
"""What the policies are called."""

_RATE = 1000.0
"""Requests a second in the scenario, where they take no time and nothing expires."""
_LONGEST = 50_000
"""Requests of the scenario at most: it is simulated event by event."""
_SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Sizes that the curves have, as shares of the keys."""
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_DEPENDENCE = 1.4
"""Hits are not independent of each other: hit ratios spread up to so many times as much as if they were (tested)."""


@dataclass(frozen=True)
class Eviction:
    """Where the controls stand: n keys of skew α, a policy, and the size of its cache in percent of the keys."""

    n: int = slider("Keys", "", 500, 2000, 250, start=1000)
    alpha: float = slider("Skew α", "", 0, 1.2, 0.1, start=0.8)
    policy: str = choice("Policy", [name for name in NAMES if name != "opt"], start="sieve")
    share: int = slider("Size of the cache", "% of the keys", 2, 50, 2, start=10)
    seed: int = seed()

    @property
    def size(self) -> int:
        """Of the cache, in entries."""
        return round(self.n * self.share / 100)

    @property
    def popularity(self) -> list[float]:
        """The shares of the keys."""
        return keys.Zipf(n=self.n, alpha=self.alpha).probabilities()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """The chosen cache in a process, with values that outlive the run; the first half of it fills the cache."""
        duration = min(requests, _LONGEST) / _RATE
        scenario = Scenario(
            title=f"A full cache, {NAMES[self.policy]}",
            arrivals=arrivals.Poisson(rate=_RATE),
            keys=keys.Zipf(n=self.n, alpha=self.alpha),
            cache=Pattern("in-process", ttl=10 * duration, size=self.size, policy=self.policy),
            database=Database(latency=latency.Constant(0.0)),
            warmup=duration / 2,
            duration=duration,
            seed=self.seed,
        )
        return {self.policy: scenario}


class Outcome(NamedTuple):
    """Curves by policy, and how many requests were counted for each of their points."""

    curves: dict[str, pd.DataFrame]
    requests: int

    def at(self, policy: str, size: int) -> float:
        """The hit ratio of a policy at a size that its curve has."""
        curve = self.curves[policy]
        return float(curve["hit_ratio"].to_numpy()[curve["size"].searchsorted(size)])


def replayed(settings: Eviction, requests: int, report: Report) -> Outcome:
    """Replay as many requests against each policy, at each size."""
    sizes = sorted({settings.size, *(round(settings.n * share) for share in _SHARES)})
    curves: dict[str, pd.DataFrame] = {}
    policies = dict.fromkeys(("lru", "fifo", settings.policy, "opt"))
    for done, policy in enumerate(policies):
        report(done / len(policies))
        curves |= steady_curves(settings.n, settings.alpha, [policy], sizes, requests, seed=settings.seed)
    return Outcome(curves, requests)


class _Picture:
    """Hit ratio by size, with the chosen size marked."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 420)
        axes = self.figure.subplots()
        self._axes = axes
        self._curves = HitRateCurves(axes, curves=4)
        self._line = axes.axvline(1, color="black", linewidth=1, alpha=0.5)
        (self._mark,) = axes.plot([], [], "D", color="black", markersize=9)
        axes.legend(handles=[self._curves.circles], frameon=False, loc="upper left")
        axes.minorticks_off()
        # Laid out once, with room for the longest texts.
        axes.set_title(" ", loc="left")
        self._scale(2000)
        points = (np.array([20, 1000]), np.array([0.5, 0.5]))
        self._curves.show([(name, *points) for name in ("LRU", "FIFO", "W-TinyLFU", NAMES["opt"])])
        freeze(self.figure)

    def _scale(self, n: int) -> None:
        self._axes.set_xlim(0.0095 * n, 0.53 * n)
        self._axes.set_xticks([n * share for share in _TICKS])

    def draw(self, settings: Eviction, outcome: Outcome) -> Findings:
        """Show a result."""
        policy, size = settings.policy, settings.size
        self._scale(settings.n)
        chosen = "" if policy in ("lru", "fifo") else policy
        nothing = ("", np.array([]), np.array([]))
        self._curves.show(
            [
                (NAMES[name], *_columns(outcome.curves[name])) if name else nothing
                for name in ("lru", "fifo", chosen, "opt")
            ]
        )
        sizes = [round(settings.n * share) for share in _TICKS]
        popularity = settings.popularity
        self._curves.theory([by_size(theory, popularity, sizes) for theory in (che_lru_hit_ratio, che_fifo_hit_ratio)])
        hit_ratio = outcome.at(policy, size)
        self._line.set_xdata([size, size])
        self._mark.set_data([size], [hit_ratio])
        title = _title(settings, outcome)
        self._axes.set_title(title, loc="left", weight="bold", x=-0.08)
        return Findings(
            sentence=f"{title}; the bound is {_percent(outcome.at('opt', size))}.",
            alt=_alt(settings, outcome),
            numbers=_numbers(settings, outcome),
            note=_note(outcome),
        )


def by_size(
    theory: Callable[[Sequence[float], int], float], popularity: Sequence[float], sizes: Sequence[int]
) -> pd.Series[float]:
    """What a theory says of caches of these sizes."""
    return pd.Series({size: theory(popularity, size) for size in sizes})


def _columns(curve: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return curve["size"].to_numpy(), curve["hit_ratio"].to_numpy()


def _percent(share: float) -> str:
    """As precise as it is worth reading.

    >>> _percent(0.4416)
    '44.2 %'
    """
    return f"{100 * share:.1f} %"


def _title(settings: Eviction, outcome: Outcome) -> str:
    """What the chosen cache gives, and what LRU would need for as much, or would give with more."""
    hit_ratio = outcome.at(settings.policy, settings.size)
    head = f"{NAMES[settings.policy]} with {settings.size:,} of {settings.n:,} keys hits {_percent(hit_ratio)}"
    lru = outcome.curves["lru"]
    if settings.policy == "lru":
        return f"{head}, with half as many {_percent(outcome.at('lru', settings.size // 2))}"
    enough = lru[lru["hit_ratio"] >= hit_ratio]["size"]
    needed = f"{enough.iloc[0]:,}" if len(enough) else f"over {lru['size'].iloc[-1]:,}"
    return f"{head}, as LRU does with {needed}"


def _alt(settings: Eviction, outcome: Outcome) -> str:
    """What the curves do, for those who do not see them."""
    ends = [
        f"{NAMES[policy]} {100 * curve['hit_ratio'].iloc[0]:.0f} to {100 * curve['hit_ratio'].iloc[-1]:.0f} %"
        for policy, curve in outcome.curves.items()
    ]
    return (
        f"Hit ratio by size, {settings.n // 100} to {settings.n // 2:,} entries: {', '.join(ends)}; theory lies on LRU "
        f"and FIFO. {_title(settings, outcome)}."
    )


def _numbers(settings: Eviction, outcome: Outcome) -> list[Number]:
    size, popularity = settings.size, settings.popularity

    def number(policy: str, expected: float, approximation: float) -> Number:
        error = _DEPENDENCE * sqrt(expected * (1 - expected) / outcome.requests)
        name = f"Hit ratio, {NAMES[policy]}"
        return Number(name, outcome.at(policy, size), "%", expected, error, approximation)

    rows = {
        "lru": number("lru", che_lru_hit_ratio(popularity, size), 0.1 / size),
        "fifo": number("fifo", che_fifo_hit_ratio(popularity, size), 0.2 / size),
    }
    for policy in (settings.policy, "opt"):
        rows.setdefault(policy, Number(f"Hit ratio, {NAMES[policy]}", outcome.at(policy, size), "%"))
    return [rows[policy] for policy in dict.fromkeys((settings.policy, *rows))]


def _note(outcome: Outcome) -> str:
    return (
        f"From {outcome.requests:,} requests for each point, after as many that fill the caches: the first requests of "
        f"the keys are not in it. Theory: Che's approximation, of LRU and of FIFO. The scenario file replays "
        f"{min(outcome.requests, _LONGEST):,} requests, event by event."
    )


def explore(run: Run[Eviction, Outcome] = replayed) -> Explorer[Eviction, Outcome]:
    """The explorer of eviction; `run` replays."""
    return Explorer(Eviction, _Picture, run, moving=20_000, resting=200_000)
