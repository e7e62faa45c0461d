"""Early recompute: when are many keys loaded anew, seen from their expiry, and how many loads does each expiry cost?

Each key is asked λ times a second, a load takes δ s, and a reader with s seconds of lifetime left loads anew with
probability e^(-s / (βδ)). Nothing else keeps readers apart: no single flight, several nodes. The same requests meet the
same cache without early recompute.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log, log10, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from cachesim.formatting import seconds
from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import RecomputeInstants, recomputes
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.theory import (
    early_recompute_stampede_size,
    early_recompute_stampede_variance,
    early_recompute_start_rate,
    early_recompute_time_given_up,
    early_recompute_time_given_up_variance,
    no_early_recompute_probability,
    stampede_size,
)
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EarlyRecompute", "density", "explore"]

_KEYS = 8
_NODES = 4
_ENOUGH = 200
"""So many lifetimes of each key are enough for any number."""
_EARLY, _WITHOUT = "early recompute", "without"
_LIMITS = (1, 1.5, 2, 3, 4, 6, 8)
"""Where the time axis may begin and end, times a power of ten: few enough that it rests while a slider moves."""

Results = dict[str, Result]


@dataclass(frozen=True)
class EarlyRecompute:
    """Where the controls stand: λ in requests/s, δ in seconds."""

    beta: float = slider("Earliness β", "", 0.25, 1.5, 0.25, start=1.0)
    rate: float = slider("Request rate of a key λ", "requests/s", 2, 20, 2, start=16.0)
    load_time: float = slider("Load time δ", "s", 0.1, 0.5, 0.05, start=0.4)
    nodes: int = slider("Nodes", "", 1, _NODES, 1, start=4)
    seed: int = seed()

    @property
    def reads(self) -> float:
        """L = λβδ."""
        return self.rate * self.beta * self.load_time

    @property
    def ttl(self) -> float:
        """The lifetime in seconds, so long that the closed forms hold.

        A read just after the fill would recompute with a chance of less than e^-5, and all reads that come before a
        lifetime begins, in a life without end, are fewer than .007 on average.
        """
        return round(self.beta * self.load_time * (5 + max(0.0, log(self.reads))), 3)

    @property
    def _cycle(self) -> float:
        """Seconds that a key needs for a lifetime at most, on average: its first reader comes after the expiry."""
        return self.ttl + 2 * self.load_time + 1 / self.rate

    @property
    def _margin(self) -> float:
        """Seconds for filling the empty cache, and for keys whose first readers come late."""
        return 2 * self.load_time + 8 / self.rate

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """Some keys, each as popular as the others, with early recompute and without; as many connections as asked for.

        Every key lives through the same number of lifetimes, one at least.
        """
        wanted = int((requests / (2 * _KEYS * self.rate) - self._margin) / self._cycle)
        lifetimes = max(1, min(wanted, _ENOUGH))
        scenario = Scenario(
            title="Early recompute",
            arrivals=arrivals.Poisson(rate=_KEYS * self.rate),
            keys=keys.Uniform(n=_KEYS),
            cache=Pattern("early-recompute", ttl=self.ttl, beta=self.beta, single_flight="none"),
            database=Database(latency=latency.Constant(self.load_time)),
            nodes=self.nodes,
            duration=round(lifetimes * self._cycle + self._margin, 3),
            seed=self.seed,
        )
        without = scenario.replace(cache=Pattern("cache-aside", ttl=self.ttl, single_flight="none"))
        return {_EARLY: scenario, _WITHOUT: without}

    def lifetimes(self, duration: float) -> int:
        """How many lifetimes of each key a run of so many seconds is made for: those that are counted."""
        return round((duration - self._margin) / self._cycle)


class _Expiries(NamedTuple):
    """The loads of the lifetimes that are counted, `n` in all, and how early the first load of each was (s, or 0)."""

    loads: pd.DataFrame
    n: int
    given_up: NDArray[np.float64]

    @classmethod
    def of(cls, result: Result, settings: EarlyRecompute) -> _Expiries:
        found = recomputes(result.loads, ttl=settings.ttl)
        found = found[found["lifetime"] <= settings.lifetimes(result.duration)]
        lives, lates = found["lifetime"].to_numpy(), found["late"].to_numpy()
        keys = found["key"].to_numpy()
        firsts = np.append(True, (lives[1:] != lives[:-1]) | (keys[1:] != keys[:-1]))
        return cls(found, int(firsts.sum()), np.maximum(-lates[firsts], 0))

    @property
    def size(self) -> float:
        """Loads per expiry, mean."""
        return len(self.loads) / self.n


class _Picture:
    """When keys are recomputed, seen from their expiry, with early recompute and without."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 400)
        self._instants = RecomputeInstants(self.figure, panels=2, keys=_KEYS, nodes=_NODES)
        self._keys = keys.Uniform(n=_KEYS).population()
        # Laid out once, with room for the longest texts.
        self._title(" ")
        self._instants.window(-0.15, 0.15)
        nothing = pd.DataFrame({"key": ["0"], "node": [_NODES - 1], "late": [nan]})
        self._instants.show([nothing, nothing], self._keys, ["with β = 0.75:\n8.88 loads\nper expiry"] * 2)
        freeze(self.figure)

    def _title(self, text: str) -> None:
        self._instants.panels[0].set_title(text, loc="left", weight="bold", x=-0.17)

    def draw(self, settings: EarlyRecompute, outcome: Results) -> Findings:
        """Show a result."""
        early, without = (_Expiries.of(result, settings) for result in outcome.values())
        first = [found.loads[found.loads["lifetime"] == 1] for found in (early, without)]
        names = [f"with β = {settings.beta:g}:", "without:"]
        sizes = [f"{_brief(found.size)} loads\nper expiry" for found in (early, without)]
        start, end = -_limit(settings.ttl), _limit(settings.load_time + 2 / settings.rate)
        self._instants.window(start, end)
        self._instants.show(first, self._keys, list(map("{}\n{}".format, names, sizes)))
        self._instants.theory(
            [
                density(settings.rate, settings.load_time, beta=beta, start=start, end=end)
                for beta in (settings.beta, 0.0)
            ]
        )
        title = (
            f"Early recompute makes {_brief(early.size)} loads of {_brief(without.size)}, "
            f"the first {_seconds(early.given_up.mean())} before the expiry"
        )
        self._title(title)
        return Findings(
            sentence=f"{title}, on average; theory says {_theory(settings)}.",
            alt=_alt(*first),
            numbers=_numbers(settings, early, without),
            note=_note(settings, outcome, early.n),
        )


