"""Nodes keep copies of a row that one of them writes: who tells the others, and what if nobody does?

Each of k nodes keeps the row in memory for up to T s, over a Redis that all share. A write deletes the row in Redis and
in the writer's memory, and is told to the others: not at all, by pub/sub, which may lose messages, or by a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd

from cachesim.lab.controls import choice, seed, slider
from cachesim.lab.explorer import Explorer, Findings, Run, simulated
from cachesim.lab.panel import Number
from cachesim.lab.picture import freeze, kept_figure
from cachesim.plots import NodeCopies
from cachesim.result import Result
from cachesim.scenario import Pattern, Scenario
from cachesim.theory import copy_times, stale_read_ratio, staleness_bound
from cachesim.world import keys, latency
from cachesim.world.arrivals import Poisson
from cachesim.world.database import Database
from cachesim.world.faults import MessageLoss
from cachesim.world.redis import Redis

__all__ = ["Invalidation", "copies_of", "explore", "writes_of"]

_REQUESTS, _WRITES = 20.0, 0.4
"""Reads and writes per second, of all nodes together; and how many of these write."""
_COMMIT, _ROUND_TRIP = 0.01, 0.001
"""How long the database takes, and how far away Redis is, in seconds."""
_TTL = 600.0
_SETTLED = 6.0
"""Seconds after which the empty caches of the start are forgotten: what is counted and shown begins here."""
_WINDOW = 18.0

Results = dict[str, Result]


@dataclass(frozen=True)
class Invalidation:
    """Where the controls stand: T in seconds, lost messages in percent."""

    nodes: int = slider("Nodes k", "", 3, 5, 1, start=4)
    l1_ttl: int = slider("Lifetime of a copy T", "s", 2, 6, 1, start=5)
    loss: int = slider("Lost messages", "%", 0, 50, 10, start=20)
    invalidation: str = choice("Who tells the others", ["pubsub", "stream", "none"])
    seed: int = seed()

    def scenarios(self, requests: int) -> dict[str, Scenario]:
        """One row; Redis keeps it until the next write."""
        scenario = Scenario(
            title="Copies in the memory of several nodes",
            arrivals=Poisson(rate=_REQUESTS),
            keys=keys.OneKey(),
            cache=Pattern("layered", ttl=_TTL, l1_ttl=float(self.l1_ttl), invalidation=self.invalidation),
            database=Database(latency=latency.Constant(_COMMIT)),
            redis=Redis(round_trip=_ROUND_TRIP),
            writes=_WRITES / _REQUESTS,
            nodes=self.nodes,
            faults=(MessageLoss(share=self.loss / 100),) if self.loss else (),
            duration=max(requests / _REQUESTS, _SETTLED + _WINDOW),
            seed=self.seed,
        )
        return {"layered": scenario}

    @property
    def missed(self) -> float:
        """Writes per second that a node does not hear of."""
        return (
            _WRITES
            * (self.nodes - 1)
            / self.nodes
            * {"none": 1.0, "pubsub": self.loss / 100, "stream": 0.0}[self.invalidation]
        )

    @property
    def delay(self) -> float:
        """Seconds from a commit until a node that hears of it does: one round trip for the writer, two for others."""
        own, heard = _WRITES / self.nodes, _WRITES - self.missed
        return _ROUND_TRIP * (2 - own / heard)

    @property
    def stale(self) -> float:
        """The share of reads that are stale, by theory."""
        return stale_read_ratio(self.reads, _WRITES - self.missed, self.missed, self.l1_ttl, self.delay)

    @property
    def reads(self) -> float:
        """Reads per second of one node."""
        return (_REQUESTS - _WRITES) / self.nodes

    def error(self, duration: float) -> float:
        """How far the share strays from theory in a run of so many seconds, as a standard error.

        A write that nobody is told of makes several copies stale at once, each for what is left of its life, which is
        about uniform. To that come the reads, which see a share of it.
        """
        times = copy_times(_WRITES - self.missed, self.missed, self.l1_ttl, self.delay)
        hit = self.missed / _WRITES * times.fresh / (times.held + 1 / self.reads)  # that a write makes a copy stale
        sampling = self.stale * (1 - self.stale) / (_REQUESTS * duration)
        if not hit:
            return sqrt(sampling)
        life = self.stale / (_WRITES * hit)
        square = self.nodes * hit * (4 / 3 + (self.nodes - 1) * hit) * life**2
        return sqrt(_WRITES * square / duration / self.nodes**2 + sampling)


def writes_of(result: Result) -> pd.DataFrame:
    """The writes of a run in order: node, and when each was committed (s), for scenarios of this explorer."""
    rows = result.requests
    rows = rows[rows["outcome"] == "write"]
    return pd.DataFrame({"node": rows["node"], "committed": rows["time"] + _COMMIT}).sort_values("committed")


def copies_of(result: Result) -> pd.DataFrame:
    """The copies in the memory of nodes: node, and when each was stored, became stale (NaN: never) and ended (s)."""
    entries = result.entries
    entries = entries[entries["place"].str.startswith("node")]
    committed = np.append(writes_of(result)["committed"].to_numpy(), np.inf)
    stored = entries["stored"].to_numpy()
    # Redis still has the old row for half a round trip after a commit, and it is on its way for another half.
    first = committed[np.searchsorted(committed, stored - _ROUND_TRIP)]
    ended = entries["ended"].fillna(result.duration).to_numpy()
    return pd.DataFrame(
        {
            "node": entries["place"].str.removeprefix("node ").astype(int),
            "stored": stored,
            "stale": np.where(first < ended, first, np.nan),
            "ended": ended,
        }
    )


class _Picture:
    """A row for each node: where it holds a copy, and where that is stale."""

    def __init__(self) -> None:
        self.figure = kept_figure(768, 320)
        self._copies = NodeCopies(self.figure.subplots())
        nothing = pd.DataFrame({"node": [0], "stored": [20.0], "stale": [30.0], "ended": [40.0], "committed": [30.0]})
        self._show(nothing, nothing, 5, "Pub/sub loses 50 % of messages: 88 % of reads are stale, by up to 10.0 s")
        freeze(self.figure)

    def _show(self, copies: pd.DataFrame, writes: pd.DataFrame, nodes: int, title: str) -> None:
        self._copies.show(copies, writes, nodes=nodes, start=_SETTLED, end=_SETTLED + _WINDOW, title=title)

    def draw(self, settings: Invalidation, outcome: Results) -> Findings:
        """Show a result."""
        (result,) = outcome.values()
        reads = result.requests
        reads = reads[(reads["outcome"] != "write") & (reads["time"] >= _SETTLED)]
        stale, longest = float((reads["version_lag"] > 0).mean()), float(reads["staleness"].max())
        copies, writes = copies_of(result), writes_of(result)
        found = f"{_percent(stale)} of reads are stale, by up to {_seconds(longest)}" if stale else "no read is stale"
        title = f"{_told(settings)}: {found}"
        self._show(copies, writes, settings.nodes, title)
        error = settings.error(result.duration - _SETTLED)
        return Findings(
            sentence=f"{title}; theory says {_percent(settings.stale)}, and {_bound(settings):.4g} s at most.",
            alt=f"{_shape(copies, writes, settings.nodes)} {title}.",
            numbers=[
                Number("Stale reads", stale, "%", settings.stale, error, approximation=0.01),
                Number("Longest out of date", longest, "s"),
                Number("Reads answered from memory", result.metrics["hit_ratio_l1"], "%"),
                Number("Commands to Redis for a read", result.metrics["redis_commands"] / result.metrics["reads"]),
            ],
            note=(
                f"From {len(reads):,} reads and {len(writes):,} writes, one every {1 / _WRITES:g} s, in "
                f"{result.duration:g} s. The first {_SETTLED:g} s do not count among the stale reads. A message takes "
                f"two round trips of {1000 * _ROUND_TRIP:g} ms."
            ),
        )


def _bound(settings: Invalidation) -> float:
    """How long a copy can be out of date, in seconds; the row is loaded and brought before its lifetime begins."""
    return staleness_bound(settings.l1_ttl, _COMMIT + _ROUND_TRIP)


def _told(settings: Invalidation) -> str:
    if settings.invalidation == "pubsub":
        return f"Pub/sub loses {settings.loss} % of messages" if settings.loss else "Pub/sub loses nothing"
    return "A stream loses nothing" if settings.invalidation == "stream" else "Nobody tells the others"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _seconds(time: float) -> str:
    return f"{1000 * time:.1f} ms" if time < 0.1 else f"{time:.1f} s"


def _shape(copies: pd.DataFrame, writes: pd.DataFrame, nodes: int) -> str:
    """What the window shows, for those who do not see it."""
    end = _SETTLED + _WINDOW
    written = int(writes["committed"].between(_SETTLED, end).sum())
    stale = copies[(copies["stale"] < end) & (copies["ended"] > np.fmax(copies["stale"] + 0.1, _SETTLED))]
    return (
        f"Copies of a row in {nodes} nodes during {_WINDOW:g} s with {written} writes: {len(stale)} of them are stale "
        f"for more than a tenth of a second."
    )


def explore(run: Run[Invalidation, Results] = simulated) -> Explorer[Invalidation, Results]:
    """The explorer of copies in several nodes; `run` simulates."""
    return Explorer(Invalidation, _Picture, run, moving=480, resting=8_000)
