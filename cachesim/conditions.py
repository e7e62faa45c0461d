"""Caches under conditions that break them: calm, expiry, cancellation, a Redis outage and a deploy, in one table.

Each condition is a scenario made of another, whose own faults it replaces, so that each shows one trouble alone. Time
is counted in *lifetimes* of the scenario's cache. What is not about expiry is measured from 0.4 to 0.8 of the first
lifetime, when caches are warm and nothing has expired yet; expiry and cancellation from 0.4 to 4.4 lifetimes, in which
each value that is asked often expires four times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from cachesim.formatting import aligned, listed, number, seconds
from cachesim.messages import told
from cachesim.scenario import Pattern, Scenario
from cachesim.settings import ScenarioError
from cachesim.simulation import simulate
from cachesim.world.faults import Deploy, Fault, RedisDown
from cachesim.world.latency import as_latency
from cachesim.world.loop import SimulationError
from cachesim.world.metrics import METRICS
from cachesim.world.nodes import Factory, Node

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONDITIONS", "Cell", "Condition", "UnderConditions", "under_conditions"]

_WARM, _BEFORE_EXPIRY, _EXPIRED_OFTEN = 0.4, 0.8, 4.4
"""Lifetimes after which measuring begins and ends."""
_LIFETIMES = 5
"""How many a run is taken to have if the scenario's cache has none."""


@dataclass(frozen=True)
class Condition:
    """What happens to a cache: `about` says it in a sentence, and `of` makes a scenario, of known duration, so."""

    name: str
    about: str
    of: Callable[[Scenario], Scenario]


def _measured(scenario: Scenario, end: float, faults: Sequence[Fault] = (), **changes: Any) -> Scenario:
    """From `_WARM` to `end` lifetimes."""
    lifetime = _lifetime(scenario)
    times = {"warmup": _WARM * lifetime, "duration": end * lifetime}
    return scenario.replace(**times, faults=faults, expect={}, **changes)


def _lifetime(scenario: Scenario) -> float:
    """How long the scenario's cache keeps a value (s); at most its duration, so that no run is 5 times as long."""
    assert scenario.duration is not None
    options = scenario.cache.options
    lifetime: float = options.get("ttl") or options.get("fresh_for") or scenario.duration / _LIFETIMES
    return min(lifetime, scenario.duration)


def _calm(scenario: Scenario) -> Scenario:
    return _measured(scenario, _BEFORE_EXPIRY)


def _expiry(scenario: Scenario) -> Scenario:
    return _measured(scenario, _EXPIRED_OFTEN)


def _cancellation(scenario: Scenario) -> Scenario:
    """Where loads take no time nobody leaves."""
    load, round_trip = scenario.database.latency.mean, as_latency(scenario.redis.round_trip).mean
    patience = min(load / 2 + 2 * round_trip, scenario.clients.timeout or load + 2 * round_trip) or None
    clients = scenario.clients.table() | {"timeout": patience, "retries": 0, "disconnect": "cancel"}
    return _measured(scenario, _EXPIRED_OFTEN, clients=clients)


def _redis_outage(scenario: Scenario) -> Scenario:
    third = (_BEFORE_EXPIRY - _WARM) / 3 * _lifetime(scenario)
    start = _WARM * _lifetime(scenario) + third
    return _measured(scenario, _BEFORE_EXPIRY, [RedisDown(start=start, duration=third)])


def _deploy(scenario: Scenario) -> Scenario:
    tenth = (_BEFORE_EXPIRY - _WARM) / 10 * _lifetime(scenario)
    at = _WARM * _lifetime(scenario) + tenth
    return _measured(scenario, _BEFORE_EXPIRY, [Deploy(at=at, every=8 * tenth / scenario.nodes)])


CONDITIONS: Mapping[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition(
            "calm", "Nothing fails and nothing expires; what is loaded was written or never asked before.", _calm
        ),
        Condition("expiry", "Nothing fails; the lifetime ends four times.", _expiry),
        Condition(
            "cancellation",
            "As expiry, but clients wait half as long as a load takes and 2 round trips to Redis; then they leave, "
            "and the node cancels what it does for them.",
            _cancellation,
        ),
        Condition(
            "redis-outage",
            "Redis refuses every command for a third of the time, and comes back with what it held; what lies in the "
            "memory of a node does not notice.",
            _redis_outage,
        ),
        Condition("deploy", "The nodes restart one by one, each with an empty memory; Redis stays.", _deploy),
    )
}
"""Every condition by its name."""


@dataclass(frozen=True)
class Cell:
    """One run: a cache under a condition.

    `errors`: how many of each kind of exception reached callers. `failure`: why the run failed, in a line; then there
    are no metrics.
    """

    condition: str
    cache: str
    metrics: Mapping[str, float]
    errors: Mapping[str, int]
    failure: str = ""


