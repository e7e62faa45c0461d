"""One run of a sweep, wherever it is done: whatever goes wrong in it becomes its finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cachesim.messages import one_line, told
from cachesim.result import Result
from cachesim.scenario import Scenario
from cachesim.simulation import simulate
from cachesim.world.loop import SimulationError
from cachesim.world.nodes import Factory

__all__ = ["Cell", "Finding", "measure"]


@dataclass(frozen=True)
class Cell:
    """One run: a scenario with its seed, perhaps somebody's own cache, and the real time that it may take (s)."""

    scenario: Scenario
    cache: Factory | None = None
    time_limit: float | None = None


class Finding(NamedTuple):
    """What came out of a cell: its metrics, if it has any, and why it failed, empty if it did not."""

    metrics: dict[str, float] | None
    failure: str = ""


_OF_THE_EXPERIMENT = frozenset(
    ("DatabaseError", "ConnectionError", "TimeoutError", "LoadTimeout", "CancelledError", "no outcome in time")
)
"""Errors of callers that faults and time limits of the world make; any other is a fault of somebody's own cache."""


def measure(cell: Cell) -> Finding:
    """Run it."""
    try:
        result = simulate(cell.scenario, cache=cell.cache, record="summary", time_limit=cell.time_limit)
    except (Exception, SystemExit) as error:
        return Finding(None, one_line(told(error)))
    return Finding(result.metrics, one_line(_failure(result, own=cell.cache is not None)))


def _failure(result: Result, *, own: bool) -> str:
    for error in result.failures:
        if own or isinstance(error, SimulationError):
            return told(error)
    for kind, (number, message) in result.errors.items() if own else ():
        if kind not in _OF_THE_EXPERIMENT:
            return f"{number:,} request(s) failed with {kind}: {message}"
    return ""
