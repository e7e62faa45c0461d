"""`cachesim compare`: several caches under the same requests, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.caches import LibraryCache, cache_named, listed_caches
from cachesim.cli.naming import room_for_code, scenario_named, without_logs
from cachesim.console import BAD_INPUT, FAILED, PICTURES, Stop, picture, progress, require_writable, show, write
from cachesim.messages import told

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cachesim.comparison import Comparison
    from cachesim.conditions import UnderConditions
    from cachesim.scenario import Pattern, Scenario
    from cachesim.world.nodes import Factory

__all__ = ["compare_command"]

_EXAMPLES = """\b
Examples:
  cachesim compare hot-key --caches scenario,early-recompute
  cachesim compare hot-key --caches cachesim:cache-aside,cashews:lock,aiocache:stampede --replications 3
  cachesim compare hot-key --caches cache-aside,cache-aside+single_flight=process --plot loads.png
  cachesim compare storm.toml --caches none,stale-while-revalidate+stale_for=60,my_cache:factory
  cachesim compare storm.toml --caches scenario,in-process --conditions deploy,redis-outage
  cachesim compare storm.toml --caches scenario,in-process+size=100 --json - | jq '.caches[].mean.load_rate'
"""

_NO_CONDITIONS = "none"


@click.command("compare", epilog=_EXAMPLES)
@click.argument("scenario")
@click.option(
    "--caches", "lists", metavar="CACHE,CACHE", multiple=True, required=True, help="At least 2 caches. Repeatable."
)
@click.option("--baseline", metavar="CACHE", help="What the others are held against.  [default: the first]")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Change a field: nodes=4. Repeatable.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="The seed, in the place of the scenario's.")
@click.option(
    "--replications",
    metavar="N",
    type=click.IntRange(1, 10**6),
    default=10,
    show_default=True,
    help="Runs of each cache.",
)
@click.option(
    "--conditions",
    metavar="CONDITION,CONDITION",
    help="Of calm, expiry, cancellation, redis-outage, deploy: what each cache is put under, a run each, in the last "
    "table; none for no table.  [default: all]",
)
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the table.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw a metric of every cache: .png, .svg or .pdf.")
@click.option("--metric", metavar="METRIC", default="load_rate", show_default=True, help="The metric that is drawn.")
def compare_command(
    scenario: str,
    lists: Sequence[str],
    baseline: str | None,
    changes: Sequence[str],
    seed: int | None,
    replications: int,
    conditions: str | None,
    json_file: str | None,
    plot_file: str | None,
    metric: str,
) -> None:
    """Compare caches under the same requests of SCENARIO, a file or the name of a bundled one.

    A CACHE is a pattern by name, LIBRARY:VARIANT for a released library's, MODULE:FACTORY for your own, or "scenario"
    for the scenario's as it is. A pattern takes over those options of the scenario's cache that it has, so that
    lifetimes are the same; +OPTION=VALUE after its name gives one, as in early-recompute+beta=2. A library's cache has
    one option, ttl.
    """
    from cachesim.world.metrics import METRICS

    chosen = scenario_named(scenario, changes, seed)
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--plot", plot_file, PICTURES)
    names = [name for text in lists for name in text.split(",")]
    if len(names) < 2 or len(set(names)) < len(names):
        raise Stop(BAD_INPUT, f"--caches: {','.join(names)!r} is not allowed; at least 2 caches, each of them once")
    if baseline not in (None, *names):
        raise Stop(BAD_INPUT, f"--baseline: {baseline!r} is unknown; known: {', '.join(names)}")
    if metric not in METRICS:
        raise Stop(BAD_INPUT, f"--metric: {metric!r} is unknown; known: {', '.join(METRICS)}")
    named = _conditions_named(conditions)
    with room_for_code(), without_logs():
        caches = {name: cache_named(name, chosen.cache) for name in names}
        comparison, table = _compared(scenario, chosen, caches, replications, named)
    baseline = baseline or names[0]
    if json_file == "-":
        show(_json(comparison, table, caches, baseline))
    else:
        last = [] if table is None else ["", table.text()]
        show("\n".join([*listed_caches(caches), "", comparison.text(baseline), *last]))
        if json_file is not None:
            write("--json", json_file, _json(comparison, table, caches, baseline) + b"\n")
    if plot_file is not None:
        write("--plot", plot_file, picture(_drawn(comparison, metric, replications), plot_file))


# The runs


def _conditions_named(text: str | None) -> list[str]:
    """Those that `--conditions` names, in the order of the table."""
    from cachesim.conditions import CONDITIONS

    if text is None:
        return list(CONDITIONS)
    given = [] if text == _NO_CONDITIONS else text.split(",")
    for name in given:
        if name not in CONDITIONS:
            raise Stop(BAD_INPUT, f"--conditions: {name!r} is unknown; known: {', '.join(CONDITIONS)}, or none alone")
    return [name for name in CONDITIONS if name in given]


def _compared(
    name: str,
    scenario: Scenario,
    caches: Mapping[str, Pattern | Factory],
    replications: int,
    conditions: Sequence[str],
) -> tuple[Comparison, UnderConditions | None]:
    from cachesim.comparison import compare
    from cachesim.conditions import under_conditions
    from cachesim.settings import ScenarioError
    from cachesim.world.loop import SimulationError

    try:
        with progress(replications * len(caches), "runs") as report:
            comparison = compare(scenario, caches, n=replications, progress=report)
        if not conditions:
            return comparison, None
        with progress(len(conditions) * len(caches), "runs under conditions") as report:
            return comparison, under_conditions(scenario, caches, conditions=conditions, progress=report)
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"{name}: {error}") from None
    except SimulationError as error:
        which, _, _ = str(error).partition("; ")
        raise Stop(FAILED, f"{name}: {which}; {told(error.__cause__ or error)}") from None
    except SystemExit as error:
        raise Stop(FAILED, f"{name}: a cache failed; {told(error)}") from None


# What is told


def _table(cache: Pattern | Factory) -> dict[str, Any] | None:
    """A pattern as scenario files have it; none for somebody's own cache."""
    from cachesim.scenario import Pattern

    return cache.table() if isinstance(cache, Pattern) else None


