"""Several caches under the same requests, and what makes them differ.

With *common random numbers* each cache meets, run by run, the same requests; only what the caches make of them differs.
The differences of a run are *paired*: what chance did to both falls out of them, so their interval is narrower than
that of two independent samples (A. M. Law, Simulation Modeling and Analysis, chapters 10 and 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cachesim.estimates import estimate
from cachesim.experiments import Replications, replicate
from cachesim.formatting import aligned, format_of, listed, plus_minus, seconds, unit_of
from cachesim.scenario import Pattern, Scenario
from cachesim.settings import ScenarioError, shown
from cachesim.world.loop import SimulationError
from cachesim.world.nodes import Factory

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Comparison", "compare"]

_TOLD = (
    *("hit_ratio", "stale_ratio", "delayed_hit_ratio", "error_ratio", "load_rate", "episode_size_mean"),
    *("largest_stampede", "peak_concurrent_loads", "database_utilization", "latency_mean", "latency_p99"),
    *("stale_reads", "staleness_max", "redis_round_trips", "bytes_sent"),
)
"""The metrics of the table, where they are neither 0 nor missing for every cache."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs of several caches under the same requests.

    `frame` has one row a run: cache (its name), seed, every metric; runs of one seed met the same requests. `advice`:
    whether the runs are long enough and enough of them, in sentences. `str()` of it is a table.
    """

    scenario: Scenario
    frame: pd.DataFrame
    advice: list[str]

    @property
    def caches(self) -> list[str]:
        """The names of the caches, in the order in which they were given."""
        return list(self.frame["cache"].unique())

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics."""
        return list(self.frame.columns[2:])

    def mean(self, name: str) -> pd.Series[float]:
        """The mean of a metric for each cache; NaN if any run has none. Raises `KeyError` for an unknown metric."""
        import pandas as pd

        return pd.Series({cache: estimate(self._values(cache, name)).mean for cache in self.caches}, name=name)

    def interval(self, name: str, confidence: float = 0.95) -> pd.DataFrame:
        """The Student-t interval of that mean: low and high for each cache; NaN for a single run."""
        import pandas as pd

        found = [estimate(self._values(cache, name), confidence).interval for cache in self.caches]
        return pd.DataFrame(found, index=pd.Index(self.caches), columns=["low", "high"])

    def differences(self, baseline: str | None = None, confidence: float = 0.95) -> pd.DataFrame:
        """How each other cache differs from the baseline (default: the first), by cache and metric.

        difference (the mean of cache - baseline over the runs), low and high (its paired Student-t interval), and
        variance_ratio: the variance of the paired difference by that of independent samples, so .1 means that pairing
        was worth ten times as many runs, and above 1 that it harmed. NaN: a run without the metric, a single run, or
        a ratio of nothing. Raises `ValueError` for an unknown baseline.
        """
        import pandas as pd

        first = self._baseline(baseline)
        rows = {}
        for cache in self.caches:
            if cache != first:
                for name in self.metrics:
                    rows[cache, name] = _difference(self._values(first, name), self._values(cache, name), confidence)
        columns = ["difference", "low", "high", "variance_ratio"]
        index = pd.MultiIndex.from_tuples(rows, names=["cache", "metric"])
        return pd.DataFrame(list(rows.values()), index=index, columns=columns)

    def plot(self, metric: str, *, confidence: float = 0.95, ax: Axes | None = None, title: str | None = None) -> Axes:
        """Draw a metric: for each cache the mean and its interval, and each run as a dot, joined by its seed."""
        from cachesim import plots

        intervals = self.interval(metric, confidence)
        intervals.insert(0, "mean", self.mean(metric))
        unit = unit_of(metric)
        label = f"{metric} ({unit})" if unit not in ("", "ratio") else metric
        if title is None:
            title = f"{metric} under the same requests: mean and {100 * confidence:g} % interval"
        runs = self.frame.pivot(index="seed", columns="cache", values=metric)[self.caches]
        return plots.comparison(runs, intervals, label=label, ax=ax, title=title)

    def text(self, baseline: str | None = None) -> str:
        """A table of the metrics that matter, and the advice."""
        first = self._baseline(baseline)
        return "\n".join(
            [
                *self._head(),
                "",
                *aligned(self._rows(first), "<<<"),
                "",
                f"Differences to {first} are paired, run by run, ± half the 95 % interval.",
                "* It excludes 0, as one in twenty does by chance alone.",
                "",
                "Long enough?",
                *listed(self.advice),
            ]
        )

    __str__ = text

    def _head(self) -> Iterator[str]:
        scenario, n = self.scenario, self.frame["seed"].nunique()
        if scenario.title:
            yield " ".join(scenario.title.split())
        length = "a recorded stream" if scenario.duration is None else f"{seconds(scenario.duration, 1.0)} each"
        warmup = f", the first {seconds(scenario.warmup, 1.0)} not measured" if scenario.warmup else ""
        runs = f"{n} run(s) of {length}{warmup}, seeds made of {scenario.seed}"
        yield f"{len(self.caches)} caches under the same requests, {runs}"

    def _rows(self, first: str) -> Iterator[tuple[str, str, str]]:
        """For each metric a line with its name, and one for each cache: name, mean, difference."""
        yield "", "mean", "difference"
        for name in filter(self._matters, _TOLD):
            yield name, "", ""
            base = self._values(first, name)
            for cache in self.caches:
                values = self._values(cache, name)
                found = plus_minus(format_of(name), *estimate(values))
                yield f"  {cache}", found, "" if cache == first else _told(name, values - base)

    def _matters(self, name: str) -> bool:
        return bool(np.nan_to_num(self.frame[name].to_numpy(dtype=np.float64)).any())

    def _baseline(self, name: str | None) -> str:
        if name is None:
            return self.caches[0]
        if name not in self.caches:
            raise ValueError(f"baseline: {name!r} is unknown; known: {', '.join(self.caches)}")
        return name

    def _values(self, cache: str, name: str) -> NDArray[np.float64]:
        if name not in self.metrics:
            raise KeyError(f"unknown metric {name!r}; known: {', '.join(self.metrics)}")
        return self.frame.loc[self.frame["cache"] == cache, name].to_numpy(dtype=np.float64)


