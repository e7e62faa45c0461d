"""A metastable failure: an outage is over, and yet nobody is served, because everybody asks again.

λ requests/s, a database that does C queries/s, clients who wait τ seconds and then ask again, up to r times. An outage
leaves a queue. While the wait is longer than τ every attempt is given up before it is answered, so the database is
asked λ(1 + r) queries/s, all of them worked off in vain. Above C the queue only grows; below it heals.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots.colours import BLUE, DARK_VERMILION, GREY, VERMILION
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.theory import healing_request_rate, storm_probability, stuck_query_rate
from cachesim.world import arrivals, faults, keys, latency
from cachesim.world.clients import Clients
from cachesim.world.database import Database

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CAPACITY", "Metastable", "explore"]

_CONNECTIONS, _SERVICE = 3, 0.2
CAPACITY = _CONNECTIONS / _SERVICE
"""Queries per second that the database does."""
_START, _WINDOW, _LAST = 6.0, 40.0, 10.0
"""Seconds: when the outage begins, what the picture shows, and the end of a run, by which its fate is told."""
_LONGEST = 240.0
_BIN = 2.0
_CERTAIN = 1e-3
"""A storm that theory thinks less likely than this is not expected."""
_ENOUGH = 10.0
"""Seconds that a storm must last for its rate of queries to be a mean."""
_LIMITS = (25, 40, 55, 70)

Results = dict[str, Result]


@dataclass(frozen=True)
class Metastable:
    """Where the controls stand: λ in requests/s, τ and the outage in seconds."""

    rate: float = slider("Request rate λ", "requests/s", 3, 11, 1, start=10.0)
    retries: int = slider("Retries r", "", 0, 2, 1, start=1)
    timeout: float = slider("Time-out τ", "s", 1, 3, 0.5, start=1.0)
    outage: float = slider("Length of the outage", "s", 0, 10, 2, start=8.0)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """No cache: clients, and a database with three connections that stands still for a while."""
        down = [faults.DatabaseDown(start=_START, duration=self.outage)] if self.outage else []
        scenario = Scenario(
            title="An outage, and everybody asks again",
            arrivals=arrivals.Poisson(rate=self.rate),
            keys=keys.OneKey(),
            cache=Pattern("none"),
            database=Database(latency=latency.Constant(_SERVICE), connections=_CONNECTIONS),
            clients=Clients(timeout=self.timeout, retries=self.retries),
            faults=down,
            duration=min(max(_WINDOW, round(requests / self.rate)), _LONGEST),
            seed=self.seed,
        )
        return {"no cache": scenario}

    @property
    def end(self) -> float:
        """When the outage is over (s)."""
        return _START + self.outage

    @property
    def asked_when_stuck(self) -> float:
        """Queries per second while every attempt times out."""
        return stuck_query_rate(self.rate, self.retries)

    @property
    def healing(self) -> float:
        """Requests per second below which a storm heals."""
        return healing_request_rate(CAPACITY, self.retries)

    def stuck(self, time: float) -> float:
        """Probability, by theory, that the storm has lasted until then (s)."""
        database = {"capacity": CAPACITY, "service_time": _SERVICE}
        return storm_probability(self.rate, self.retries, self.timeout, self.outage, **database, time=time - self.end)


class _Work(NamedTuple):
    """What the database did: times in seconds at which queries were asked, answered in time, and answered in vain."""

    asked: NDArray[np.float64]
    useful: NDArray[np.float64]
    wasted: NDArray[np.float64]

    @classmethod
    def of(cls, settings: Metastable, result: Result) -> _Work:
        loads = result.loads
        start, end = loads["start"].to_numpy(), loads["end"].to_numpy()
        done = ~np.isnan(end)
        useful = done & (end - start <= settings.timeout)
        return cls(np.sort(start), end[useful], end[done & ~useful])


class _Picture:
    """Above: queries asked and done, with the capacity. Below: the share of the requests that fail."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 420)
        above, below = self.figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        self._edges = np.arange(0, _WINDOW + _BIN, _BIN)
        flat = np.zeros(len(self._edges) - 1)
        self._done = above.stairs(flat, self._edges, fill=True, color=GREY, alpha=0.35)
        self._useful = above.stairs(flat, self._edges, fill=True, color=BLUE, alpha=0.75)
        self._asked = above.stairs(flat, self._edges, baseline=None, color=VERMILION, linewidth=1.8)
        self._failed = below.stairs(flat, self._edges, fill=True, color=VERMILION, alpha=0.6)
        above.axhline(CAPACITY, color="black", linestyle=(0, (5, 3)), linewidth=1.2)
        beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        above.annotate(f"capacity\nC = {CAPACITY:g}", (1, CAPACITY), (6, 0), **beside)
        self._shades = [
            axes.axvspan(_START, _START + 1, color="black", alpha=0.12, linewidth=0, zorder=0)
            for axes in (above, below)
        ]
        self._outage = above.text(_START, 0.97, "", transform=above.get_xaxis_transform(), va="top", size=8.5)
        self._above = above
        above.set(ylabel="queries/s", ylim=(0, _LIMITS[-1]), title=" ", xlim=(0, _WINDOW))
        below.set(ylabel="requests\nthat fail", xlabel="time (s)", ylim=(0, 1.05))
        below.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        names = {"asked": VERMILION, "done, too late": GREY, "done in time": BLUE}
        for place, (name, colour) in enumerate(names.items()):
            dark = DARK_VERMILION if colour == VERMILION else colour
            below.text(1.01, 0.98 - 0.28 * place, f"■ {name}", transform=below.transAxes, color=dark, va="top", size=9)
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
        self.figure.align_ylabels()
        freeze(self.figure)

    def draw(self, settings: Metastable, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        work = _Work.of(settings, result)
        useful, wasted, asked = (self._per_second(times) for times in (work.useful, work.wasted, work.asked))
        for stairs, heights in ((self._useful, useful), (self._done, useful + wasted), (self._asked, asked)):
            stairs.set_data(heights)
        self._failed.set_data(self._failing(result))
        for shade in self._shades:
            shade.set(width=settings.outage)
        self._outage.set(text=f"outage,\n{settings.outage:g} s" if settings.outage else "no outage", x=_START + 0.3)
        self._above.set_ylim(0, next(limit for limit in _LIMITS if limit > asked.max()))
        title = _finding(settings, result)
        self._above.set_title(title, loc="left", weight="bold")
        return Findings(
            sentence=f"{title}. {_theory(settings)}",
            alt=f"The work of a database that can do {CAPACITY:g} queries/s, during {_WINDOW:g} s with an outage of "
            f"{settings.outage:g} s: {asked[:3].mean():.1f} queries/s are asked at first, {asked[-5:].mean():.1f} at "
            f"the end, and {useful[-5:].mean():.1f} are done in time then. {title}.",
            numbers=_numbers(settings, result, work),
            note=_note(settings, result),
        )

    def _per_second(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.histogram(times, self._edges)[0] / _BIN

    def _failing(self, result: Result) -> NDArray[np.float64]:
        """The share of errors among the requests that arrive in each bin."""
        requests = result.requests
        times, errors = requests["time"].to_numpy(), (requests["outcome"] == "error").to_numpy()
        arrived = np.histogram(times, self._edges)[0]
        shares: NDArray[np.float64] = np.histogram(times[errors], self._edges)[0] / np.maximum(arrived, 1)
        return shares


def _answered(result: Result) -> float:
    """The share of the requests of the last seconds that were answered."""
    requests = result.requests
    return float((requests["outcome"][requests["time"] >= result.duration - _LAST] != "error").mean())


def _healed(settings: Metastable, result: Result) -> float:
    """When, after the outage, a query was first asked that was answered in time; infinity: never."""
    loads = result.loads
    in_time = (loads["start"] >= settings.end) & (loads["end"] - loads["start"] <= settings.timeout)
    return float(loads["start"][in_time].min()) if in_time.any() else np.inf


def _finding(settings: Metastable, result: Result) -> str:
    healed = _healed(settings, result)
    if healed > result.duration:
        return f"Stuck: {result.duration - settings.end:.0f} s after the outage nobody is served"
    if healed < result.duration - _LAST and _answered(result) < 0.5:
        return "Overrun, though nothing is broken any more"
    if not settings.outage:
        return f"Without an outage all goes well at {settings.rate:g} requests/s"
    return f"Healed: {healed - settings.end:.3g} s after the outage queries are answered in time"


def _theory(settings: Metastable) -> str:
    asked, safe = settings.asked_when_stuck, f"below {settings.healing:.3g} requests/s it heals"
    if asked > CAPACITY:
        return f"A storm asks λ(1 + r) = {asked:g} queries/s of {CAPACITY:g}, so it never ends; {safe}."
    return f"Even a storm asks only λ(1 + r) = {asked:g} queries/s of {CAPACITY:g}: {safe}."


def _numbers(settings: Metastable, result: Result, work: _Work) -> list[Number]:
    storm = min(_healed(settings, result), result.duration) - settings.end
    asked = ((work.asked >= settings.end) & (work.asked < settings.end + storm)).sum()
    counts = settings.outage >= settings.retries * settings.timeout and storm >= _ENOUGH
    # Each request is 1 + r queries, so that their number in t seconds has variance λ (1 + r)² t.
    error = (1 + settings.retries) * sqrt(settings.rate / max(storm, _ENOUGH))
    return [
        Number("Healing request rate", settings.healing, "1/s"),
        Number(
            "Queries asked in the storm",
            float(asked / storm) if counts else np.nan,
            "1/s",
            expected=settings.asked_when_stuck if counts else None,
            error=error,
        ),
        Number(
            f"Requests answered in the last {_LAST:g} s",
            _answered(result),
            "%",
            expected=_fate(settings, result.duration),
            approximation=0.05,
        ),
    ]


def _fate(settings: Metastable, duration: float) -> float | None:
    """The share of the last requests that theory expects to be answered: all, none, or nobody can tell."""
    if settings.stuck(duration - _LAST) < _CERTAIN:
        return 1.0
    return 0.0 if settings.stuck(duration) > 1 - _CERTAIN else None


def _note(settings: Metastable, result: Result) -> str:
    stuck = settings.stuck(result.duration)
    said = f"theory: stuck until then with a probability of {100 * stuck:.0f} %"
    return (
        f"From {result.metrics['requests']:,.0f} requests in {result.duration:g} s ({said}). The picture shows the "
        f"first {_WINDOW:g} s. A query is worked off even when its client has gone."
    )


def explore(run: Run[Metastable, Results] = simulated) -> Explorer[Metastable, Results]:
    """The explorer of a metastable failure; `run` simulates."""
    return Explorer(Metastable, _Picture, run, moving=400, resting=3_000)