def _drawn(comparison: Comparison, metric: str, replications: int) -> Axes:
    title = f"{metric} under the same requests\nmean and 95 % interval of {replications} run(s)"
    axes = comparison.plot(metric, title=title)
    axes.set_yticks(axes.get_yticks(), [name.replace("+", "\n+") for name in comparison.caches])
    return axes


def _json(
    comparison: Comparison, table: UnderConditions | None, caches: Mapping[str, Pattern | Factory], baseline: str
) -> bytes:
    from cachesim.schemas import document

    fields = {
        "scenario": comparison.scenario.table(),
        "seed": comparison.scenario.seed,
        "baseline": baseline,
        "caches": [
            {"name": name, "cache": _table(cache), "library": _library(cache), **_numbers(comparison, name)}
            for name, cache in caches.items()
        ],
        "differences": _differences(comparison, baseline),
        "advice": comparison.advice,
        "conditions": [] if table is None else _under_conditions(table),
    }
    return document("compare/1", fields)


def _library(cache: Pattern | Factory) -> dict[str, Any] | None:
    """What a library's cache is; none for others."""
    if not isinstance(cache, LibraryCache):
        return None
    return {"name": cache.name, "ttl": cache.ttl, "versions": cache.versions}


def _under_conditions(table: UnderConditions) -> list[dict[str, Any]]:
    """By condition: what was simulated, and what became of each cache."""
    from cachesim.conditions import CONDITIONS

    return [
        {
            "name": name,
            "about": CONDITIONS[name].about,
            "scenario": scenario.table(),
            "caches": [
                {
                    "name": cell.cache,
                    "metrics": cell.metrics or None,
                    "errors": cell.errors,
                    "failure": cell.failure or None,
                }
                for cell in table.cells
                if cell.condition == name
            ],
        }
        for name, scenario in table.scenarios.items()
    ]


def _numbers(comparison: Comparison, cache: str) -> dict[str, Any]:
    """Each metric of a cache: its mean, the interval, and the value of every run."""
    from cachesim.estimates import estimate

    frame = comparison.frame
    runs = frame[frame["cache"] == cache].drop(columns="cache")
    found = {metric: estimate(runs[metric].to_numpy()) for metric in comparison.metrics}
    return {
        "mean": {metric: known.mean for metric, known in found.items()},
        "interval": {metric: known.interval for metric, known in found.items()},
        "replications": [{"seed": run.pop("seed"), "metrics": run} for run in runs.to_dict("records")],
    }


def _differences(comparison: Comparison, baseline: str) -> dict[str, Any]:
    """By cache and metric: how it differs from the baseline."""
    found: dict[str, Any] = {name: {} for name in comparison.caches if name != baseline}
    frame = comparison.differences(baseline)
    for (cache, metric), (difference, low, high, ratio) in zip(frame.index, frame.to_numpy().tolist(), strict=True):
        found[cache][metric] = {"difference": difference, "interval": [low, high], "variance_ratio": ratio}
    return found