def _difference(
    base: NDArray[np.float64], values: NDArray[np.float64], confidence: float
) -> tuple[float, float, float, float]:
    """Mean difference, low, high, and the ratio of variances."""
    found = estimate(values - base, confidence)
    low, high = found.interval
    if len(base) < 2:
        return found.mean, low, high, nan
    independent = float(base.var(ddof=1) + values.var(ddof=1))
    paired = float((values - base).var(ddof=1))
    return found.mean, low, high, paired / independent if independent else nan


def _told(name: str, differences: NDArray[np.float64]) -> str:
    """The mean difference with its sign, and half its interval; those of ratios in points of a hundred."""
    found = estimate(differences)
    text = plus_minus(format_of(name), *found).replace(" %", " points")
    return f"{'+' if found.mean > 0 else ''}{text}{' *' if found.excludes_zero else ''}"


def compare(
    scenario: Scenario,
    caches: Mapping[str, Pattern | Factory],
    *,
    n: int = 10,
    cache: Factory | None = None,
    progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Run a scenario `n` times with each of several caches: in each run all of them meet the same requests.

    `caches`: by name, patterns or factories (see `cachesim.world.caches`), of which the first is the baseline. `cache`:
    one more factory, under the name "cache". `progress` is told how many runs are done. Raises `ValueError` for fewer
    than two caches, for one that is neither, and when `n` is below 1; `SimulationError` that names a cache that failed.

    >>> import cachesim as cs
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Poisson(rate=100), keys=cs.keys.OneKey(), cache=cs.Pattern("none"),
    ...     database=cs.Database(latency=cs.latency.Constant(0.5)), duration=20,
    ... )
    >>> found = compare(scenario, {
    ...     "no protection": cs.Pattern("cache-aside", ttl=5, single_flight="none"),
    ...     "single flight": cs.Pattern("cache-aside", ttl=5),
    ... }, n=2)
    >>> float(found.mean("largest_stampede")["single flight"])
    1.0
    >>> bool(found.differences().loc[("single flight", "load_rate"), "difference"] < 0)
    True
    """
    import pandas as pd

    if n < 1:
        raise ValueError(f"n: {n!r} is not allowed; 1 or more")
    chosen = _chosen(caches, cache)
    found: dict[str, Replications] = {}
    for name, one in chosen.items():
        report = None if progress is None else _after(len(found) * n, progress)
        found[name] = _replicate(name, scenario, one, n, report)
    frame = pd.concat([runs.frame.assign(cache=name) for name, runs in found.items()], ignore_index=True)
    frame.insert(0, "cache", frame.pop("cache"))
    return Comparison(scenario, frame, _together({name: runs.advice for name, runs in found.items()}))


def _chosen(caches: Mapping[str, Pattern | Factory], cache: Factory | None) -> dict[str, Pattern | Factory]:
    chosen = dict(caches)
    if cache is not None:
        if "cache" in chosen:
            raise ValueError("cache: the name 'cache' is taken; it is that of the factory in cache=")
        chosen["cache"] = cache
    if len(chosen) < 2:
        raise ValueError(f"caches: {shown(list(chosen))} is not allowed; at least 2 are compared")
    for name, one in chosen.items():
        if not isinstance(one, Pattern) and not callable(one):
            raise ValueError(f"caches: {name!r} is {shown(one)}; a Pattern, or a factory, which is called with a node")
    return chosen


def _after(before: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda done: progress(before + done)


def _replicate(
    name: str, scenario: Scenario, cache: Any, n: int, progress: Callable[[int], None] | None
) -> Replications:
    try:
        if isinstance(cache, Pattern):
            return replicate(scenario.replace(cache=cache), n, progress=progress)
        return replicate(scenario, n, cache=cache, progress=progress)
    except ScenarioError:  # of a recorded stream: no cache's fault
        raise
    except Exception as error:
        raise SimulationError(f"the cache {name!r} failed; {type(error).__name__}: {error}") from error


def _together(advice: Mapping[str, list[str]]) -> list[str]:
    """Each sentence once, with the names of the caches that it is said of unless it is said of all."""
    said: dict[str, list[str]] = {}
    for cache, sentences in advice.items():
        for sentence in sentences:
            said.setdefault(sentence, []).append(cache)
    return [
        sentence if len(caches) == len(advice) else f"{', '.join(caches)}: {sentence}"
        for sentence, caches in said.items()
    ]
