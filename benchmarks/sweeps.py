"""A sweep on two processes, against the same on one; on a local Dask cluster of two workers, against two processes.

Whole calls of `sweep`, 64 runs and more: the start of its processes included, that of the cluster not. Medians over
rounds, in which one follows the other.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from typing import Any

from distributed import Client, LocalCluster

import cachesim as cs
from cachesim.scenario import bundled

ROUNDS = 3
ONE, TWO, DASK = "1 process", "2 processes", "Dask, 2 workers"
SIZES = {"hot-key, 120 s": (120, 8), "hot-key, 30 s": (30, 32)}
"""For each sweep the simulated seconds of a run and the replications of its eight points."""
VARIED = {"cache.ttl": [2, 5, 10, 20], "cache.single_flight": ["none", "process"]}


def seconds(scenario: cs.Scenario, replications: int, place: dict[str, Any]) -> float:
    """How long the sweep takes there."""
    began = time.perf_counter()
    cs.sweep(scenario, VARIED, replications=replications, **place)
    return time.perf_counter() - began


def main() -> None:
    """Print a row for each sweep."""
    write = sys.stdout.write
    write(f"sweeps, Python {platform.python_version()}: s on {ONE}, {TWO}, {DASK}; ratios (asked: 0.6, 1.25)\n")
    hot_key = cs.load(bundled()["hot-key"])
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        for name, (duration, replications) in SIZES.items():
            scenario = hot_key.replace(duration=duration)
            places: dict[str, dict[str, Any]] = {ONE: {"workers": 1}, TWO: {"workers": 2}, DASK: {"executor": client}}
            seconds(scenario, 1, places[DASK])  # its workers import what they need
            taken: dict[str, list[float]] = {place: [] for place in places}
            for _ in range(ROUNDS):
                for place, options in places.items():
                    taken[place].append(seconds(scenario, replications, options))
            one, two, dask = (statistics.median(taken[place]) for place in (ONE, TWO, DASK))
            runs = f"{8 * replications} runs"
            write(f"  {name:15}{runs:>9}{one:7.1f}{two:7.1f}{dask:7.1f}   {two / one:.2f} {dask / two:.2f}\n")


if __name__ == "__main__":
    main()
