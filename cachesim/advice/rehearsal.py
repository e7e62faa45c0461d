"""A scenario filled in from a log, and what it must give to be like it.

It rehearses the beginning of the log: as many reads at their mean rate. Its keys are drawn from a Zipf law, if such
keys make the recommended cache hit about as often; else they are the log's own, one after another.
"""

from __future__ import annotations

from itertools import islice
from math import floor, isnan
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cachesim.advice.caches import lru_kernel
from cachesim.advice.judging import Recommendation
from cachesim.advice.observing import Beginning, Observed
from cachesim.advice.popularity import fitted_zipf
from cachesim.curves.chunks import Chunk
from cachesim.scenario import Pattern, Scenario
from cachesim.world.arrivals import Poisson
from cachesim.world.database import Database
from cachesim.world.keys import Recorded, Zipf
from cachesim.world.latency import Constant, Latency, LogNormal

__all__ = ["ASSUMED_LATENCY", "TOLERANCE", "Rehearsal", "rehearse"]

ASSUMED_LATENCY = 0.05
"""Seconds for a query, where the log tells no request times."""

TOLERANCE = 0.02
"""How far the hit ratio of drawn keys may be from that of the log's."""


class Rehearsal(NamedTuple):
    """A scenario, and how it was filled in."""

    scenario: Scenario
    zipf: Zipf
    """The law that fits best, whether it is good enough or not."""

    zipf_hit_ratio: float
    """With keys drawn from it."""

    hit_ratio: float
    """With the log's own keys, over the same part of the stream."""

    margin: float
    """How much less than that the scenario may give; NaN for a log too short for an interval, which expects nothing."""

    @property
    def drawn(self) -> bool:
        """Whether the scenario's keys are drawn from the law."""
        return isinstance(self.scenario.keys, Zipf)


def rehearse(observed: Observed, recommended: Recommendation, *, replayable: bool) -> Rehearsal:
    """The scenario. `replayable`: whether `keys.Recorded` reads the file as it was read here."""
    beginning = observed.beginning
    rate = beginning.reads / beginning.seconds
    zipf = fitted_zipf(observed.counts)
    drawn = _hit_ratio(zipf, recommended, rate, beginning.reads, beginning.cold)
    found, half_width = beginning.hit_ratio(recommended.cell)
    latency = _latency(observed)
    margin = TOLERANCE + half_width + _waiting(beginning, recommended, found, latency.mean)
    margin += observed.lost_to_writes * (1 + rate * latency.mean * _same_key(observed))
    fits = abs(drawn - found) <= TOLERANCE or not replayable
    options = {"size": recommended.size, "policy": recommended.policy} if recommended.size else {}
    writes = observed.writes_read / (observed.reads + observed.writes_read)
    scenario = Scenario(
        title=f"{Path(observed.path).name}: {recommended.pattern}",
        arrivals=Poisson(rate=_rounded(rate / (1 - writes))),
        keys=zipf if fits else Recorded(path=str(Path(observed.path).resolve())),
        cache=Pattern(recommended.pattern, ttl=recommended.ttl, **options),
        database=Database(latency=latency),
        writes=_rounded(writes),
        duration=_rounded(beginning.seconds),
        warmup=_rounded(beginning.seconds * beginning.cold / beginning.reads),
        expect={} if isnan(margin) else {"hit_ratio": f">= {max(0.0, floor(100 * (found - margin)) / 100):g}"},
    )
    return Rehearsal(scenario, zipf, drawn, found, margin)


def _hit_ratio(zipf: Zipf, recommended: Recommendation, rate: float, reads: int, cold: int) -> float:
    """Of the recommended cache with keys drawn from the law, after the cold reads at the start."""
    keys, times = np.random.default_rng(1).spawn(2)
    ids, numbers = np.fromiter(islice(zipf.numbers(keys), reads), np.int32, reads), np.arange(zipf.n, dtype=np.uint64)
    moments = np.cumsum(times.standard_exponential(reads)) / rate
    cache = lru_kernel(recommended.cell)

    def misses(start: int, end: int) -> int:
        chunk = Chunk(ids[start:end], zipf.n, lambda: numbers, moments[start:end])
        return int(np.sum(cache.run(chunk)))

    misses(0, cold)
    return 1 - misses(cold, reads) / (reads - cold)


def _waiting(beginning: Beginning, recommended: Recommendation, hit_ratio: float, latency: float) -> float:
    """The share of the reads that find their key being loaded, at most: they wait, and are no hits.

    A load of a key makes those wait that come while it lasts. The loads of one key are a lifetime apart or, where keys
    are evicted, about as long as it takes to load as many as there is room for.
    """
    rate = beginning.reads / beginning.seconds
    evicted = rate * (1 - hit_ratio) / recommended.size if recommended.size else 0.0
    return latency * (1 / beginning.seconds + 1 / recommended.ttl + evicted)


def _same_key(observed: Observed) -> float:
    """The chance that two reads are of one key."""
    shares = observed.counts / observed.reads
    return float(shares @ shares)


def _latency(observed: Observed) -> Latency:
    """What the log's requests took, as a log-normal law: request times have long tails."""
    times = observed.request_times[observed.request_times > 0]
    if len(times) < 2 or not times.std():
        return Constant(ASSUMED_LATENCY)
    mean = float(times.mean())
    return LogNormal(_rounded(mean), cv=_rounded(float(times.std()) / mean))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
