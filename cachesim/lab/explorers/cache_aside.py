"""Cache-aside in front of a shop: what a lifetime does for hits and queries, and what writes do to both.

100 products of Zipf popularity, 10 requests/s, some of them writes, which delete the key. Two caches meet the same
requests, and both keep one load of a key at a time: the printed code stores whatever it has loaded; the pattern stores
only under a lease that a write takes away. The first serves rows that are older than what was committed when it was
asked: a load takes D s, and a write in that time makes its row an old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import fsum, sqrt
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cachesim import theory
from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots.along_lifetimes import DASHES, AlongLifetime
from cachesim.plots.colours import BLUE, GREY, VERMILION
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CacheAside", "explore"]

_PRODUCTS = 100
_RATE = 10.0
"""Requests per second, writes included."""
_LONGEST = 12.0
"""The longest lifetime, in seconds."""
_LIFETIMES = np.linspace(0.5, _LONGEST, 21)
_LIMITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Where the axis of stale reads may end: few enough that it rests while a slider moves."""
_FEWEST_LATE_FILLS = 5
"""In a run with fewer, its stale reads are not held against theory."""

Results = dict[str, Result]


@dataclass(frozen=True)
class CacheAside:
    """Where the controls stand: T and D in seconds."""

    ttl: float = slider("Lifetime T", "s", 1, _LONGEST, 1, start=10.0)
    skew: float = slider("Skew of popularity α", "", 0, 1.2, 0.1, start=0.8)
    writes: float = slider("Share of writes", "", 0, 0.5, 0.05, start=0.2)
    load_time: float = slider("Load time D", "s", 0.05, 1, 0.05, start=0.5)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """The pattern and the printed code under the same requests.

        After the start all keys expire in step: what is measured is a whole number of lifetimes, well after it.
        """
        duration = requests / 2 / _RATE
        lifetimes = int((duration - 1.3 * self.ttl) // self.ttl)
        scenario = Scenario(
            title="Cache-aside, with writes",
            arrivals=arrivals.Poisson(rate=_RATE),
            keys=keys.Zipf(n=_PRODUCTS, alpha=self.skew),
            cache=Pattern("cache-aside", ttl=self.ttl),
            database=Database(latency=latency.Constant(self.load_time)),
            writes=self.writes,
            duration=duration,
            warmup=duration - lifetimes * self.ttl,
            seed=self.seed,
        )
        printed = Pattern("pitfall:cache-aside", ttl=self.ttl, single_flight="process")
        return {"with leases": scenario, "printed code": scenario.replace(cache=printed)}


class _Expected(NamedTuple):
    """What a long run comes to, by theory; or how far one of a given length strays."""

    hit_ratio: float
    load_rate: float
    stale_ratio: float


@lru_cache(maxsize=1024)
def _popularity(skew: float) -> tuple[float, ...]:
    return tuple(float(share) for share in keys.Zipf(n=_PRODUCTS, alpha=skew).probabilities())


def _traffic(settings: CacheAside, ttl: float) -> list[tuple[float, float, float, float]]:
    """For each product the arguments of the closed forms: reads/s, load time, lifetime, writes/s."""
    reads, writes = _RATE * (1 - settings.writes), _RATE * settings.writes
    return [(reads * share, settings.load_time, ttl, writes * share) for share in _popularity(settings.skew)]


def _expected(settings: CacheAside, ttl: float) -> _Expected:
    """Hits and loads with leases, and stale reads of the printed code."""
    traffic, reads = _traffic(settings, ttl), _RATE * (1 - settings.writes)
    shares = [theory.leased_shares(*product) for product in traffic]
    return _Expected(
        hit_ratio=fsum(product[0] * share.hit for product, share in zip(traffic, shares, strict=True)) / reads,
        load_rate=fsum(product[0] * share.miss for product, share in zip(traffic, shares, strict=True)),
        stale_ratio=fsum(product[0] * theory.late_fill_stale_ratio(*product) for product in traffic) / reads,
    )


def _errors(settings: CacheAside, expected: _Expected, seconds: float) -> _Expected:
    """Standard errors of `expected` in a run of so many seconds: the products are independent of each other."""
    traffic, reads = _traffic(settings, settings.ttl), _RATE * (1 - settings.writes) * seconds
    hit = theory.Shares(1 - expected.hit_ratio, -expected.hit_ratio, -expected.hit_ratio)
    hits = fsum(theory.leased_variance(*product, hit) for product in traffic) * seconds
    loads = fsum(theory.leased_load_variance(*product, seconds) for product in traffic)
    stale = fsum(theory.late_fill_stale_variance(*product, expected.stale_ratio) for product in traffic) * seconds
    return _Expected(hit_ratio=sqrt(hits) / reads, load_rate=sqrt(loads) / seconds, stale_ratio=sqrt(stale) / reads)


def _late_fills(settings: CacheAside, seconds: float) -> float:
    """How many loads of the printed code a write overtakes in so many seconds."""
    traffic = _traffic(settings, settings.ttl)
    loads = (product[0] * theory.late_fill_shares(*product).miss for product in traffic)
    late = (theory.stale_fill_ratio(product[3], settings.load_time) for product in traffic)
    return seconds * fsum(map(mul, loads, late))


@lru_cache(maxsize=1024)
def _curves(settings: CacheAside) -> NDArray[np.float64]:
    """Theory along the lifetime: a row each for hits, loads and stale reads."""
    return np.array([_expected(settings, float(ttl)) for ttl in _LIFETIMES]).T


class _Picture:
    """Hits, queries and stale reads along the lifetime, by theory, and in this run."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 350)
        hits, queries, stale = self.figure.subplots(1, 3)
        self._hits = AlongLifetime(hits, color=BLUE, marker="o")
        self._queries = AlongLifetime(queries, color=BLUE, marker="o")
        self._printed = AlongLifetime(stale, color=VERMILION, marker="X")
        self._leased = AlongLifetime(stale, color=BLUE, marker="o")
        hits.set(ylabel="share of reads that hit", ylim=(0, 1), xlim=(0, _LONGEST + 0.5))
        queries.set(ylabel="queries for rows (1/s)", ylim=(0, _RATE), xlim=(0, _LONGEST + 0.5))
        stale.set(ylabel="share of reads that are stale", ylim=(0, _LIMITS[-1]), xlim=(0, _LONGEST + 0.5))
        for axes in (hits, stale):
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        stale.yaxis.set_major_locator(MaxNLocator(5))
        stale.yaxis.set_label_coords(-0.32, 0.5)  # else it moves with the width of the numbers
        marks = [Line2D([], [], color=GREY, linestyle=DASHES), self._printed.point, self._leased.point]
        names = ["theory", "this run, printed code", "this run, with leases"]
        self.figure.legend(marks, names, loc="outside lower left", ncols=3, frameon=False)
        # Laid out once, with room for the longest texts.
        self._title = self.figure.suptitle(" ", x=0.012, ha="left", weight="bold")
        freeze(self.figure)

    def draw(self, settings: CacheAside, outcome: Results) -> Findings:
        """Show a result."""
        leased, printed = outcome.values()
        expected = _expected(settings, settings.ttl)
        errors = _errors(settings, expected, leased.duration - leased.warmup)
        stale = _stale_ratio(printed)
        found = _Expected(leased.metrics["hit_ratio"], leased.metrics["load_rate"], stale)
        curves = _curves(replace(settings, ttl=_LONGEST, seed=1))
        panels = (self._hits, self._queries, self._printed)
        for panel, curve, value, error in zip(panels, curves, found, errors, strict=True):
            panel.show(_LIFETIMES, curve, at=settings.ttl, value=value, error=error)
        self._leased.show(_LIFETIMES, 0 * _LIFETIMES, at=settings.ttl, value=_stale_ratio(leased), error=0)
        highest = min(1.0, 1.1 * max(stale + 1.96 * errors.stale_ratio, curves[2].max()))
        self._printed.ax.set_ylim(0, next(limit for limit in _LIMITS if limit >= highest))
        title = f"{_percent(found.hit_ratio)} of reads hit; {_told(settings, stale)}"
        self._title.set_text(title)
        return Findings(
            sentence=f"{title}; theory says {_percent(expected.hit_ratio)} and {_percent(expected.stale_ratio)}.",
            alt=_alt(settings, curves, title),
            numbers=_numbers(settings, leased, printed, expected, errors),
            note=_note(settings, leased),
        )


def _stale_ratio(result: Result) -> float:
    return result.metrics["stale_reads"] / result.metrics["reads"]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _told(settings: CacheAside, stale: float) -> str:
    if settings.writes == 0:
        return "nothing is written, and nothing stale"
    return f"stale are {_percent(stale)} with the printed code, none with leases"


def _alt(settings: CacheAside, curves: NDArray[np.float64], title: str) -> str:
    (hits, queries, stale) = curves[:, [0, -1]]
    return (
        f"Three curves along the lifetime, {_LIFETIMES[0]:g} to {_LONGEST:g} s, each with a point at {settings.ttl:g} "
        f"s. Hits rise from {_percent(hits[0])} to {_percent(hits[1])}, queries fall from {queries[0]:.2g} to "
        f"{queries[1]:.2g} a second, stale reads of the printed code go from {_percent(stale[0])} to "
        f"{_percent(stale[1])}; with leases there are none. {title}."
    )


def _numbers(
    settings: CacheAside, leased: Result, printed: Result, expected: _Expected, errors: _Expected
) -> Sequence[Number]:
    # A few late fills, each with many stale reads or none, stray in a way that no standard error tells.
    enough = settings.writes == 0 or _late_fills(settings, leased.duration - leased.warmup) >= _FEWEST_LATE_FILLS
    stale = (expected.stale_ratio if enough else None, errors.stale_ratio)
    return [
        Number("Hit ratio, with leases", leased.metrics["hit_ratio"], "%", expected.hit_ratio, errors.hit_ratio),
        Number(
            "Queries for rows, with leases", leased.metrics["load_rate"], "/s", expected.load_rate, errors.load_rate
        ),
        Number("Stale reads, printed code", _stale_ratio(printed), "%", *stale),
        Number("Stale reads, with leases", _stale_ratio(leased), "%", 0.0),
        Number("Longest staleness, printed code", printed.metrics["staleness_max"], "s"),
    ]


def _note(settings: CacheAside, leased: Result) -> str:
    seconds = leased.duration - leased.warmup
    return (
        f"From two runs with the same {leased.metrics['requests']:,.0f} requests, in {seconds:,.0f} s after a warm-up "
        f"of {leased.warmup:g} s; {_PRODUCTS} products, {_RATE:g} requests/s. Bars: 95 % intervals. Theory expects "
        f"{_late_fills(settings, seconds):.2g} late fills here; with fewer than {_FEWEST_LATE_FILLS} it says nothing "
        "of the stale reads of one run."
    )


def explore(run: Run[CacheAside, Results] = simulated) -> Explorer[CacheAside, Results]:
    """The explorer of cache-aside; `run` simulates."""
    return Explorer(CacheAside, _Picture, run, moving=800)
