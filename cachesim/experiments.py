"""Many runs of a scenario, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from cachesim.estimates import Estimate, estimate
from cachesim.run_length import advice
from cachesim.scenario import Scenario
from cachesim.simulation import simulate
from cachesim.world.loop import SimulationError
from cachesim.world.nodes import Factory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Replications", "replicate", "seeds_of"]


@dataclass(frozen=True, eq=False)
class Replications:
    """Independent runs of one scenario: `frame` has one row a run, its seed first and then every metric.

    `advice`: whether they are long enough and enough of them, in sentences (see `cachesim.run_length`).
    """

    frame: pd.DataFrame
    advice: list[str]

    def mean(self, name: str) -> float:
        """The mean of a metric over the runs; NaN if any run has none. Raises `KeyError` for an unknown metric."""
        return self._estimate(name).mean

    def standard_error(self, name: str) -> float:
        """The standard error of that mean; NaN for a single run."""
        values = self._values(name)
        return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """The Student-t interval of the mean: (low, high); (NaN, NaN) for a single run, or if any run has none."""
        return self._estimate(name, confidence).interval

    def _estimate(self, name: str, confidence: float = 0.95) -> Estimate:
        return estimate(self._values(name), confidence)

    def _values(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if name not in self.frame:
            raise KeyError(f"unknown metric {name!r}; known: {', '.join(self.frame.columns[1:])}")
        return self.frame[name].to_numpy(dtype=np.float64)


def seeds_of(seed: int, n: int) -> list[int]:
    """The seeds of `n` independent runs: each is an ordinary seed, so that any run can be repeated alone.

    Those of fewer runs are the first of them.
    """
    return [int(child) for child in np.random.SeedSequence(seed).generate_state(n, np.uint32)]


def replicate(
    scenario: Scenario,
    n: int = 20,
    *,
    cache: Factory | None = None,
    progress: Callable[[int], None] | None = None,
) -> Replications:
    """Run a scenario `n` times with independent seeds made of its own; `progress` is told how many runs are done.

    Raises `ValueError` when `n` is below 1, and the `SimulationError` of a run that failed.
    """
    import pandas as pd

    if n < 1:
        raise ValueError(f"n: {n!r} is not allowed; 1 or more")
    rows, runs, measured = [], [], []
    for done, seed in enumerate(seeds_of(scenario.seed, n), start=1):
        result = simulate(scenario.replace(seed=seed), cache=cache, record="summary")
        for failure in result.failures:
            if isinstance(failure, SimulationError):
                raise failure
        rows.append({"seed": seed, **result.metrics})
        runs.append(result.metrics)
        measured.append(result.duration - result.warmup)
        if progress is not None:
            progress(done)
    return Replications(
        pd.DataFrame(rows), advice(runs, scenario, measured=fsum(measured) / n, own_cache=cache is not None)
    )