@dataclass(frozen=True, eq=False)
class UnderConditions:
    """Caches under conditions: a run each, at the scenario's seed. `str()` of it is a table.

    `lifetime`: of the scenario's cache (s), which times are counted in. `scenarios`: what was simulated, by condition;
    in each all caches met the same requests.
    """

    lifetime: float
    scenarios: Mapping[str, Scenario]
    cells: Sequence[Cell]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a run: condition, cache, every metric (NaN where it failed), failure (text, empty for none)."""
        import pandas as pd

        rows = (
            {
                "condition": cell.condition,
                "cache": cell.cache,
                **{name: cell.metrics.get(name, nan) for name in METRICS},
                "failure": cell.failure,
            }
            for cell in self.cells
        )
        return pd.DataFrame(rows)

    def text(self) -> str:
        """The table, a block for each condition, and what they are."""
        failures = [f"{cell.cache}, {cell.condition}: {cell.failure}" for cell in self.cells if cell.failure]
        return "\n".join(
            [
                f"The same caches under conditions, a run each; a lifetime is {seconds(self.lifetime, self.lifetime)}",
                "",
                *aligned(self._rows(), "<>>>>><"),
                "",
                "The conditions",
                *listed(f"{name}: {CONDITIONS[name].about}" for name in self.scenarios),
                *(["", "Failed", *listed(failures)] if failures else ()),
            ]
        )

    __str__ = text

    def _rows(self) -> Iterator[Sequence[str]]:
        yield "", "", "largest", "", "stale", "", ""
        yield "", "loads", "stampede", "p99", "reads", "errors", ""
        for name, scenario in self.scenarios.items():
            cells = [cell for cell in self.cells if cell.condition == name]
            yield f"{name}: {_requests(cells)} in {_time(scenario)}", *[""] * 6
            for cell in cells:
                yield f"  {cell.cache}", *(["failed", *["–"] * 4, ""] if cell.failure else _told(cell))


def _requests(cells: Sequence[Cell]) -> str:
    """How many were measured; users of a closed loop ask more of a fast cache."""
    counts = sorted({cell.metrics["requests"] for cell in cells if cell.metrics}) or [0.0]
    few, many = (number(count, count) for count in (counts[0], counts[-1]))
    return f"{many} requests" if few == many else f"{few} to {many} requests"


def _time(scenario: Scenario) -> str:
    assert scenario.duration is not None
    return _rounded(scenario.duration - scenario.warmup)


def _rounded(time: float) -> str:
    """Two digits that count: without tables a percentile is known within 0.5 %."""
    return seconds(rounded := float(f"{time:.2g}"), rounded)


def _told(cell: Cell) -> Iterator[str]:
    """Numbers, and which kind of exception came most."""
    metrics = cell.metrics
    for name in ("loads", "largest_stampede"):
        yield number(metrics[name], metrics[name])
    yield "–" if isnan(metrics["latency_p99"]) else _rounded(metrics["latency_p99"])
    for name in ("stale_reads", "errors"):
        yield number(metrics[name], metrics[name])
    kinds = sorted(cell.errors, key=lambda kind: -cell.errors[kind])
    yield kinds[0] + (", …" if len(kinds) > 1 else "") if kinds else ""


def under_conditions(
    scenario: Scenario,
    caches: Mapping[str, Pattern | Factory],
    *,
    conditions: Sequence[str] = tuple(CONDITIONS),
    progress: Callable[[int], None] | None = None,
) -> UnderConditions:
    """Run each cache, a pattern or a factory, once under each condition, all of them at the scenario's seed.

    Time is counted in lifetimes of the scenario's cache; a factory whose cache has another one keeps it. `progress` is
    told how many runs are done. A run that fails is told in its cell. Raises `KeyError` for an unknown condition,
    `ScenarioError` for a recorded stream that cannot be read.

    >>> import cachesim as cs
    >>> scenario = cs.Scenario(
    ...     arrivals=cs.arrivals.Poisson(rate=100), keys=cs.keys.OneKey(), cache=cs.Pattern("cache-aside", ttl=10),
    ...     database=cs.Database(latency=cs.latency.Constant(0.5)),
    ... )
    >>> found = under_conditions(scenario, {"ours": scenario.cache}, conditions=["calm", "deploy", "expiry"])
    >>> found.frame["loads"].tolist()
    [0.0, 0.0, 4.0]
    """
    scenario = _of_known_duration(scenario)
    scenarios = {name: CONDITIONS[name].of(scenario) for name in conditions}
    cells: list[Cell] = []
    for condition, changed in scenarios.items():
        for name, cache in caches.items():
            cells.append(_run(condition, changed, name, cache))
            if progress is not None:
                progress(len(cells))
    return UnderConditions(_lifetime(scenario), scenarios, cells)


def _of_known_duration(scenario: Scenario) -> Scenario:
    """A recorded stream lasts as long as it does without a cache."""
    if scenario.duration is not None:
        return scenario
    whole = simulate(scenario.replace(cache=Pattern("none"), faults=[], warmup=0.0), record="summary")
    return scenario.replace(duration=whole.duration, warmup=0.0)


def _run(condition: str, scenario: Scenario, name: str, cache: Pattern | Factory) -> Cell:
    failures: list[BaseException] = []
    try:
        if isinstance(cache, Pattern):
            result = simulate(scenario.replace(cache=cache), record="summary")
        else:
            result = simulate(scenario, cache=_noted(cache, failures), record="summary")
    except ScenarioError:  # of a recorded stream: no cache's fault
        raise
    except (Exception, SystemExit) as error:
        return Cell(condition, name, {}, {}, told(error))
    failures += [failure for failure in result.failures if isinstance(failure, SimulationError)]
    if failures:
        return Cell(condition, name, {}, {}, told(failures[0]))
    return Cell(condition, name, result.metrics, {kind: count for kind, (count, _) in result.errors.items()})


def _noted(factory: Factory, failures: list[BaseException]) -> Factory:
    """The factory, which notes what it raises: when it fails at a restart, the old cache goes on."""

    def make(node: Node) -> Any:
        try:
            return factory(node)
        except Exception as error:
            failures.append(error)
            raise

    return make
