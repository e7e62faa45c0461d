"""`cachesim compare`: several caches under the same requests, and how they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.naming import factory_named, room_for_code, scenario_named, value_of
from cachesim.console import BAD_INPUT, FAILED, PICTURES, Stop, picture, progress, require_writable, show, write
from cachesim.messages import one_line, told

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cachesim.comparison import Comparison
    from cachesim.scenario import Pattern, Scenario
    from cachesim.world.nodes import Factory

__all__ = ["compare_command"]

_EXAMPLES = """\b
Examples:
  cachesim compare hot-key --caches scenario,early-recompute
  cachesim compare hot-key --caches cache-aside,cache-aside+single_flight=process --plot loads.png
  cachesim compare storm.toml --caches none,stale-while-revalidate+stale_for=60,my_cache:factory
  cachesim compare storm.toml --caches scenario,in-process+size=100 --json - | jq '.caches[].mean.load_rate'
"""

_OWN = "scenario"
"""The scenario's own cache."""


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
    json_file: str | None,
    plot_file: str | None,
    metric: str,
) -> None:
    """Compare caches under the same requests of SCENARIO, a file or the name of a bundled one.

    A CACHE is a pattern by name, MODULE:FACTORY, or "scenario" for the scenario's own as it is. A pattern takes over
    those options of the scenario's cache that it has, so that lifetimes are the same; +OPTION=VALUE after its name
    gives one, as in early-recompute+beta=2.
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
    with room_for_code():
        caches = {name: cache_named(name, chosen.cache) for name in names}
        comparison = _compared(scenario, chosen, caches, replications)
    baseline = baseline or names[0]
    if json_file == "-":
        show(_json(comparison, caches, baseline))
    else:
        show("\n".join([*_listed(caches), "", comparison.text(baseline)]))
        if json_file is not None:
            write("--json", json_file, _json(comparison, caches, baseline) + b"\n")
    if plot_file is not None:
        write("--plot", plot_file, picture(_drawn(comparison, metric, replications), plot_file))


# What a cache is called


def cache_named(text: str, own: Pattern) -> Pattern | Factory:
    """The cache that an item of `--caches` names; `own` is the scenario's.

    >>> from cachesim.scenario import Pattern
    >>> own = Pattern("cache-aside", ttl=10, single_flight="none")
    >>> cache_named("early-recompute+beta=2.0", own)
    Pattern('early-recompute', ttl=10.0, single_flight='none', beta=2.0)
    >>> cache_named("stale-while-revalidate+stale_for=60.0", own)
    Pattern('stale-while-revalidate', fresh_for=10.0, stale_for=60.0, single_flight='none')
    """
    from cachesim.world.caches import CACHES

    name, *given = re.split(r"\+(?=[a-z]\w*=)", text)
    pattern = own.pattern if name == _OWN else name.removeprefix("cachesim:")
    if pattern in CACHES:
        return _pattern(text, pattern, own, dict(map(_option, given)))
    if given or ":" not in name:
        known = ", ".join([_OWN, *CACHES])
        raise Stop(BAD_INPUT, f"--caches: {name!r} is unknown; known: {known}; MODULE:FACTORY for your own")
    return factory_named(name, "--caches")


def _option(text: str) -> tuple[str, Any]:
    name, _, literal = text.partition("=")
    return name, value_of(literal)


def _pattern(text: str, name: str, own: Pattern, given: Mapping[str, Any]) -> Pattern:
    """A pattern with the options of the scenario's cache that it has, and those given."""
    from cachesim.scenario import Pattern
    from cachesim.settings import ScenarioError
    from cachesim.world.caches import CACHES

    known = CACHES[name].options_type.model_fields
    lifetime = own.options.get("ttl", own.options.get("fresh_for"))
    taken = {**own.options, **({} if lifetime is None else {"ttl": lifetime, "fresh_for": lifetime})}
    options = {**{option: value for option, value in taken.items() if option in known}, **given}
    missing = [option for option, field in known.items() if field.is_required() and option not in options]
    if missing:
        example = "".join(f"+{option}=SECONDS" for option in missing)
        raise Stop(BAD_INPUT, f"--caches: {text!r} needs {' and '.join(missing)}; write {text}{example}")
    try:
        return Pattern(name, **options)
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"--caches: {text!r}: {error}") from None


# The runs


def _compared(name: str, scenario: Scenario, caches: Mapping[str, Pattern | Factory], replications: int) -> Comparison:
    from cachesim.comparison import compare
    from cachesim.settings import ScenarioError
    from cachesim.world.loop import SimulationError

    try:
        with progress(replications * len(caches), "runs") as report:
            return compare(scenario, caches, n=replications, progress=report)
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"{name}: {error}") from None
    except SimulationError as error:
        which, _, _ = str(error).partition("; ")
        raise Stop(FAILED, f"{name}: {which}; {told(error.__cause__ or error)}") from None
    except SystemExit as error:
        raise Stop(FAILED, f"{name}: a cache failed; {told(error)}") from None


# What is told


def _listed(caches: Mapping[str, Pattern | Factory]) -> Iterator[str]:
    """What each name stands for: what was taken over from the scenario's cache is seen here."""
    yield "Caches"
    width = max(map(len, caches))
    for name, cache in caches.items():
        yield f"  {name:<{width}}  {one_line(_meaning(cache))}"


def _meaning(cache: Pattern | Factory) -> str:
    if (table := _table(cache)) is None:
        return "your own"
    pattern, *options = table.values()
    named = zip(list(table)[1:], options, strict=True)
    return ", ".join([pattern, *(f"{name} {str(value).removesuffix('.0')}" for name, value in named)])


def _table(cache: Pattern | Factory) -> dict[str, Any] | None:
    """A pattern as scenario files have it; none for somebody's own cache."""
    from cachesim.scenario import Pattern

    return cache.table() if isinstance(cache, Pattern) else None


def _drawn(comparison: Comparison, metric: str, replications: int) -> Axes:
    title = f"{metric} under the same requests\nmean and 95 % interval of {replications} run(s)"
    axes = comparison.plot(metric, title=title)
    axes.set_yticks(axes.get_yticks(), [name.replace("+", "\n+") for name in comparison.caches])
    return axes


def _json(comparison: Comparison, caches: Mapping[str, Pattern | Factory], baseline: str) -> bytes:
    from cachesim.schemas import document

    fields = {
        "scenario": comparison.scenario.table(),
        "seed": comparison.scenario.seed,
        "baseline": baseline,
        "caches": [
            {"name": name, "cache": _table(cache), **_numbers(comparison, name)} for name, cache in caches.items()
        ],
        "differences": _differences(comparison, baseline),
        "advice": comparison.advice,
    }
    return document("compare/1", fields)


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
