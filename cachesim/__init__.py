"""Caches under fire: see how they fail and which pattern prevents it, in simulated time.

Everything is imported when it is first used; `import cachesim` itself loads next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachesim import patterns
    from cachesim.advice import Advice, advise
    from cachesim.comparison import Comparison, compare
    from cachesim.curves.curve import HitRateCurve
    from cachesim.curves.many import MissingCurvesError, hit_rate_curves
    from cachesim.curves.measuring import hit_rate_curve
    from cachesim.curves.parts import LostPartError
    from cachesim.experiments import Replications, replicate
    from cachesim.races.finding import DivergedError, find_race
    from cachesim.races.race import Race
    from cachesim.result import Result
    from cachesim.scenario import Pattern, Scenario, load
    from cachesim.settings import ScenarioError
    from cachesim.simulation import simulate
    from cachesim.sweeps.designs import Between
    from cachesim.sweeps.sweeping import sweep
    from cachesim.traces.trace import Trace
    from cachesim.world import arrivals, faults, keys, latency
    from cachesim.world.clients import Clients
    from cachesim.world.database import Database, DatabaseError
    from cachesim.world.loop import DeadlockError, SimLoop, SimulationError
    from cachesim.world.nodes import Node
    from cachesim.world.redis import Redis
    from cachesim.world.writes import Writes

__all__ = [
    "Advice",
    "Between",
    "Clients",
    "Comparison",
    "Database",
    "DatabaseError",
    "DeadlockError",
    "DivergedError",
    "HitRateCurve",
    "LostPartError",
    "MissingCurvesError",
    "Node",
    "Pattern",
    "Race",
    "Redis",
    "Replications",
    "Result",
    "Scenario",
    "ScenarioError",
    "SimLoop",
    "SimulationError",
    "Trace",
    "Writes",
    "advise",
    "arrivals",
    "compare",
    "faults",
    "find_race",
    "hit_rate_curve",
    "hit_rate_curves",
    "keys",
    "latency",
    "load",
    "patterns",
    "replicate",
    "simulate",
    "sweep",
]

_MODULES = {
    "arrivals": "world.arrivals",
    "faults": "world.faults",
    "keys": "world.keys",
    "latency": "world.latency",
    "patterns": "patterns",
}
_NAMES = {
    "advice": ("Advice", "advise"),
    "comparison": ("Comparison", "compare"),
    "curves.curve": ("HitRateCurve",),
    "curves.many": ("MissingCurvesError", "hit_rate_curves"),
    "curves.measuring": ("hit_rate_curve",),
    "curves.parts": ("LostPartError",),
    "experiments": ("Replications", "replicate"),
    "races.finding": ("DivergedError", "find_race"),
    "races.race": ("Race",),
    "result": ("Result",),
    "scenario": ("Pattern", "Scenario", "load"),
    "settings": ("ScenarioError",),
    "simulation": ("simulate",),
    "sweeps.designs": ("Between",),
    "sweeps.sweeping": ("sweep",),
    "traces.trace": ("Trace",),
    "world.clients": ("Clients",),
    "world.database": ("Database", "DatabaseError"),
    "world.loop": ("DeadlockError", "SimLoop", "SimulationError"),
    "world.nodes": ("Node",),
    "world.redis": ("Redis",),
    "world.writes": ("Writes",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = import_module(f"cachesim.{_MODULES[name]}")
    elif name in _HOME:
        value = getattr(import_module(f"cachesim.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'cachesim' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
