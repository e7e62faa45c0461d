"""Two servers write the same row: how often does the cache keep the older one, and how long is it behind?

Writes are Poisson of rate μ. Each is committed, and its message reaches the cache an exponential time of mean m later,
so that one may overtake another. The printed code keeps what comes last; set-if-newer compares versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd

from cachesim.estimates import estimate
from cachesim.lab.controls import seed, slider, switch
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import Illustration, freeze, kept_figure, plain_style
from cachesim.plots import WriteOrder, Writes, agreement
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.simulation import simulate
from cachesim.theory import ordered_behind_ratio, undone_write_ratio, unordered_behind_ratio
from cachesim.world import keys, latency
from cachesim.world.arrivals import Poisson
from cachesim.world.database import Database
from cachesim.world.redis import Redis

__all__ = ["WriteThrough", "explore", "undone_beside_theory", "writes_of"]

_REQUESTS = 12.0
"""Reads and writes per second."""
_COMMIT = 0.005
"""How long the database takes, in seconds: always the same, so that writes commit in the order in which they come."""
_TTL = 60.0
_SETTLED = 2.0
"""Seconds after which the empty cache of the start is forgotten: what is counted and shown begins here."""
_WINDOW = 6.0

Results = dict[str, Result]


@dataclass(frozen=True)
class WriteThrough:
    """Where the controls stand: μ in writes/s, m in ms."""

    write_rate: float = slider("Writes μ", "writes/s", 1, 5, 0.5, start=3.0)
    way: int = slider("Mean way m", "ms", 40, 240, 20, start=140)
    if_newer: bool = switch("Set if newer")
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One key, two servers; a message travels for half a round trip."""
        scenario = Scenario(
            title="Two servers write the same row",
            arrivals=Poisson(rate=_REQUESTS),
            keys=keys.OneKey(),
            cache=Pattern("write-through" if self.if_newer else "pitfall:write-through", ttl=_TTL),
            database=Database(latency=latency.Constant(_COMMIT)),
            redis=Redis(round_trip=latency.Exponential(round(self.way / 500, 6))),
            writes=round(self.write_rate / _REQUESTS, 6),
            nodes=2,
            duration=max(requests / _REQUESTS, _SETTLED + _WINDOW),
            seed=self.seed,
        )
        return {"set if newer" if self.if_newer else "printed code": scenario}

    @property
    def load(self) -> float:
        """How many messages are under way at any time, on average: μm."""
        return self.write_rate * self.way / 1000


def writes_of(result: Result) -> Writes:
    """When each write of a run was committed, when it reached Redis, and whether Redis kept it.

    For scenarios of this explorer: one key, a database that takes 5 ms, one round trip to Redis for each write.
    """
    rows = result.requests
    rows = rows[rows["outcome"] == "write"]
    committed = (rows["time"] + _COMMIT).to_numpy()
    arrived = committed + (rows["latency"] - _COMMIT).to_numpy() / 2
    entries = result.entries
    stored = np.sort(entries.loc[entries["place"] == "redis", "stored"].to_numpy())
    nearest = np.searchsorted(stored, arrived - 1e-9)
    taken = np.append(stored, np.inf)[nearest] < arrived + 1e-9
    return Writes.of(committed, arrived, taken)


class _Counts:
    """What became of the writes that were committed after the cache had settled."""

    def __init__(self, result: Result) -> None:
        self.writes = writes_of(result)
        counted = self.writes.committed >= _SETTLED
        self.number, self.undone = int(counted.sum()), int((self.writes.undone & counted).sum())
        edges, on_the_way, overwritten = self.writes.behind(_SETTLED, result.duration)
        shares = np.diff(edges) / (result.duration - _SETTLED)
        self.overwritten = float(shares[overwritten].sum())
        self.behind = float(shares[on_the_way].sum()) + self.overwritten


