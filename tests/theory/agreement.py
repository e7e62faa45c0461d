"""How a simulation is held against a closed form: within 4 standard errors, over independent runs or cycles.

A sample is of independent runs (`cs.replicate`), or of the cycles of one run: what happens after the last load of an
episode has been stored owes nothing to what happened before. The first so many cycles of a run that has more of them
are a sample without the bias of an end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cachesim as cs

ERRORS = 4

Sample = NDArray[np.float64]


def one_key(cache: cs.Pattern, *, rate: float, latency: float | cs.latency.Latency, **changes: Any) -> cs.Scenario:
    """Poisson requests for one key; a number stands for a constant load time."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=rate),
        keys=cs.keys.OneKey(),
        cache=cache,
        database=cs.Database(latency=cs.latency.Constant(latency) if isinstance(latency, float) else latency),
        seed=7,
    )
    return scenario.replace(**changes)


class Episodes(NamedTuple):
    """The episodes of one key in order: start of the first load and end of the last one (s), number of loads."""

    starts: Sample
    ends: Sample
    sizes: Sample

    @property
    def cycles(self) -> Sample:
        """From the start of each to that of the next."""
        return np.diff(self.starts)

    def first(self, n: int) -> Episodes:
        """The first `n`, of which the run must have more: the last may have been cut off."""
        assert len(self.sizes) > n
        return Episodes(*(part[:n] for part in self))


def episodes(loads: pd.DataFrame) -> Episodes:
    """The episodes in a table of the loads of one key."""
    loads = loads.fillna({"end": np.inf}).sort_values("start")
    starts, ends = loads.start.to_numpy(), loads.end.to_numpy()
    begins = np.flatnonzero(np.append(True, starts[1:] >= np.maximum.accumulate(ends)[:-1]))
    sizes = np.diff(np.append(begins, len(starts))).astype(np.float64)
    return Episodes(starts[begins], np.maximum.reduceat(ends, begins), sizes)


def assert_mean(sample: Sample, expected: float, what: str = "mean") -> None:
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / np.sqrt(len(sample))
    assert abs(mean - expected) <= ERRORS * error, f"{what}: {mean:.6g} +- {error:.2g} (1 s.e.), theory {expected:.6g}"


def assert_agrees(runs: cs.Replications, metric: str, expected: float) -> None:
    assert_mean(runs.frame[metric].to_numpy(dtype=np.float64), expected, metric)
