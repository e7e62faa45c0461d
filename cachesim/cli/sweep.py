"""`cachesim sweep`: every point of a design, some times each, kept in a store as they come."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cachesim.cli.executing import executor_at, executor_options
from cachesim.cli.naming import factory_named, room_for_code, scenario_named, value_of
from cachesim.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    PICTURES,
    Stop,
    picture,
    progress,
    require_writable,
    show,
    tell,
    write,
)

if TYPE_CHECKING:
    import pandas as pd

    from cachesim.scenario import Scenario

__all__ = ["sweep_command"]

_EXAMPLES = """\b
Examples:
  cachesim sweep hot-key --vary cache.ttl=5,10,20 --vary cache.single_flight=none,process
  cachesim sweep early-recompute --vary cache.beta=0.25..4:log --draws 16 --replications 2 --plot beta.png
  cachesim sweep hot-key --vary nodes=1,2,4 --store runs.db --metric load_rate --json - | jq '.points[].mean.load_rate'
  cachesim sweep storm.toml --vary cache.ttl=5,10 --cache my_cache:factory --store runs.db --cache-name v2
"""
_RANGE = re.compile(r"\s*(.+?)\s*\.\.\s*(.+?)\s*(:log)?\s*")


@click.command("sweep", epilog=_EXAMPLES)
@click.argument("scenario")
@click.option(
    "--vary",
    "designs",
    metavar="FIELD=VALUES",
    multiple=True,
    required=True,
    help="5,10,20; or a range: 1..8, 0.1..10:log. Repeatable.",
)
@click.option(
    "--draws", metavar="N", type=click.IntRange(1, 10**6), help="Draw so many points, in place of all of them."
)
@click.option(
    "--replications", metavar="N", type=click.IntRange(1, 10**6), default=5, show_default=True, help="Each point."
)
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True, help="Change a field of all. Repeatable.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="The seed, in the place of the scenario's.")
@click.option("--cache", metavar="MODULE:FACTORY", help="Your own cache in the place of the scenario's.")
@click.option("--cache-name", metavar="NAME", help="Of it, in the store: another when its code has changed.")
@click.option("--store", metavar="FILE", help="Keep each run there as it is done; what is there is not run again.")
@click.option(
    "--time-limit", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), help="Real time for a run."
)
@executor_options
@click.option("--metric", "metrics", metavar="METRIC", multiple=True, help="To tell; the first is drawn. Repeatable.")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON; '-' for standard output, instead of the table.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw a metric by the varied fields: .png, .svg or .pdf.")
def sweep_command(
    scenario: str,
    designs: Sequence[str],
    draws: int | None,
    replications: int,
    changes: Sequence[str],
    seed: int | None,
    cache: str | None,
    cache_name: str | None,
    store: str | None,
    time_limit: float | None,
    workers: int | None,
    scheduler: str | None,
    metrics: Sequence[str],
    json_file: str | None,
    plot_file: str | None,
) -> int:
    """Run SCENARIO, a file or the name of a bundled one, with fields varied: a table with 95 % intervals."""
    from cachesim.world.metrics import METRICS

    chosen = scenario_named(scenario, changes, seed)
    varied = dict(map(_design, designs))
    for metric in metrics:
        if metric not in METRICS:
            raise Stop(BAD_INPUT, f"--metric: {metric!r} is unknown; known: {', '.join(METRICS)}")
    require_writable("--json", None if json_file == "-" else json_file)
    require_writable("--plot", plot_file, PICTURES)
    with room_for_code():
        options = {
            "replications": replications,
            "draws": draws,
            "cache": None if cache is None else factory_named(cache),
            "cache_name": cache_name or cache or "",
            "workers": workers,
            "store": store,
            "time_limit": time_limit,
        }
        with executor_at(scheduler) as executor:
            frame = _swept(scenario, chosen, varied, executor=executor, **options)
    document = _json(chosen, cache, varied, frame)
    if json_file == "-":
        show(document)
    else:
        from cachesim.sweeps.tables import text

        show(text(frame, metrics or None))
        if json_file is not None:
            write("--json", json_file, document + b"\n")
    if plot_file is not None:
        from cachesim.sweeps.pictures import plot

        write("--plot", plot_file, picture(plot(frame, metrics[0] if metrics else "load_rate").axes[0], plot_file))
    failed = int((frame["failure"] != "").sum())
    if failed:
        tell(f"{scenario}: {failed:,} of {len(frame):,} runs failed; {next(filter(None, frame['failure']))}")
    return FAILED if failed else DONE


# The design


def _design(text: str) -> tuple[str, Any]:
    """A dotted name, and the values that it takes or the range that they are drawn from.

    >>> _design("cache.ttl=5,10"), _design("cache.pattern=none,in-process")
    (('cache.ttl', [5, 10]), ('cache.pattern', ['none', 'in-process']))
    >>> _design("nodes=1..8")
    ('nodes', Between(low=1, high=8, scale='linear'))
    """
    from cachesim.sweeps.designs import Between

    name, equals, values = text.partition("=")
    name = name.strip()
    if not equals or not all(name.split(".")) or not values.strip():
        raise Stop(BAD_INPUT, f"--vary: {text!r} is not allowed; FIELD=VALUES, as in cache.ttl=5,10 or nodes=1..8")
    if bounds := _RANGE.fullmatch(values):
        low, high = value_of(bounds[1]), value_of(bounds[2])
        try:
            return name, Between(low, high, scale="log" if bounds[3] else "linear")
        except ValueError as error:
            raise Stop(BAD_INPUT, f"--vary: {text!r} is not allowed; {error}") from None
    listed = value_of(f"[{values}]")
    return name, listed if isinstance(listed, list) else [value_of(value) for value in values.split(",")]


# The runs


def _swept(name: str, scenario: Scenario, varied: Mapping[str, Any], **options: Any) -> pd.DataFrame:
    from cachesim.executors import WorkersError
    from cachesim.settings import ScenarioError
    from cachesim.sweeps.designs import points
    from cachesim.sweeps.store import StoreError
    from cachesim.sweeps.sweeping import sweep

    try:
        total = options["replications"] * len(points(varied, draws=options["draws"]))
        with progress(total, "runs") as report:
            return sweep(scenario, varied, progress=report, **options)
    except ScenarioError as error:
        raise Stop(BAD_INPUT, f"{name}, changed by --vary: {error}") from None
    except ValueError as error:
        raise Stop(BAD_INPUT, f"--vary: {error}") from None
    except StoreError as error:
        raise Stop(BAD_INPUT, f"--store: {error}") from None
    except WorkersError as error:
        raise Stop(FAILED, str(error)) from None


# What is told


def _json(scenario: Scenario, cache: str | None, varied: Mapping[str, Any], frame: pd.DataFrame) -> bytes:
    """Points with means and intervals, and every run."""
    from cachesim.schemas import document
    from cachesim.sweeps.tables import fields_of, table
    from cachesim.world.metrics import METRICS

    fields = fields_of(frame)
    points, runs = table(frame).to_dict("records"), frame.to_dict("records")
    return document(
        "sweep/1",
        {
            "scenario": scenario.table(),
            "cache": cache,
            "seed": scenario.seed,
            "varied": {name: _values(values) for name, values in varied.items()},
            "points": [
                {
                    "fields": {name: point[name] for name in fields},
                    "runs": point["runs"],
                    "failed": point["failed"],
                    "mean": {name: point[name] for name in METRICS},
                    "interval": {name: [point[f"{name}_low"], point[f"{name}_high"]] for name in METRICS},
                }
                for point in points
            ],
            "runs": [
                {
                    "fields": {name: run[name] for name in fields},
                    "seed": run["seed"],
                    "failure": run["failure"] or None,
                    "metrics": {name: run[name] for name in METRICS},
                }
                for run in runs
            ],
        },
    )


def _values(values: Any) -> Any:
    """A list of values as it is, a range as a table."""
    return values if isinstance(values, list) else asdict(values)