class _Picture:
    """Versions in database and cache over time; below, each write on its way from one to the other."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 400)
        self._order = WriteOrder(*self.figure.subplots(2, sharex=True, height_ratios=(2, 1)))
        # Laid out once, with room for the longest texts.
        self._show(Writes.of([3.0], [4.0], [True]), "Printed code: 88 % of writes undone by an older one", 40)
        freeze(self.figure)

    def _show(self, writes: Writes, title: str, limit: float) -> None:
        self._order.show(writes, start=_SETTLED, end=_SETTLED + _WINDOW, title=title, limit=limit)

    def draw(self, settings: WriteThrough, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        counts = _Counts(result)
        title = _title(settings, counts)
        self._show(counts.writes, title, 5 * np.ceil((1.35 * settings.write_rate * _WINDOW + 4) / 5))
        return Findings(
            sentence=f"{title}; theory says {_percent(_undone(settings))}.",
            alt=f"{_shape(counts.writes)} {title}.",
            numbers=_numbers(settings, result, counts),
            note=(
                f"From {counts.number:,} writes and {result.metrics['reads']:,.0f} reads in {result.duration:,.0f} s; "
                f"μm = {settings.load:.3g} writes are on their way at any time. The first {_SETTLED:g} s do not count. "
                f"The value lives {_TTL:g} s. A read is late as well: what came meanwhile it sees."
            ),
        )


def _title(settings: WriteThrough, counts: _Counts) -> str:
    if settings.if_newer:
        return f"Set if newer: {counts.undone or 'no'} write undone by an older one"
    return f"Printed code: {_percent(counts.undone / counts.number)} of writes undone by an older one"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _undone(settings: WriteThrough) -> float:
    return 0.0 if settings.if_newer else undone_write_ratio(settings.write_rate, settings.way / 1000)


def _shape(writes: Writes) -> str:
    """What the window shows, for those who do not see it."""
    end = _SETTLED + _WINDOW
    shown = (writes.committed >= _SETTLED) & (writes.committed < end)
    late, undone = int((shown & writes.late).sum()), int((shown & writes.undone).sum())
    edges, on_the_way, overwritten = writes.behind(_SETTLED, end)
    share = np.diff(edges)[on_the_way | overwritten].sum() / _WINDOW
    return (
        f"Versions of a row in database and cache during {_WINDOW:g} s, and each write on its way: of {shown.sum()} "
        f"writes {late} arrive late and {undone} are undone; the cache is behind for {_percent(share)} of the time."
    )


def _numbers(settings: WriteThrough, result: Result, counts: _Counts) -> list[Number]:
    rate, way, load = settings.write_rate, settings.way / 1000, settings.load
    undone = _undone(settings)
    # A message that comes late undoes all that overtook it, so that writes are undone together: about 1 + μm of them.
    undone_error = sqrt(undone * (1 - undone) * (1 + load) / counts.number)
    # From commit to commit the cache is behind for min(way, gap), or for all the gap where an older message comes last.
    ordered = ordered_behind_ratio(rate, way)
    behind = ordered if settings.if_newer else unordered_behind_ratio(rate, way)
    on_the_way, overwritten = 2 * load**2 / (1 + load) ** 3, 2 * undone * (1 - behind) ** 2
    behind_error = sqrt(((1 - undone) * on_the_way + overwritten) / counts.number)
    overwritten_error = sqrt(overwritten / counts.number)
    metrics = result.metrics
    return [
        Number("Writes undone by an older one", counts.undone / counts.number, "%", undone, undone_error),
        Number("Time the cache is behind", counts.behind, "%", behind, behind_error),
        Number("… because an older row came last", counts.overwritten, "%", behind - ordered, overwritten_error),
        Number("Stale reads", metrics["stale_reads"] / metrics["reads"], "%"),
        Number("Longest out of date", metrics["staleness_max"], "s"),
    ]


def undone_beside_theory(settings: Mapping[float, WriteThrough], *, requests: int = 3_000, n: int = 5) -> Illustration:
    """The share of writes that an older one undoes, by m (ms): runs with 95 % intervals, and what theory says."""
    shares = {}
    for way, setting in settings.items():
        (scenario,) = setting.scenarios(requests).values()
        runs = [_Counts(simulate(scenario.replace(seed=seed))) for seed in range(1, n + 1)]
        found = estimate([run.undone / run.number for run in runs])
        shares[way] = (100 * found.mean, *(100 * bound for bound in found.interval))
    points = pd.DataFrame(shares, index=["mean", "low", "high"]).T
    ways, rate = np.linspace(min(settings), max(settings), 100), next(iter(settings.values())).write_rate
    line = pd.Series([100 * undone_write_ratio(rate, way / 1000) for way in ways], ways)
    with plain_style():
        axes = agreement(points, line, xlabel="commit to cache, mean m (ms)", ylabel="writes undone (%)")
    told = ", ".join(f"{mean:.3g} at {way:g} ms" for way, mean in points["mean"].items())
    return Illustration(axes, f"Share of writes undone by an older one, in percent: {told}")


def explore(run: Run[WriteThrough, Results] = simulated) -> Explorer[WriteThrough, Results]:
    """The explorer of two servers that write one row; `run` simulates."""
    return Explorer(WriteThrough, _Picture, run, moving=1_500, resting=8_000)
