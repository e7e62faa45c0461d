"""`sweep`: every point of a design, some times each, on any executor; what is in the store already is not run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from math import nan
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cachesim.executors import Lost, outcomes
from cachesim.experiments import seeds_of
from cachesim.scenario import Scenario
from cachesim.settings import shown
from cachesim.sweeps.cells import Cell, Finding, measure
from cachesim.sweeps.designs import Point, points
from cachesim.sweeps.store import Key, Store
from cachesim.world.metrics import METRICS
from cachesim.world.nodes import Factory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sweep"]

_GRACE = 2.0
"""Seconds that a process has to end a cell itself when its time is up, before it is killed."""


class _Row(NamedTuple):
    point: Point
    key: Key


def sweep(
    scenario: Scenario,
    varied: Mapping[str, Any],
    *,
    replications: int = 5,
    draws: int | None = None,
    cache: Factory | None = None,
    cache_name: str = "",
    executor: Any = None,
    workers: int | None = None,
    store: str | Path | None = None,
    time_limit: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Run every point of a design `replications` times: a row a run, in the order of the design.

    - `varied`: for each field, by its dotted name, the values that it takes; every combination is a point. With `draws`
      so many points are drawn instead (a Latin hypercube), from lists and from ranges, `Between(low, high)`.
    - All points meet the same seeds, made of the scenario's own as in `replicate`.
    - `executor`: a `concurrent.futures.Executor`, or a `dask.distributed.Client`; it stays open. Default: `workers`
      processes of this machine, one a processor. Results are the same wherever they are made.
    - `store`: a file, made when missing, that keeps each run as soon as it is done. What is in it and did not fail is
      not run again: by the scenario's digest, the seed, `cache_name` and the version of cachesim.
    - `cache`: somebody's own cache in the place of the scenario's; with a store it needs a `cache_name`, another one
      whenever its code has changed.
    - `time_limit`: seconds of real time for a run. It is looked at between events; processes of this machine that do
      not even come that far are killed 2 s later.
    - `progress` is told how many runs are done.

    Columns: the varied fields, seed, failure (why the run failed; empty if it did not) and every metric (NaN if it
    failed before there were any). A run that fails never ends the sweep. Raises `ScenarioError` for a point that is no
    scenario, `ValueError` for a design that is none, `sweeps.store.StoreError` for a store that cannot be used, and
    `executors.WorkersError` when no process can be started.

    >>> import cachesim as cs
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Poisson(rate=100), keys=cs.keys.OneKey(), cache=cs.Pattern("cache-aside", ttl=10),
    ...     database=cs.Database(latency=cs.latency.Constant(0.5)), duration=20,
    ... )
    >>> with ThreadPoolExecutor(1) as pool:
    ...     frame = cs.sweep(scenario, {"cache.ttl": [5, 10]}, replications=2, executor=pool)
    >>> frame["cache.ttl"].tolist(), frame["loads"].tolist()
    ([5, 5, 10, 10], [4.0, 4.0, 2.0, 2.0])
    """
    if "seed" in varied:
        raise ValueError("seed: is not allowed; each point is run with as many seeds as there are replications")
    if "writes" in varied:
        raise ValueError("writes: is not allowed, as a metric has that name; vary writes.share")
    if replications < 1:
        raise ValueError(f"replications: {replications!r} is not allowed; 1 or more")
    if cache is not None and store is not None and not cache_name:
        raise ValueError("cache_name: missing; in a store, runs with a cache of your own are kept under a name for it")
    if cache is not None and executor is None:
        _require_sendable(cache)
    rows: list[_Row] = []
    scenarios: dict[Key, tuple[Scenario, int]] = {}
    for point in points(varied, draws=draws, seed=scenario.seed):
        at = scenario.replace(**point)
        digest = at.digest
        for seed in seeds_of(at.seed, replications):
            rows.append(_Row(point, Key(digest, cache_name, seed)))
            scenarios.setdefault(rows[-1].key, (at, seed))
    cells = {key: Cell(at.replace(seed=seed), cache, time_limit) for key, (at, seed) in scenarios.items()}
    with nullcontext() if store is None else Store(store) as kept:
        findings = {} if kept is None else _known(kept, cells)
        told = progress or (lambda done: None)
        told(len(findings))
        missing = {key: cell for key, cell in cells.items() if key not in findings}
        for key, finding in _found(missing, executor=executor, workers=workers, time_limit=time_limit):
            if kept is not None:
                kept.put(key, cells[key].scenario, finding)
            findings[key] = finding
            told(len(findings))
    return _frame(varied, rows, findings)


def _require_sendable(cache: Factory) -> None:
    """Worker processes import a factory by its name, so it has to have one that they find."""
    try:
        ForkingPickler.dumps(cache)
        findable = getattr(cache, "__module__", "") != "__main__" or hasattr(sys.modules["__main__"], "__file__")
    except Exception:  # what does not let itself be sent may raise anything
        findable = False
    if not findable:
        raise ValueError(
            f"cache: {shown(cache)} cannot be sent to another process; define it at the top of a module, or pass "
            "executor=ThreadPoolExecutor(1)"
        )


def _known(kept: Store, cells: Mapping[Key, Cell]) -> dict[Key, Finding]:
    """What is in the store, but for what failed: it is tried again."""
    found = {key: kept.get(key) for key in cells}
    return {key: finding for key, finding in found.items() if finding is not None and not finding.failure}


def _found(
    cells: Mapping[Key, Cell], *, executor: Any, workers: int | None, time_limit: float | None
) -> Iterator[tuple[Key, Finding]]:
    keys, killed_after = list(cells), None if time_limit is None else time_limit + _GRACE
    run = outcomes(measure, list(cells.values()), executor=executor, workers=workers, time_limit=killed_after)
    with closing(run):
        for number, found in run:
            yield keys[number], Finding(None, found.reason) if isinstance(found, Lost) else found


def _frame(varied: Mapping[str, Any], rows: Sequence[_Row], findings: Mapping[Key, Finding]) -> pd.DataFrame:
    import pandas as pd

    found = [findings[row.key] for row in rows]
    fields = {name: [_shown(row.point[name]) for row in rows] for name in varied}
    run = {"seed": [row.key.seed for row in rows], "failure": [finding.failure for finding in found]}
    metrics = {name: [nan if f.metrics is None else f.metrics[name] for f in found] for name in METRICS}
    return pd.DataFrame({**fields, **run, **metrics})


def _shown(value: Any) -> Any:
    """What stands in a column: a table, as a latency is, as text."""
    return value if isinstance(value, bool | int | float | str) else str(value)