def density(
    rate: float, load_time: float, *, beta: float, start: float, end: float, points: int = 200
) -> pd.Series[float]:
    """How dense the loads of an expiry are, by the time from it, from `start` to `end` (s): shares that add up to 1.

    `beta` = 0: without early recompute.

    >>> dense = density(100, 0.5, beta=1, start=-10, end=1)
    >>> round(float(np.trapezoid(dense, dense.index)), 3)
    1.0
    """
    times = np.union1d(np.linspace(start, end, points), [-1e-9, 0.0])  # a wall stands upright
    size = early_recompute_stampede_size(rate, load_time, beta=beta) if beta else stampede_size(rate, load_time)
    return pd.Series(early_recompute_start_rate(-times, rate, load_time, beta=beta) / size, times)


def _limit(time: float) -> float:
    """The first of the allowed ends of the time axis that is not below so many seconds."""
    power = 10.0 ** floor(log10(time))
    return next((step * power for step in _LIMITS if step * power >= time), 10 * power)


def _brief(number: float) -> str:
    """A number of loads, as precise as it is worth reading.

    >>> _brief(1.24), _brief(10.6)
    ('1.2', '11')
    """
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"


def _seconds(time: float) -> str:
    """A time with two digits that count."""
    return seconds(rounded := float(f"{time:.2g}"), rounded)


def _theory(settings: EarlyRecompute) -> str:
    size = early_recompute_stampede_size(settings.rate, settings.load_time, beta=settings.beta)
    without = stampede_size(settings.rate, settings.load_time)
    given_up = early_recompute_time_given_up(settings.rate, settings.load_time, beta=settings.beta)
    return f"{size:.3g} of 1 + λδ = {without:.3g}, and {_seconds(given_up)}"


def _alt(early: pd.DataFrame, without: pd.DataFrame) -> str:
    """Where the marks are, for those who do not see them."""
    before = early[early["late"] < 0]["late"]
    first = f", the first {_seconds(-before.min())} early" if len(before) else ""
    return (
        f"Loads of {_KEYS} keys by the time from the key's expiry. With early recompute: {len(early)}, of which "
        f"{len(before)} before the expiry{first}. Without: {len(without)}, all within "
        f"{_seconds(without['late'].max())} after it."
    )


def _numbers(settings: EarlyRecompute, early: _Expiries, without: _Expiries) -> list[Number]:
    traffic, beta = (settings.rate, settings.load_time), settings.beta
    nobody = no_early_recompute_probability(*traffic, beta=beta)
    spread = early_recompute_stampede_variance(*traffic, beta=beta)
    given_up_spread = early_recompute_time_given_up_variance(*traffic, beta=beta)
    return [
        Number(
            "Loads per expiry, mean",
            early.size,
            expected=early_recompute_stampede_size(*traffic, beta=beta),
            error=sqrt(spread / early.n),
        ),
        Number(
            "The same without early recompute",
            without.size,
            expected=stampede_size(*traffic),
            error=sqrt((stampede_size(*traffic) - 1) / without.n),
        ),
        Number(
            "Lifetime given up, mean",
            float(early.given_up.mean()),
            "s",
            expected=early_recompute_time_given_up(*traffic, beta=beta),
            error=sqrt(given_up_spread / early.n),
        ),
        Number(
            "Expiries before which nobody was early",
            float((early.given_up == 0).mean()),
            "%",
            expected=nobody,
            error=max(sqrt(nobody * (1 - nobody) / early.n), 0.5 / early.n),  # a share of n has steps of 1 / n
        ),
    ]


def _note(settings: EarlyRecompute, outcome: Results, expiries: int) -> str:
    requests = sum(result.metrics["requests"] for result in outcome.values())
    return (
        f"From {requests:,.0f} requests, half of them with early recompute and the same without, and {expiries:,} "
        f"expiries of {_KEYS} keys that live {settings.ttl:g} s. The picture shows the first expiry of each key."
    )


def explore(run: Run[EarlyRecompute, Results] = simulated) -> Explorer[EarlyRecompute, Results]:
    """The explorer of early recompute; `run` simulates."""
    return Explorer(EarlyRecompute, _Picture, run)
