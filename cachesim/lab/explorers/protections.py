"""One expiry under five caches: how many loads each lets through, who waits for them, and who is served what is old.

λ requests/s arrive as a Poisson process, spread evenly over the nodes; a load takes D s. Loads per expiry: 1 + λD with
no protection, one for each node that is asked in time with single flight in each process, one in the cluster; about e
with early recompute at β = 1, which needs no agreement, and before the expiry; and one with stale-while-revalidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim import theory
from cachesim.formatting import seconds
from cachesim.lab.controls import seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import Herd, Herds, in_flight
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.world import arrivals, keys, latency
from cachesim.world.database import Database

__all__ = ["CACHES", "Protections", "explore"]

_TTL = 5.0
"""The lifetime of the value in seconds: long enough for early recompute to come well before its end."""
_BEFORE, _AFTER = 3.0, 1.0
"""What the picture shows, in seconds before and after the expiry."""

CACHES = {
    "no protection": Pattern("cache-aside", ttl=_TTL, single_flight="none"),
    "single flight in each process": Pattern("cache-aside", ttl=_TTL, single_flight="process"),
    "single flight in the cluster": Pattern("cache-aside", ttl=_TTL, single_flight="cluster"),
    "early recompute": Pattern("early-recompute", ttl=_TTL, single_flight="none"),
    "stale while revalidate": Pattern(
        "stale-while-revalidate", fresh_for=_TTL, stale_for=_TTL, single_flight="cluster"
    ),
}
"""The protections, worst first: names and patterns."""

_UNPROTECTED, _PROCESS, _CLUSTER, _EARLY, _STALE = CACHES
_LINES = (
    "no protection",
    "single flight\nin each process",
    "single flight\nin the cluster",
    "early\nrecompute",
    "stale while\nrevalidate",
)
"""The same names on two lines."""

Results = dict[str, Result]


@dataclass(frozen=True)
class Protections:
    """Where the controls stand: λ in requests/s, D in seconds, the number of nodes."""

    rate: float = slider("Request rate λ", "requests/s", 20, 70, 5, start=70.0)
    load_time: float = slider("Load time D", "s", 0.05, 0.4, 0.05, start=0.4)
    nodes: int = slider("Nodes", "", 1, 8, 1, start=4)
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One key under each protection; the first load, of an empty cache, is not measured."""
        warmup = round(2 * self.load_time + 8 / self.rate, 3)
        shortest = 2 * self.load_time + _TTL + 0.1 + max(_AFTER, 2 * self.load_time)
        scenario = Scenario(
            title="One expiry, five protections",
            arrivals=arrivals.Poisson(rate=self.rate),
            keys=keys.OneKey(),
            cache=CACHES[_UNPROTECTED],
            database=Database(latency=latency.Constant(self.load_time)),
            nodes=self.nodes,
            duration=round(max(shortest, requests / len(CACHES) / self.rate), 3),
            warmup=warmup,
            seed=self.seed,
        )
        return {name: scenario.replace(cache=cache) for name, cache in CACHES.items()}


class _Expiries(NamedTuple):
    """What the expiries of one run sent to the database: the loads of each, in order."""

    starts: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, result: Result, load_time: float) -> _Expiries:
        """Loads that overlap belong to one expiry; the last one is left out if the run ends within its first load."""
        starts = np.sort(result.loads["start"].to_numpy())
        first = np.flatnonzero(np.diff(starts, prepend=-np.inf) >= load_time - 1e-9)
        sizes = np.diff(first, append=len(starts))
        whole = starts[first] <= result.duration - load_time
        return cls(starts[first][whole], sizes[whole])

    @property
    def mean(self) -> float:
        return float(self.sizes.mean())


