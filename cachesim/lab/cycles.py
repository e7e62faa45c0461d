"""One key, cycle by cycle: how its reads divide into hits, delayed hits and misses, what theory says, and how far off.

A cycle lasts from a miss that finds neither a value nor a load to the next such miss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cachesim import theory
from cachesim.result import Result

__all__ = ["Cycles", "errors", "expected"]


@dataclass(frozen=True)
class Cycles:
    """How many whole cycles a run had, the shares of their reads, and the mean wait of these in seconds."""

    count: int
    shares: theory.Shares
    wait: float

    @classmethod
    def of(cls, result: Result) -> Cycles:
        """The whole cycles of a run whose loads all take the same time."""
        starts = np.sort(result.loads["start"].to_numpy())
        load_time = float((result.loads["end"] - result.loads["start"]).max())
        firsts = starts[np.append(True, np.diff(starts) > load_time)]
        reads = result.requests[result.requests["time"].between(firsts[0], firsts[-1], inclusive="left")]
        outcomes = reads["outcome"].value_counts(normalize=True)
        hit, delayed_hit, miss = (float(outcomes.get(name, 0.0)) for name in ("hit", "delayed_hit", "miss"))
        return cls(len(firsts) - 1, theory.Shares(hit, delayed_hit, miss), float(reads["latency"].mean()))


def expected(rate: float, load_time: float, ttl: float, *, single_flight: bool) -> tuple[theory.Shares, float]:
    """Shares of the reads, and their mean wait in seconds, as theory has them."""
    where = rate, load_time, ttl
    if single_flight:
        return theory.single_flight_shares(*where), theory.single_flight_wait(*where)
    miss = theory.unprotected_miss_ratio(*where)
    return theory.Shares(1 - miss, 0.0, miss), miss * load_time


def errors(
    rate: float, load_time: float, ttl: float, cycles: int, *, single_flight: bool
) -> tuple[theory.Shares, float]:
    """Standard errors of `expected` over so many cycles."""
    where = rate, load_time, ttl, cycles
    if single_flight:
        return theory.single_flight_share_errors(*where), theory.single_flight_wait_error(*where)
    miss = theory.unprotected_miss_ratio_error(*where)
    return theory.Shares(miss, 0.0, miss), miss * load_time