class _Picture:
    """Requests in flight at the database around one expiry, a row for each protection."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 430)
        self._herds = Herds(self.figure.subplots(), _LINES, moment="the value expires")
        # Laid out once, with room for the longest texts.
        self._herds.ax.set_xlabel("time since the first request that finds the value expired (s)")
        still = (np.array([-_BEFORE]), np.array([0]))
        self._herds.show([Herd(*still, "88 loads", "p99 888.8 ms")] * len(CACHES), end=_AFTER, title=" ", limit=80)
        freeze(self.figure)

    def draw(self, settings: Protections, outcome: Results) -> Findings:
        """Show a result."""
        expiries = {name: _Expiries.of(result, settings.load_time) for name, result in outcome.items()}
        zero = {name: float(expiry.starts[0]) for name, expiry in expiries.items()}
        zero[_EARLY] = zero[_UNPROTECTED]  # both had the same first loads, and their values the same lifetime
        first = {name: int(expiry.sizes[0]) for name, expiry in expiries.items()}
        rows = [_row(result, first[name], zero[name]) for name, result in outcome.items()]
        title = (
            f"One expiry: {_loads(first[_UNPROTECTED])} without protection, "
            f"{first[_CLUSTER]} with single flight in the cluster"
        )
        mean = theory.stampede_size(settings.rate, settings.load_time)
        self._herds.show(rows, end=_AFTER, title=title, limit=mean + 2 * sqrt(mean - 1))
        early = zero[_EARLY] - float(expiries[_EARLY].starts[0])
        return Findings(
            sentence=f"{title}. Early recompute began {early:.2g} s before it, with {_loads(first[_EARLY])}.",
            alt=f"Requests in flight at the database from {_BEFORE:g} s before an expiry to {_AFTER:g} s after, a row "
            f"for each protection: {', '.join(f'{_loads(size)} with {name}' for name, size in first.items())}.",
            numbers=[*_sizes(settings, expiries), *_costs(settings, outcome)],
            note=_note(outcome, expiries),
        )


def _row(result: Result, size: int, zero: float) -> Herd:
    """The loads in flight around an expiry of so many loads at `zero`."""
    loads, wait = result.loads, float(f"{result.metrics['latency_p99']:.2g}")
    times, counts = in_flight(loads["start"] - zero, loads["end"] - zero, _AFTER, -_BEFORE)
    return Herd(times, counts, _loads(size), f"p99 {seconds(wait, wait)}")


def _loads(number: int) -> str:
    return "1 load" if number == 1 else f"{number} loads"


def _sizes(settings: Protections, expiries: dict[str, _Expiries]) -> list[Number]:
    """The mean number of loads per expiry, by protection, with what theory says and how far such means stray."""
    rate, load_time, nodes = settings.rate, settings.load_time, settings.nodes
    says = {
        _UNPROTECTED: (theory.stampede_size(rate, load_time), theory.stampede_variance(rate, load_time)),
        _PROCESS: (
            theory.single_flight_stampede_size(rate, load_time, nodes),
            theory.single_flight_stampede_variance(rate, load_time, nodes),
        ),
        _CLUSTER: (1.0, 0.0),
        _EARLY: (
            theory.early_recompute_stampede_size(rate, load_time),
            theory.early_recompute_stampede_variance(rate, load_time),
        ),
        _STALE: (1.0, 0.0),
    }
    return [
        Number(f"Loads per expiry, {name}", expiry.mean, expected=mean, error=sqrt(variance / len(expiry.sizes)))
        for (name, expiry), (mean, variance) in zip(expiries.items(), says.values(), strict=True)
    ]


def _costs(settings: Protections, outcome: Results) -> list[Number]:
    """Who waits, and who is served what is past its time."""
    stale, times = outcome[_STALE], (settings.rate, settings.load_time, _TTL, _TTL)
    cycles = max(1, round(stale.metrics["reads"] / (1 + settings.rate * (_TTL + settings.load_time))))
    return [
        *(Number(f"Latency p99, {name}", result.metrics["latency_p99"], "s") for name, result in outcome.items()),
        Number(
            f"Served past its lifetime, {_STALE}",
            stale.metrics["stale_ratio"],
            "%",
            expected=theory.revalidation_shares(*times).stale_hit,
            error=theory.revalidation_share_errors(*times, cycles).stale_hit,
        ),
    ]


def _note(outcome: Results, expiries: dict[str, _Expiries]) -> str:
    requests, seen = outcome[_UNPROTECTED].metrics["requests"], expiries[_UNPROTECTED]
    return (
        f"From the same {requests:,.0f} requests for each protection; expiries without protection: {len(seen.sizes)}. "
        f"The value lives {_TTL:g} s. The picture shows the first expiry, and beside each row its loads and the "
        "latency that 99 % of all requests stay below. Early recompute works without single flight here."
    )


def explore(run: Run[Protections, Results] = simulated) -> Explorer[Protections, Results]:
    """The explorer of the protections; `run` simulates."""
    return Explorer(Protections, _Picture, run, moving=2_400)
